"""What may be sent now, and when again: windows, resends, and what never waits."""

import pytest

from gateway.sending import NOT_TAKEN_SECONDS, Flight, Gate, Pace
from gateway.spool import Stored


def message(seq: int, kind: str = "obs") -> Stored:
    """A waiting message."""
    return Stored(id=seq, boot=1, seq=seq, kind=kind, payload=b"{}", created=0)


def choose(flight: Flight, waiting: list[Stored], now: float, *, ready: bool = True) -> list[int]:
    """The numbers chosen, marked as sent and answered by the broker."""
    chosen = flight.choose(waiting, now, Gate(hub_ready=ready))
    for one in chosen:
        flight.sent(one, now)
        flight.answered(one.key, now, taken=True)
    return [one.seq for one in chosen]


def test_no_more_than_ten_are_unanswered() -> None:
    """Flow control: the eleventh waits for a PUBACK, an event too."""
    flight = Flight(Pace())
    waiting = [message(n) for n in range(20)]
    first = flight.choose(waiting, 0, Gate())
    for one in first:
        flight.sent(one, 0)
    assert len(first) == 10
    assert flight.choose(waiting, 0, Gate()) == []
    flight.answered((1, 0), 0, taken=True)
    again = flight.choose(waiting, 0, Gate())
    assert [one.seq for one in again] == [10]


def test_unreceipted_is_sent_again_after_a_minute_and_not_before() -> None:
    """Unreceipted after 60 s: again; receipted: never again."""
    flight = Flight(Pace())
    waiting = [message(1)]
    assert choose(flight, waiting, 0) == [1]
    assert choose(flight, waiting, 59) == []
    assert choose(flight, waiting, 60) == [1]
    flight.gone([(1, 1)])
    assert flight.size() == 0


def test_a_call_is_sent_again_at_5_10_and_20_seconds_then_every_minute() -> None:
    """The same event until its receipt; `try` grows with each."""
    flight = Flight(Pace())
    waiting = [message(1, "event")]
    times = [second for second in range(150) if choose(flight, waiting, float(second))]
    assert times == [0, 5, 10, 20, 80, 140]


@pytest.mark.parametrize(("kind", "goes"), [("event", True), ("ack", True), ("obs", False)])
def test_safety_04_only_measurements_wait_for_the_hub(kind: str, goes: bool) -> None:
    """A hub that is not ready holds back readings; events always go, and again and again."""
    flight = Flight(Pace())
    assert bool(choose(flight, [message(1, kind)], 0, ready=False)) is goes
    again = bool(choose(flight, [message(1, kind)], 100, ready=False))
    assert again is (kind == "event")


def test_a_throttle_holds_measurements_only() -> None:
    """`after`: readings wait, a call for help does not."""
    flight = Flight(Pace())
    waiting = [message(1, "event"), message(2)]
    chosen = flight.choose(waiting, 0, Gate(held_until=30))
    assert [one.seq for one in chosen] == [1]
    assert [m.seq for m in flight.choose(waiting, 30, Gate(held_until=30))] == [1, 2]


def test_the_backlog_goes_at_twenty_a_second() -> None:
    """A bucket of one second: never more than the rate, however long the silence before."""
    flight = Flight(Pace(unanswered=1000, unreceipted=1000))
    waiting = [message(n) for n in range(500)]
    counts = []
    for second in (0.0, 0.5, 1.0, 60.0):
        chosen = choose(flight, waiting, second)
        counts.append(len(chosen))
        waiting = [one for one in waiting if one.seq not in chosen]
    assert counts == [20, 10, 10, 20]


def test_a_dead_hub_does_not_fill_the_broker() -> None:
    """Two hundred without a receipt: the rest waits here; an event still goes."""
    flight = Flight(Pace(unanswered=1000, measurements_per_second=1000))
    waiting = [message(n) for n in range(300)]
    assert len(choose(flight, waiting, 0)) == 200
    assert choose(flight, [*waiting, message(999, "event")], 1) == [999]


def test_what_the_broker_did_not_take_is_soon_tried_again() -> None:
    """0x10, nobody subscribed: not taken."""
    flight = Flight(Pace())
    (one,) = flight.choose([message(1)], 0, Gate())
    flight.sent(one, 0)
    flight.answered(one.key, 0, taken=False)
    assert choose(flight, [one], NOT_TAKEN_SECONDS - 1) == []
    assert choose(flight, [one], NOT_TAKEN_SECONDS) == [1]


def test_a_new_connection_sends_everything_unreceipted_again() -> None:
    """The broker may have died with what it had acknowledged."""
    flight = Flight(Pace())
    waiting = [message(1), message(2)]
    assert choose(flight, waiting, 0) == [1, 2]
    flight.reconnected()
    assert choose(flight, waiting, 1) == [1, 2]


def test_silence_of_the_broker_is_noticed() -> None:
    """Since when it owes an answer."""
    flight = Flight(Pace())
    flight.sent(message(1), 3.0)
    flight.sent(message(2), 4.0)
    assert flight.silent_since() == 3.0
    flight.answered((1, 1), 5.0, taken=True)
    assert flight.silent_since() == 4.0
    flight.answered((1, 2), 5.0, taken=True)
    assert flight.silent_since() is None
