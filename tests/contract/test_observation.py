"""What a batch becomes: readings and blocks, or a defect for the one series that has it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import codec
from contract.experimental import experimental
from contract.instants import to_millis
from contract.messages import Obs
from contract.observation import Observation, observe
from contract.vitals import FLAGS, VITALS, flag_names
from tests.contract.corpus import golden

NOW = datetime(2026, 11, 22, 13, 40, tzinfo=UTC)
T = to_millis(NOW) - 5_000


def batch(*series: dict[str, Any], **envelope: Any) -> Obs:
    """A batch as it arrives: encoded and decoded."""
    message = {"v": 0, "boot": 12, "seq": 7, "t": T, "clk": "ntp", **envelope, "ser": list(series)}
    present = {key: value for key, value in message.items() if value is not None}
    decoded = codec.decode("obs", json.dumps(present).encode())
    assert isinstance(decoded, Obs)
    return decoded


def seen(*series: dict[str, Any], at: datetime = NOW, **envelope: Any) -> Observation:
    """What a batch becomes."""
    return observe(batch(*series, **envelope), received_at=at)


def pressure(sys: Any = 148, dia: Any = 91, **more: Any) -> dict[str, Any]:
    """A series of one blood pressure."""
    return {"k": "bp", "dev": "cuff1", "o": [0], "c": {"sys": [sys], "dia": [dia]}, **more}


def test_the_specified_example() -> None:
    """Two blocks and one reading, with flag, person, pulse and place of measurement."""
    obs = codec.decode("obs", golden("obs.json"))
    assert isinstance(obs, Obs)
    result = observe(obs, received_at=NOW)
    assert (result.kept, result.dropped, result.defects, result.warnings) == (3, 0, [], [])
    (reading,) = result.readings
    assert reading.values == (148, 91, None, 72)
    assert (reading.kind, reading.dev, reading.ordinal, reading.who) == ("bp", "cuff1", 0, "A")
    assert (flag_names(reading.flags), reading.clock, reading.anchored) == (["ihb"], "ntp", True)
    assert reading.context == {"pos": "sitting", "site": "upper_arm_l"}
    assert to_millis(reading.measured_at) == 1795354700000 == to_millis(reading.sent_at or NOW)
    spo2, pulse = result.blocks
    assert (spo2.kind, spo2.step_ms, spo2.samples) == ("spo2", 1000, [97, 97, None, 96, 96])
    assert (flag_names(spo2.flags), pulse.flags) == (["motion"], 0)
    assert to_millis(spo2.start_at) == 1795354700000


@pytest.mark.parametrize(
    ("series", "code", "path", "got"),
    [
        ({"k": "bp", "c": {"sys": [1], "dia": [1]}}, "E2106", "/ser/1", None),
        (pressure(dt=1000), "E2106", "/ser/1", None),
        ({"k": "bp", "o": [0]}, "E2107", "/ser/1", None),
        (pressure(y=[1]), "E2107", "/ser/1", None),
        (pressure(19, 12, u="kPa"), "E3102", "/ser/1/u", "kPa"),
        (pressure(u="mmHg"), "E3102", "/ser/1/u", "mmHg"),
        (pressure(u="/min"), "E3102", "/ser/1/u", "/min"),
        ({"k": "temp", "o": [0], "y": [98.6], "u": "[degF]"}, "E3102", "/ser/1/u", "[degF]"),
        (pressure(301), "E3101", "/ser/1/c/sys/0", "301"),
        (pressure(120, 19.5), "E3101", "/ser/1/c/dia/0", "19.5"),
        ({"k": "spo2", "dt": 1000, "y": [97, None, 101]}, "E3101", "/ser/1/y/2", "101"),
        ({"k": "glu", "o": [0], "y": [126]}, "E3101", "/ser/1/y/0", "126"),
        ({"k": "glu", "o": [0], "y": [1001], "u": "mg/dL"}, "E3101", "/ser/1/y/0", "1001"),
        (pressure(o=[0, 1000]), "E3103", "/ser/1/o", None),
        ({"k": "bp", "o": [0], "c": {"sys": [1], "dia": [1, 2]}}, "E3103", "/ser/1/c/dia", None),
        (pressure(q=[50, 60]), "E3103", "/ser/1/q", None),
        ({"k": "bp", "o": [0], "c": {"sys": [120], "dya": [80]}}, "E3104", "/ser/1/c/dya", "dya"),
        ({"k": "bp", "o": [0], "c": {"sys": [120]}}, "E3105", "/ser/1/c/dia", None),
        ({"k": "bp", "o": [], "c": {"sys": [], "dia": []}}, "E3106", "/ser/1", None),
        ({"k": "spo2", "dt": 1000, "y": []}, "E3106", "/ser/1", None),
        ({"k": "bp", "o": [0], "y": [120]}, "E3107", "/ser/1/y", None),
        ({"k": "spo2", "o": [0], "c": {"spo2": [97]}}, "E3107", "/ser/1/c", None),
        (pressure(None, None), "E3108", "/ser/1", None),
    ],
)
def test_a_bad_series_is_dropped_and_its_neighbours_are_kept(
    series: dict[str, Any], code: str, path: str, got: str | None
) -> None:
    """Each mistake drops its own series, says code, place and value; the two others are kept."""
    good = {"k": "spo2", "o": [0], "y": [97]}
    result = seen(good, series, {**good, "dev": "ox2"})
    (defect,) = result.defects
    assert (defect.code, defect.path, defect.got) == (code, path, got)
    assert (result.kept, result.dropped) == (2, 1)
    assert [reading.dev for reading in result.readings] == ["", "ox2"]


def test_a_refused_unit_says_what_is_allowed() -> None:
    """The message of the specified example: which part, in which unit."""
    (defect,) = seen(pressure(19, 12, u="kPa")).defects
    assert (defect.name, defect.msg) == ("unit_not_allowed", "bp.sys must be in mm[Hg]")
    (defect,) = seen({"k": "glu", "o": [0], "y": [5], "u": "g/L"}).defects
    assert defect.msg == "glu must be in mmol/L or mg/dL"


def test_units_are_converted_and_the_original_is_kept() -> None:
    """126 mg/dL of glucose is 6.99 mmol/L; without a unit the first one is meant."""
    converted, plain = seen(
        {"k": "glu", "o": [0], "y": [126], "u": "mg/dL"}, {"k": "glu", "o": [1], "y": [7]}
    ).readings
    assert converted.values[0] == pytest.approx(6.9938, abs=1e-4)
    assert converted.original == {"u": "mg/dL", "values": [126]}
    assert (plain.values[0], plain.original) == (7, None)
    (block,) = seen({"k": "sleep", "dt": 86_400_000, "y": [420], "u": "min"}).blocks
    assert (block.samples, block.context) == ([7], {"sent_unit": "min"})


@pytest.mark.parametrize(
    ("values", "implausible"),
    [
        ((148, 91, 110, 72), False),
        ((49, 40, None, None), True),  # systolic below 50
        ((230, 201, None, None), True),  # diastolic over 200
        ((120, 121, None, None), True),  # the wrong way round
        ((120, 111, None, None), True),  # pulse pressure 9
        ((120, 110, None, None), False),  # pulse pressure 10
        ((120, 80, 120, None), True),  # mean not below systolic
        ((120, 80, 80, None), True),  # mean not above diastolic
        ((120, 80, None, 310), True),  # pulse over 300
        ((120, None, None, 72), False),  # what is missing breaks nothing
    ],
)
def test_the_implausible_is_kept_and_marked(
    values: tuple[float | None, ...], implausible: bool
) -> None:
    """Possible and hard to believe: stored, with the hub's flag."""
    parts = ("sys", "dia", "map", "pr")
    columns = {key: [v] for key, v in zip(parts, values, strict=True) if v or key in parts[:2]}
    (reading,) = seen({"k": "bp", "o": [0], "c": columns}).readings
    assert reading.values == values
    assert bool(reading.flags & FLAGS["implausible"].mask) is implausible


