"""When a reading happened: the device's word where it can be true, its arrival where it cannot."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import codec, fast_path
from contract.clocks import occurred
from contract.instants import EPOCH, from_millis, to_millis
from contract.messages import Event, Obs
from contract.observation import Observation, observe

NOW = datetime(2026, 11, 22, 13, 40, 0, 500, tzinfo=UTC)
NOW_MS = to_millis(NOW)
SECOND = 1_000
DAY = 86_400 * SECOND


def seen(series: list[dict[str, Any]], *, at: datetime = NOW, **envelope: Any) -> Observation:
    """What a batch becomes that arrives at `at`."""
    message = {"v": 0, "boot": 1, "seq": 1, **envelope, "ser": series}
    obs = codec.decode("obs", json.dumps(message).encode())
    assert isinstance(obs, Obs)
    return observe(obs, received_at=at)


def pulse(*offsets: int, **more: Any) -> dict[str, Any]:
    """Pulses at the offsets."""
    return {"k": "pr", "o": list(offsets), "y": [70 + i for i in range(len(offsets))], **more}


@pytest.mark.parametrize(
    ("ahead_ms", "clock"), [(119_000, "ntp"), (120_000, "ntp"), (120_001, "untrusted")]
)
def test_two_minutes_ahead_are_forgiven(ahead_ms: int, clock: str) -> None:
    """Up to 120 s ahead of the hub a time is taken as it is."""
    result = seen([pulse(0)], t=NOW_MS + ahead_ms, clk="ntp")
    assert result.readings[0].clock == clock
    assert [w.code for w in result.warnings] == ([] if clock == "ntp" else ["W3201"])


@pytest.mark.parametrize("claim", [NOW_MS + DAY, 0, -5, 2**53, -(2**53), 1_419_984_000_000])
def test_safety_02_an_impossible_time_refuses_nothing(claim: int) -> None:
    """Safety rule 2: the reading is kept at its arrival, untrusted, with the claim beside it."""
    result = seen([pulse(0)], t=claim, clk="ntp")
    (reading,) = result.readings
    assert (reading.measured_at, reading.clock, reading.anchored) == (NOW, "untrusted", False)
    assert reading.claimed_at == from_millis(claim)
    (warning,) = result.warnings
    assert (warning.code, warning.path, result.kept) == ("W3201", "/t", 1)
    assert "2026-11-22T13:40:00" in warning.msg


def test_the_first_possible_time_is_2015() -> None:
    """Ten years of flash memory are believed, an unset clock is not."""
    year_2015 = to_millis(datetime(2015, 1, 1, tzinfo=UTC))
    assert seen([pulse(0)], t=year_2015, clk="ntp").readings[0].clock == "ntp"
    assert seen([pulse(0)], t=year_2015 - 1, clk="ntp").readings[0].clock == "untrusted"


def test_untrusted_readings_keep_their_order_and_stay_apart() -> None:
    """The last one stands at its arrival, those before it a millisecond earlier each; their
    ordinals differ, are negative, and are the same when the message comes again."""
    first = seen([pulse(0, 60_000, 120_000)], t=0, clk="ntp")
    again = seen([pulse(0, 60_000, 120_000)], t=0, clk="ntp", at=NOW + timedelta(hours=1))
    assert [r.measured_at for r in first.readings] == [
        NOW - timedelta(milliseconds=2),
        NOW - timedelta(milliseconds=1),
        NOW,
    ]
    ordinals = [r.ordinal for r in first.readings]
    assert len(set(ordinals)) == 3
    assert max(ordinals) < 0
    assert ordinals == [r.ordinal for r in again.readings]


def test_other_messages_of_the_same_instant_stay_apart() -> None:
    """Two messages with a dead clock, taken in the same millisecond, are two readings."""
    one = seen([pulse(0)], t=0).readings[0]
    other = observe(
        codec.decode("obs", b'{"v":0,"boot":1,"seq":2,"t":0,"ser":[{"k":"pr","o":[0],"y":[70]}]}'),  # type: ignore[arg-type]
        received_at=NOW,
    ).readings[0]
    assert one.measured_at == other.measured_at
    assert one.ordinal != other.ordinal


def test_a_record_number_stays_a_readings_ordinal() -> None:
    """Also where the time is not the device's."""
    assert seen([pulse(0, rec=93)], t=0).readings[0].ordinal == 93


