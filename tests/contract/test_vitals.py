"""The dictionary of vital signs: complete, without contradiction, as specified."""

import re
from importlib import resources

import pytest
import yaml

from contract.vitals import FLAGS, UNITS, VITALS, DictionaryError, flag_names, parse

TEXT = resources.files("contract").joinpath("vitals.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("k", "unit", "loinc", "mdc", "possible"),
    [
        ("bp.sys", "mm[Hg]", "8480-6", 150021, (20, 300)),
        ("bp.dia", "mm[Hg]", "8462-4", 150022, (20, 300)),
        ("bp.map", "mm[Hg]", "8478-0", 150023, (20, 300)),
        ("bp.pr", "/min", "8867-4", 149546, (0, 350)),
        ("hr.hr", "/min", "8867-4", 147842, (0, 350)),
        ("pr.pr", "/min", "8889-8", 149530, (0, 350)),
        ("spo2.spo2", "%", "2708-6", 150456, (0, 100)),
        ("rr.rr", "/min", "9279-1", 151562, (0, 120)),
        ("temp.temp", "Cel", "8310-5", 150364, (20, 46)),
        ("glu.glu", "mmol/L", "15074-8", 160184, (0, 60)),
        ("wt.wt", "kg", "29463-7", 188736, (0, 500)),
    ],
)
def test_the_specified_rows(
    k: str, unit: str, loinc: str, mdc: int, possible: tuple[float, float]
) -> None:
    """Unit, codes and possible range of every vital sign the specification lists."""
    kind, key = k.split(".")
    part = next(part for part in VITALS[kind].parts if part.key == key)
    assert (part.unit, part.loinc[0], part.mdc, part.possible) == (unit, loinc, mdc, possible)


def test_panels_and_second_codes() -> None:
    """The pressure panel, the second saturation code, glucose by mass."""
    assert (VITALS["bp"].loinc, VITALS["bp"].mdc) == (("85354-9",), 150020)
    assert VITALS["spo2"].loinc == ("2708-6", "59408-5")
    by_mass = VITALS["glu"].parts[0].units[1]
    assert (by_mass.ucum, by_mass.loinc, by_mass.possible) == ("mg/dL", ("2339-0",), (0, 1000))
    assert by_mass.to_canonical(18.016) == pytest.approx(1)


def test_parts_and_bits_stay_where_they_are() -> None:
    """Stored values and flags depend on these places for ever."""
    assert [part.key for part in VITALS["bp"].parts] == ["sys", "dia", "map", "pr"]
    assert {flag.name: flag.bit for flag in FLAGS.values()} == {
        "motion": 0,
        "lowperf": 1,
        "cuff": 2,
        "ihb": 3,
        "leadoff": 4,
        "lowbat": 5,
        "demo": 6,
        "below_range": 7,
        "above_range": 8,
        "failed": 9,
        "implausible": 10,
    }
    assert flag_names(0b1000_0001) == ["motion", "below_range"]


def test_pressure_has_one_unit_and_temperature_too() -> None:
    """Nothing converts a blood pressure from kPa, or a temperature from Fahrenheit."""
    for kind, parts in (("bp", 4), ("temp", 1)):
        assert all(len(part.units) == 1 for part in VITALS[kind].parts)
        assert len(VITALS[kind].parts) == parts


def test_everything_has_a_name_in_both_languages() -> None:
    """Vital signs, parts, units and flags; the Chinese ones are Chinese."""
    named = [*VITALS.values(), *FLAGS.values(), *UNITS.values()]
    named += [part for vital in VITALS.values() for part in vital.parts]
    for item in named:
        assert re.search(r"[\u4e00-\u9fff]", item.names.zh), item
        assert item.names.of("en") == item.names.en
        assert item.names.of("zh-CN") == item.names.zh


