"""How times, ages and values are written."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care.console import words
from care.console.plan_dialogs import FieldError, parse_day, parse_times
from care.console.texts import Say
from contract.vitals import FLAGS

NOW = datetime(2026, 3, 4, 1, 30, tzinfo=UTC)
ZH, EN = Say("zh-CN"), Say("en")


@pytest.mark.parametrize(
    ("before", "zh", "en"),
    [
        (timedelta(seconds=20), "刚刚", "just now"),
        (timedelta(minutes=12), "12 分钟前", "12 min ago"),
        (timedelta(hours=30), "30 小时前", "30 h ago"),
        (timedelta(days=3), "3 天前", "3 d ago"),
        (timedelta(minutes=-5), "5 分钟后", "in 5 min"),
        (timedelta(seconds=-5), "即将", "any moment"),
    ],
)
def test_how_long_ago(before: timedelta, zh: str, en: str) -> None:
    """A length is said in its largest unit, back and ahead."""
    assert words.ago(ZH, NOW - before, NOW) == zh
    assert words.ago(EN, NOW - before, NOW) == en
    assert words.ago(EN, None, NOW) == "never"


def test_a_moment_is_said_in_the_place_of_the_patient() -> None:
    """The day is the patient's own: 23:50 in Shanghai is today, in Urumqi's zone another hour."""
    at = datetime(2026, 3, 3, 15, 50, tzinfo=UTC)
    assert words.moment(ZH, at, "Asia/Shanghai", NOW) == "昨天 23:50"
    assert words.moment(EN, at, "America/New_York", NOW) == "today 10:50"
    assert words.moment(EN, NOW - timedelta(days=9), "Asia/Shanghai", NOW) == "02-23 09:30"
    assert words.moment(EN, NOW - timedelta(days=90), "Asia/Shanghai", NOW) == "2025-12-04 09:30"
    assert words.zone("No/Such_Zone").key == "UTC"


@given(st.dates(date(1900, 1, 1), date(2026, 3, 4)))
@settings(max_examples=50)
def test_age_is_whole_years(born: date) -> None:
    """Nobody is a year older before the birthday."""
    years = words.age(born, NOW.date())
    assert born.year + years <= NOW.year
    assert (born.month, born.day) <= (3, 4) or born.year + years < NOW.year


def test_values_and_flags() -> None:
    """Pressures without needless digits, LO and HI as a finding, demo and bad times not counted."""
    assert words.pressure(186.0, 112.0) == "186/112"
    assert words.pressure(None, 80.5) == "–/80.5"
    assert words.reading("spo2", (93.0, None, None, None)) == ("93", "%")
    assert words.flags(EN, FLAGS["ihb"].mask | FLAGS["demo"].mask) == [
        "Irregular pulse",
        "Demonstration data",
    ]
    assert words.counts(FLAGS["ihb"].mask, "ntp")
    assert not words.counts(FLAGS["demo"].mask, "ntp")
    assert not words.counts(0, "untrusted")


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("08:00", ["08:00"]),
        (" 20:00, 8:00 ", ["08:00", "20:00"]),
        ("8：00、12：30；20：00", ["08:00", "12:30", "20:00"]),
        ("08:00 08:00", ["08:00"]),
    ],
)
def test_times_are_read_as_people_write_them(text: str, times: list[str]) -> None:
    """Full-width signs, missing zeros and any order are fine."""
    assert [at.strftime("%H:%M") for at in parse_times(text)] == times


@pytest.mark.parametrize("text", ["", "8", "25:00", "morning", "08:00:30", "08:00Z"])
def test_other_times_are_pointed_out(text: str) -> None:
    """What is no time of day is not guessed at."""
    with pytest.raises(FieldError, match="times_wrong"):
        parse_times(text)


def test_days() -> None:
    """A date, nothing, or a problem."""
    assert parse_day("2026/01/31") == date(2026, 1, 31)
    assert parse_day(" ") is None
    with pytest.raises(FieldError, match="date_wrong"):
        parse_day("31.1.2026")