def test_plausibility_is_judged_sample_by_sample() -> None:
    """In a series of readings only the doubtful one is marked; a block says that one is."""
    readings = seen({"k": "spo2", "o": [0, 1, 2], "y": [97, 20, 96]}).readings
    assert [flag_names(reading.flags) for reading in readings] == [[], ["implausible"], []]
    (block,) = seen({"k": "spo2", "dt": 1000, "y": [97, 20, 96]}).blocks
    assert flag_names(block.flags) == ["implausible"]


@pytest.mark.parametrize("flag", ["failed", "below_range", "above_range"])
def test_safety_11_too_high_or_too_low_to_measure_is_a_finding(flag: str) -> None:
    """Safety rule 11: without a number, and with the flag that says why, it is a reading."""
    (reading,) = seen(pressure(None, None, fl=[flag])).readings
    assert reading.values == (None, None, None, None)
    assert flag_names(reading.flags) == [flag]


def test_missing_samples_are_left_out() -> None:
    """A null among readings is no reading; a null in a block keeps its place."""
    result = seen({"k": "spo2", "o": [0, 1000, 2000], "y": [97, None, 96]})
    assert [reading.values[0] for reading in result.readings] == [97, 96]
    (block,) = seen({"k": "spo2", "dt": 1000, "y": [None, None]}).blocks
    assert block.samples == [None, None]