def test_only_the_impossible_sample_is_moved() -> None:
    """One series may hold a true time and an impossible one; the warning names the second."""
    result = seen([pulse(0, DAY)], t=NOW_MS, clk="ntp")
    assert [r.clock for r in result.readings] == ["ntp", "untrusted"]
    assert [(w.code, w.path) for w in result.warnings] == [("W3201", "/ser/0/o/1")]


def test_a_wrong_message_time_is_told_once() -> None:
    """Not once a series."""
    result = seen([pulse(0), pulse(0, dev="b"), {"k": "pr", "dt": 1000, "y": [70]}], t=0)
    assert [(w.code, w.path) for w in result.warnings] == [("W3201", "/t")]


def test_what_is_older_than_a_month_is_kept_and_said() -> None:
    """30 days pass silently; a millisecond more is W3203 with the time unchanged."""
    month = to_millis(NOW) - 30 * DAY
    assert seen([pulse(0)], t=month, clk="ntp").warnings == []
    result = seen([pulse(0)], t=month - 1, clk="ntp")
    assert [w.code for w in result.warnings] == ["W3203"]
    assert (to_millis(result.readings[0].measured_at), result.readings[0].clock) == (
        month - 1,
        "ntp",
    )


def test_without_a_clock_the_time_is_worked_out_from_the_uptime() -> None:
    """measured = received - (up at sending - up of the sample), quality derived."""
    result = seen([pulse(90_000, 100_000)], clk="none", up=100_000)
    assert [r.measured_at for r in result.readings] == [
        from_millis(NOW_MS - 10_000),
        from_millis(NOW_MS),
    ]
    assert {r.clock for r in result.readings} == {"derived"}
    assert (result.warnings, result.readings[0].claimed_at) == ([], None)
    assert not result.readings[0].anchored


def test_an_uptime_that_cannot_be_is_untrusted() -> None:
    """A sample from after it was sent is moved to its arrival; there is no claim to keep."""
    result = seen([pulse(9 * DAY)], clk="none", up=100_000)
    (reading,) = result.readings
    assert (reading.measured_at, reading.clock, reading.claimed_at) == (NOW, "untrusted", None)
    assert [w.code for w in result.warnings] == ["W3201"]


def test_without_time_and_uptime_it_is_its_arrival() -> None:
    """Kept, untrusted, and told: nothing else is known."""
    result = seen([pulse(0)], clk="none")
    assert (result.readings[0].measured_at, result.readings[0].clock) == (NOW, "untrusted")
    assert [w.code for w in result.warnings] == ["W3202"]


@pytest.mark.parametrize(
    ("clk", "clock"),
    [
        ("ntp", "ntp"),
        ("manual", "manual"),
        ("none", "none"),
        ("sundial", "other"),
        (None, "other"),
        ("untrusted", "other"),
    ],
)
def test_the_quality_of_the_clock_is_kept(clk: str | None, clock: str) -> None:
    """Known words pass; what is new, or not a device's to say, becomes `other`."""
    envelope = {} if clk is None else {"clk": clk}
    assert seen([pulse(0)], t=NOW_MS, **envelope).readings[0].clock == clock


def test_a_block_starts_at_its_time_or_ends_at_its_arrival() -> None:
    """True time: its start. Impossible or missing: its last sample stands at the arrival."""
    run = {"k": "pr", "dt": 1000, "y": [70, 71, 72]}
    (true,) = seen([run], t=NOW_MS - 5_000, clk="ntp").blocks
    assert (to_millis(true.start_at), true.clock) == (NOW_MS - 5_000, "ntp")
    (wrong,) = seen([run], t=NOW_MS + DAY, clk="ntp").blocks
    assert (wrong.start_at, wrong.clock) == (NOW - timedelta(seconds=2), "untrusted")
    assert wrong.claimed_at == from_millis(NOW_MS + DAY)
    (derived,) = seen([run], clk="none", up=5).blocks
    assert (derived.start_at, derived.clock) == (NOW - timedelta(seconds=2), "derived")


