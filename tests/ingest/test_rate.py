"""Token buckets, as an algebra: what they let pass, whom they never hold up, what they forget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.catch_up import CALM_S, LONGEST_S, CatchUp
from ingest.rate import Buckets, Rate

RATES = st.builds(Rate, st.floats(0.1, 500, allow_nan=False), st.floats(1, 5000, allow_nan=False))
GAPS = st.lists(st.tuples(st.floats(0, 60, allow_nan=False), st.integers(1, 50)), max_size=60)
SLACK = 1e-6


@given(RATES, GAPS)
def test_what_passes_is_bounded_in_every_window(rate: Rate, gaps: list[tuple[float, int]]) -> None:
    """Between any two instants: a burst, and the rate times the time (and one large message)."""
    buckets, now, passed = Buckets(rate, limit=9), 0.0, []
    for gap, cost in gaps:
        now += gap
        if not buckets.take("n", now, cost):
            passed.append((now, cost))
    largest = max((cost for _, cost in passed), default=0)
    for first, (start, _) in enumerate(passed):
        for last in range(first, len(passed)):
            total = sum(cost for _, cost in passed[first : last + 1])
            bound = max(rate.burst, largest) + rate.per_s * (passed[last][0] - start)
            assert total <= bound * (1 + SLACK) + SLACK * rate.per_s


@given(RATES, GAPS)
def test_a_ledger_says_the_same(rate: Rate, gaps: list[tuple[float, int]]) -> None:
    """A bucket counted token by token gives every answer alike."""
    buckets, now, tokens, before = Buckets(rate, limit=9), 0.0, rate.burst, 0.0
    for gap, cost in gaps:
        now += gap
        tokens = min(rate.burst, tokens + (now - before) * rate.per_s)
        before = now
        missing = (min(cost, rate.burst) - tokens) / rate.per_s
        wait = buckets.take("n", now, cost)
        if abs(missing) > 1e-5:  # within rounding both answers are right
            assert wait == pytest.approx(max(0.0, missing), abs=1e-4, rel=1e-4)
        tokens -= 0.0 if wait else cost


@given(RATES, st.integers(1, 200))
def test_whoever_keeps_the_rate_is_never_held_up(rate: Rate, number: int) -> None:
    """One message each 1/rate seconds, for ever, at either kind of bucket."""
    soft, hard = Buckets(rate, limit=9), Buckets(rate, limit=9)
    for n in range(number):
        assert soft.charge("n", n / rate.per_s) == 0
        assert hard.take("n", n / rate.per_s) == 0


@given(RATES, GAPS)
def test_after_the_wait_it_passes(rate: Rate, gaps: list[tuple[float, int]]) -> None:
    """`after` is enough: whoever waits that long is taken; no longer than a burst, or the largest
    message, needs."""
    taken, charged, now = Buckets(rate, limit=9), Buckets(rate, limit=9), 0.0
    for gap, cost in gaps:
        now += gap
        wait = taken.take("n", now, cost)
        most = max(rate.burst, *(cost for _, cost in gaps)) / rate.per_s
        assert 0 <= wait <= most * (1 + SLACK) + SLACK
        if wait:
            now += wait
            assert taken.take("n", now, cost) == 0
        owed = charged.charge("n", now, cost)
        assert 0 <= owed <= rate.burst / rate.per_s * (1 + SLACK)
        if owed:
            now += owed + 1 / rate.per_s
            assert charged.charge("n", now, 1) == pytest.approx(0, abs=SLACK)


@given(RATES, st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 5)), max_size=60))
def test_forgetting_the_rested_changes_no_answer(rate: Rate, sent: list[tuple[str, float]]) -> None:
    """Where there is room for all who are in debt, a small memory answers like a large one."""
    small, large, now, owing = Buckets(rate, limit=3), Buckets(rate, limit=99), 0.0, {}
    for name, gap in sent:
        now += gap
        owing = {n: at for n, at in owing.items() if at > now}
        if name not in owing and len(owing) >= 3:
            continue
        owing[name] = max(owing.get(name, now), now) + 1 / rate.per_s
        assert small.charge(name, now) == large.charge(name, now)
        assert len(small) <= 3


def test_memory_is_bounded() -> None:
    """A hundred thousand names, all of them at once: no more than the limit are remembered."""
    buckets = Buckets(Rate(1, 10), limit=1000)
    for n in range(100_000):
        buckets.take(f"node{n}", 0.0)
    assert len(buckets) <= 1000


def test_one_sender_does_not_use_up_the_tokens_of_another() -> None:
    """Each has a bucket of its own."""
    buckets = Buckets(Rate(1, 2), limit=10)
    assert [buckets.take("a", 0.0) > 0 for _ in range(3)] == [False, False, True]
    assert buckets.take("b", 0.0) == 0


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    """Time goes on from where it was."""
    buckets = Buckets(Rate(1, 2), limit=10)
    assert [buckets.take("a", at) for at in (100.0, 100.0)] == [0, 0]
    assert buckets.take("a", 50.0) > 0


class Watch:
    """Seconds, turned by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_hub_catches_up_until_it_is_calm() -> None:
    """From the connection until hardly anything has been in hand for a second; again after it."""
    watch = Watch()
    catch_up = CatchUp(watch, enough=10)
    assert not catch_up.going_on
    catch_up.begin()
    for _ in range(20):
        catch_up.taken(500)
        watch.now += 0.5
        assert catch_up.going_on
    catch_up.taken(3)
    watch.now += CALM_S / 2
    assert catch_up.going_on
    catch_up.taken(400)
    watch.now += CALM_S
    assert catch_up.going_on
    catch_up.taken(3)
    watch.now += CALM_S
    assert not catch_up.going_on
    catch_up.taken(500)
    assert not catch_up.going_on


def test_nobody_keeps_the_hub_catching_up() -> None:
    """A node that floods is counted after ten minutes at the latest, whatever reconnects."""
    watch = Watch()
    catch_up = CatchUp(watch, enough=10)
    catch_up.begin()
    while watch.now < LONGEST_S:
        assert catch_up.going_on
        catch_up.begin()
        catch_up.taken(1000)
        watch.now += 10
    assert not catch_up.going_on