def test_a_pressure_with_a_regular_step_becomes_one_block_a_part() -> None:
    """Beat-to-beat pressure: parts 0, 1 and 3, with the quality of each sample."""
    columns = {"pr": [70, 71], "dia": [80, 81], "sys": [120, 121]}
    blocks = seen({"k": "bp", "dt": 800, "c": columns, "q": [90, None]}).blocks
    assert [(block.part, block.samples) for block in blocks] == [
        (0, [120, 121]),
        (1, [80, 81]),
        (3, [70, 71]),
    ]
    assert blocks[0].quality == [90, None]


def test_an_unknown_vital_sign_is_kept_aside() -> None:
    """W2001: neither shown nor lost; the series comes back whole."""
    odd = {"k": "aura", "dev": "x1", "u": "lm", "o": [0], "c": {"red": [1]}}
    result = seen(odd, pressure())
    (unknown,) = result.unknown
    assert (unknown.index, unknown.series.k, unknown.series.c) == (0, "aura", {"red": [1]})
    (warning,) = result.warnings
    assert (warning.code, warning.path, warning.got) == ("W2001", "/ser/0/k", "aura")
    assert (result.kept, result.dropped, len(result.readings)) == (1, 0, 1)


def test_flags_become_bits_and_unknown_ones_a_warning() -> None:
    """Known flags are kept; one nobody knows, and the hub's own, are told and left out."""
    result = seen(pressure(fl=["cuff", "wings", "implausible", "demo"]))
    assert flag_names(result.readings[0].flags) == ["cuff", "demo"]
    assert [(w.code, w.path) for w in result.warnings] == [
        ("W2002", "/ser/0/fl/1"),
        ("W2002", "/ser/0/fl/2"),
    ]


def test_a_deprecated_unit_is_kept_and_told() -> None:
    """W1001 names what to use; without the unit there is nothing to tell."""
    steps = {"k": "steps", "o": [0], "y": [4000]}
    result = seen(steps, {**steps, "u": "1"}, {**steps, "u": "{steps}"})
    assert len(result.readings) == 3
    (warning,) = result.warnings
    assert (warning.code, warning.path, warning.got) == ("W1001", "/ser/1/u", "1")
    assert warning.msg.endswith("use {steps}")


def test_experimental_keys_go_with_the_readings() -> None:
    """`x_` keys of the message and of the series are kept in the context; the series' own win."""
    said = {
        "x_fw": {"beta": 3},
        "ser": [{"k": "hr", "x_fw": 4}, {"k": "hr", "y": [1]}],
        "y_not": 1,
    }
    aside = experimental(said)
    result = observe(
        batch({"k": "hr", "o": [0], "y": [70], "how": "auto"}, {"k": "hr", "dt": 9, "y": [70]}),
        received_at=NOW,
        aside=aside,
    )
    assert result.readings[0].context == {"how": "auto", "x": {"x_fw": 4}}
    assert result.blocks[0].context == {"x": {"x_fw": {"beta": 3}}}
    assert result.warnings == []


def test_too_much_of_an_experiment_is_left_out_and_told() -> None:
    """Long texts, huge numbers and more than 1024 bytes are not kept; the readings are."""
    said = {
        "x_long": "x" * 513,
        "x_huge": 2**64,
        "ser": [{"x_some": ["x" * 450] * 2, "x_ok": 1}, {"x_some": ["x" * 500] * 3}],
    }
    aside = experimental(said)
    result = observe(
        batch(*[{"k": "hr", "o": [at], "y": [70]} for at in (0, 1)]), received_at=NOW, aside=aside
    )
    assert [reading.context is None for reading in result.readings] == [False, True]
    assert [(w.code, w.path) for w in result.warnings] == [
        ("W2003", "/x_long"),
        ("W2003", "/x_huge"),
        ("W2003", "/ser/1"),
    ]


def test_nothing_is_experimental_in_most_messages() -> None:
    """Bytes without such a key are not read a second time; a value that begins so is no key."""
    assert experimental(golden("obs.json")) is None
    assert experimental(b'{"v":0,"clk":"x_y","ser":[{"k":"x_y"}]}') is None


@pytest.mark.parametrize("who", ["A", "H", "r:0123456789abcdef"])
def test_a_slot_or_a_pseudonym_is_taken(who: str) -> None:
    """Profile slots and issued pseudonyms pass unchanged."""
    result = seen(pressure(who=who))
    assert (result.readings[0].who, result.warnings) == (who, [])


@pytest.mark.parametrize("who", ["I", "a", "AB", "", "r:123", "r:0123456789ABCDEF", "张三", "A\n"])
def test_another_word_for_a_person_waits_to_be_assigned(who: str) -> None:
    """The reading is kept for nobody; what stood there is not repeated: it may be a card number."""
    result = seen(pressure(who=who))
    assert result.readings[0].who == "?"
    (warning,) = result.warnings
    assert (warning.code, warning.path) == ("W4001", "/ser/0/who")
    assert warning.got == f"{len(who)} characters"