def test_a_block_that_runs_into_the_future_is_untrusted() -> None:
    """Not only the start of a run must be possible."""
    result = seen([{"k": "steps", "dt": DAY, "y": [1, 2, 3]}], t=NOW_MS, clk="ntp")
    assert (result.blocks[0].clock, result.blocks[0].claimed_at) == (
        "untrusted",
        from_millis(NOW_MS),
    )
    assert [w.code for w in result.warnings] == ["W3201"]


@pytest.mark.parametrize("envelope", [{"t": NOW_MS + DAY}, {"t": 0}, {"up": 5}, {}], ids=str)
def test_a_run_of_years_ends_at_its_arrival(envelope: dict[str, Any]) -> None:
    """Two thousand days with a clock that cannot be, or without one."""
    (block,) = seen([{"k": "steps", "dt": DAY, "y": [1] * 2000}], **envelope).blocks
    assert block.start_at == NOW - timedelta(days=1999)


@given(
    st.one_of(
        st.none(),
        st.integers(-(2**53), 2**53),
        st.integers(NOW_MS - 400 * DAY, NOW_MS + 400 * DAY),
        st.integers(NOW_MS - 130_000, NOW_MS + 130_000),
    ),
    st.one_of(st.none(), st.integers(0, 2**53)),
    st.one_of(st.integers(1, DAY), st.integers(1, SECOND), st.just(DAY)),
    st.integers(1, 2000),
)
def test_no_sample_of_a_block_is_in_the_future(
    t: int | None, up: int | None, dt: int, length: int
) -> None:
    """Whatever clock, step and length: no sample is later than the hub's time and 120 s, and the
    short way and the long one agree on it."""
    message = {"v": 0, "boot": 1, "seq": 1, "ser": [{"k": "pr", "dt": dt, "y": [70] * length}]}
    message |= {key: value for key, value in (("t", t), ("up", up)) if value is not None}
    payload = json.dumps(message).encode()
    obs = codec.decode("obs", payload)
    assert isinstance(obs, Obs)
    ways = [observe(obs, received_at=NOW)]
    proven = fast_path.prove(payload, NOW)
    if proven is not None:
        ways.append(proven.observation())
    for way in ways:
        (block,) = way.blocks
        last = to_millis(block.start_at) + (len(block.samples) - 1) * block.step_ms
        assert last <= NOW_MS + 120_000


@pytest.mark.parametrize(
    ("envelope", "at_ms", "clock"),
    [
        ({"t": NOW_MS - DAY, "clk": "ntp"}, NOW_MS - DAY, "ntp"),
        ({"t": NOW_MS + DAY, "clk": "ntp"}, NOW_MS + DAY, "untrusted"),
        ({"t": 0, "clk": "none"}, 0, "untrusted"),
        ({"up": 500}, NOW_MS, "derived"),
        ({}, NOW_MS, "untrusted"),
    ],
)
def test_safety_02_an_event_is_taken_as_it_is(
    envelope: dict[str, Any], at_ms: int, clock: str
) -> None:
    """Safety rule 2: no time moves or refuses an event; only its clock is judged."""
    event = Event(v=0, boot=1, seq=1, type="sos", **envelope)
    at, quality = occurred(event, NOW)
    assert (to_millis(at), quality) == (at_ms, clock)


def test_instants_go_there_and_back_and_saturate() -> None:
    """Whole milliseconds, rounded down; what no calendar holds is moved to its nearest end."""
    for millis in (0, 1, 1_795_354_700_123, -1, -62_000_000_000_000):
        assert to_millis(from_millis(millis)) == millis
    assert to_millis(EPOCH + timedelta(microseconds=1_999)) == 1
    assert from_millis(2**53).year == 9999
    assert from_millis(-(2**53)).year == 1
    assert from_millis(2**53).astimezone(tz=None) is not None