def test_flags_say_who_sets_them_and_what_they_do() -> None:
    """Only `implausible` is the hub's; demo data and doubtful data do not count."""
    assert {f.name for f in FLAGS.values() if f.by == "hub"} == {"implausible"}
    assert {f.name for f in FLAGS.values() if not f.counts} == {"implausible", "demo"}
    assert {f.name for f in FLAGS.values() if f.explains_no_value} == {
        "failed",
        "below_range",
        "above_range",
    }


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("bit: 1,", "bit: 0,", "flag bit used twice"),
        ("bit: 10,", "bit: 31,", "does not fit"),
        ("name: cuff,", "name: motion,", "flag name used twice"),
        ("zh: 袖带佩戴不当, ", "", "needs a name in zh"),
        ("en: Too low to measure, ", "en: '', ", "needs a name in zh and in en"),
        (
            "possible: [20, 46], plausible: [25, 45]",
            "possible: [20, 46], plausible: [25, 47]",
            "beyond possible",
        ),
        ("possible: [20, 46]", "possible: [46, 20]", "turned round"),
        ("deprecated: {use: ", "deprecated: {why: ", "does not say what to use"),
        ("units: [{ucum: L/min}]", "units: [{ucum: L/min, factor: 2}]", "canonical"),
        ("- k: wt", "- k: temp", "vital sign used twice"),
        ("key: map, zh", "key: sys, zh", "different keys"),
    ],
)
def test_a_contradiction_stops_the_program(old: str, new: str, complaint: str) -> None:
    """Each kind of mistake in the file is named when it is read."""
    assert old in TEXT
    with pytest.raises(DictionaryError, match=complaint):
        parse(TEXT.replace(old, new, 1))


def test_a_new_vital_sign_is_one_entry() -> None:
    """What architecture promises: adding one needs an entry of the file and nothing else."""
    raw = yaml.safe_load(TEXT)
    part = {
        "key": "bmi",
        "zh": "体质指数",
        "en": "BMI",
        "units": [{"ucum": "1"}],
        "loinc": ["39156-5"],
    }
    part |= {"mdc": 188752, "possible": [5, 150], "plausible": [10, 80]}
    raw["vitals"].append({"k": "bmi", "zh": "体质指数", "en": "Body mass index", "parts": [part]})
    assert parse(yaml.safe_dump(raw, allow_unicode=True)).vitals["bmi"].parts[0].unit == "1"


def test_a_new_vital_sign_may_bring_a_unit_of_its_own() -> None:
    """A unit without a name is called by its code; no codes and no plausible range are needed."""
    raw = yaml.safe_load(TEXT)
    part = {
        "key": "ph",
        "zh": "酸碱度",
        "en": "pH",
        "units": [{"ucum": "[pH]"}],
        "possible": [0, 14],
    }
    raw["vitals"].append({"k": "ph", "zh": "酸碱度", "en": "pH", "parts": [part]})
    dictionary = parse(yaml.safe_dump(raw, allow_unicode=True))
    assert dictionary.units["[pH]"].symbol == "[pH]"
    assert dictionary.vitals["ph"].parts[0].plausible == (0, 14)
    assert (dictionary.vitals["ph"].loinc, dictionary.vitals["ph"].mdc) == ((), None)


def test_what_is_deprecated_says_what_to_use() -> None:
    """Steps are counted in {steps}; the bare 1 is still taken."""
    units = {unit.ucum: unit.deprecated for unit in VITALS["steps"].parts[0].units}
    assert units == {"{steps}": None, "1": "{steps}"}


_WAIST = """
  - k: waist
    zh: 腰围
    en: Waist
    parts:
      - {key: waist, zh: 腰围, en: Waist, loinc: [], mdc: null,
         units: [{ucum: cm, zh: 厘米, en: centimetres}],
         possible: [20, 250], plausible: [40, 200]}
"""


def test_a_vital_sign_may_name_its_own_unit() -> None:
    """One entry is enough; half a name, or one given twice, stops the program."""
    unit = parse(TEXT + _WAIST).units["cm"]
    assert (unit.symbol, unit.names.zh, unit.names.en) == ("cm", "厘米", "centimetres")
    assert (
        parse(TEXT + _WAIST.replace(", zh: 厘米, en: centimetres", "")).units["cm"].symbol == "cm"
    )
    with pytest.raises(DictionaryError, match="needs a name in zh"):
        parse(TEXT + _WAIST.replace(", en: centimetres", ""))
    with pytest.raises(DictionaryError, match="unit used twice"):
        parse(TEXT + _WAIST.replace("ucum: cm", "ucum: kg"))


def test_the_value_people_name_is_made_of_the_required_parts() -> None:
    """148/91 for a pressure, one number elsewhere."""
    assert VITALS["bp"].leading == 2
    assert {vital.leading for k, vital in VITALS.items() if k != "bp"} == {1}
