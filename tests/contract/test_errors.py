"""The table of codes: stable, in both languages, and used."""

import re
from importlib import resources
from pathlib import Path

import pytest

from contract.errors import ERRORS, Refused, defect, parse, refused

ROOM = Path(__file__).parents[2] / "contract"


def test_codes_are_well_formed_and_explained_twice() -> None:
    """Code, name, meaning and hint in English and Chinese, and where to read on."""
    for code, known in ERRORS.items():
        assert re.fullmatch(r"(E[1-59]|W[1-5])\d{3}", code), code
        assert re.fullmatch(r"[a-z][a-z0-9_]+", known.name)
        assert known.doc == f"errors#{code}"
        assert re.search(r"[\u4e00-\u9fff]", known.zh.meaning + known.zh.hint)
        assert known.en.meaning.endswith(".")
        assert known.en.hint.endswith(".")
        assert known.warning == code.startswith("W")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("E3102", "unit_not_allowed"),
        ("W2001", "unknown_vital_sign"),
        ("W3201", "impossible_time"),
        ("W3203", "older_than_30_days"),
        ("E4001", "unknown_device"),
    ],
)
def test_released_codes_keep_their_meaning(code: str, name: str) -> None:
    """Codes that the specification names."""
    assert ERRORS[code].name == name


def test_only_waiting_helps_against_rate_and_hub_faults() -> None:
    """Everything else must be dropped by the device: no poison message goes round for ever."""
    assert {code for code, known in ERRORS.items() if known.retry} == {
        *("E4101", "E4102", "E4104", "E5101", "E9001")
    }


def test_every_code_the_room_raises_is_in_the_table() -> None:
    """A code in the source that the table does not know would fail when it is needed."""
    source = "".join(path.read_text(encoding="utf-8") for path in ROOM.glob("*.py"))
    assert set(re.findall(r'"([EW]\d{4})"', source)) <= set(ERRORS)


def test_a_code_used_twice_is_noticed() -> None:
    """The table does not load with the same code for two things."""
    text = resources.files("contract").joinpath("errors.yaml").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="used twice"):
        parse(text.replace("code: E2002", "code: E2001"))


def test_a_defect_is_short_and_complete() -> None:
    """What was got is cut to 64 characters; without a message of its own it says the meaning."""
    short = defect("E3102", "/ser/2/u", got="k" * 65)
    assert short.got == "k" * 63 + "…"
    assert (short.msg, short.retry) == (ERRORS["E3102"].en.meaning, False)
    assert len(defect("E2103", "/" + "x" * 600).path) == 512


def test_a_refusal_reads_as_a_sentence() -> None:
    """The exception names code, place and reason for a log or a shell."""
    error = refused("E2007")
    assert isinstance(error, Refused)
    assert str(error) == "E2007 empty_payload at '': The payload is empty."