def test_a_guided_session_ties_readings_together() -> None:
    """Session id, number, total and end; the numbers are kept in the context too."""
    first, last = seen(
        pressure(ses={"id": "s17", "n": 1, "of": 2}),
        pressure(o=[60_000], ses={"id": "s17", "n": 2, "of": 2, "done": 1}),
        t=T - 120_000,
    ).readings
    assert (first.session_id, first.session_n, first.session_of, first.session_done) == (
        "s17",
        1,
        2,
        False,
    )
    assert last.session_done
    assert last.context == {"session": {"n": 2, "of": 2, "done": 1}}


def test_context_and_correction_are_carried() -> None:
    """How, quality of the sample, and that a reading corrects an earlier one."""
    (reading,) = seen(pressure(how="manual", q=[88], fix=1, rec=93)).readings
    assert reading.context == {"how": "manual", "q": 88}
    assert (reading.fix, reading.ordinal) == (True, 93)


def test_the_same_instant_twice_gives_two_identities() -> None:
    """Samples of one series at one instant are counted, above the device's record number."""
    twice = {"k": "hr", "o": [0, 0, 5], "y": [70, 71, 72]}
    assert [r.ordinal for r in seen(twice).readings] == [0, 1 << 47, 0]
    numbered = seen({**twice, "rec": 9}).readings
    assert [r.ordinal for r in numbered] == [9, (1 << 47) + 9, 9]


KINDS = sorted(VITALS)
SERIES = st.fixed_dictionaries(
    {"k": st.sampled_from([*KINDS, "aura"])},
    optional={
        "dev": st.sampled_from(["", "d1"]),
        "u": st.sampled_from(["mm[Hg]", "/min", "%", "mg/dL", "kg", "kPa"]),
        "dt": st.integers(1, 86_400_000),
        "o": st.lists(st.integers(-(2**53), 2**53) | st.integers(-9, 9), max_size=4),
        "y": st.lists(st.none() | st.floats(-10, 400), max_size=4),
        "c": st.dictionaries(
            st.sampled_from(["sys", "dia", "map", "pr", "x"]),
            st.lists(st.none() | st.floats(0, 350), max_size=4),
            max_size=4,
        ),
        "fl": st.lists(st.sampled_from([*FLAGS, "wings"]), max_size=3),
        "who": st.sampled_from(["A", "Z", "r:0123456789abcdef"]),
        "rec": st.integers(0, 2**47 - 1),
        "q": st.lists(st.none() | st.integers(0, 100), max_size=4),
    },
)
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "t": st.none() | st.integers(-(2**53), 2**53) | st.just(T),
        "clk": st.sampled_from(["ntp", "manual", "none", "sundial"]),
        "up": st.integers(0, 2**53),
    },
)


@settings(max_examples=300, deadline=None)
@given(series=st.lists(SERIES, min_size=1, max_size=5), envelope=ENVELOPES)
def test_every_series_ends_somewhere(
    series: list[dict[str, Any]], envelope: dict[str, Any]
) -> None:
    """Whatever is sent: each series is kept, dropped or kept aside, and what is kept is within
    the possible, with a time the calendar holds, and identities that differ."""
    result = seen(*series, **envelope)
    assert result.kept + result.dropped + len(result.unknown) == len(series)
    for reading in result.readings:
        for value, part in zip(reading.values, VITALS[reading.kind].parts, strict=False):
            assert value is None or part.possible[0] - 1e-9 <= value <= part.possible[1] + 1e-9
        assert reading.measured_at <= NOW + timedelta(seconds=120)
        assert -(2**63) <= reading.ordinal < 2**63
    for at in range(len(series)):
        keys = [(r.measured_at, r.ordinal) for r in result.readings if r.series == at]
        assert len(set(keys)) == len(keys)


@settings(max_examples=100, deadline=None)
@given(series=st.lists(SERIES, min_size=1, max_size=4), later=st.integers(0, 86_400_000))
def test_redelivery_makes_nothing_new(series: list[dict[str, Any]], later: int) -> None:
    """The same message later: the same ordinals throughout, and the same identity wherever the
    time is the device's own in both."""
    first = seen(*series)
    again = seen(*series, at=NOW + timedelta(milliseconds=later))
    assert len(first.readings) == len(again.readings)
    for one, other in zip(first.readings, again.readings, strict=True):
        assert one.values == other.values
        if one.anchored == other.anchored:
            assert one.ordinal == other.ordinal
        if one.anchored:
            assert one.measured_at == other.measured_at
