"""Promise 26: the final episodes do not depend on the order in which readings arrive."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts import ladder
from alerts.drafts import Timing, Whose
from alerts.episodes import reconcile
from alerts.rules import severe_pressure
from alerts.rules.pressure import REACH
from alerts.window import Window
from store.episode import Episode, Policy
from store.window import WindowReading

MORNING = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Ward:
    """The pure part run on a list instead of a table: what is stored is what was decided."""

    def __init__(self) -> None:
        self.readings: dict[datetime, WindowReading] = {}
        self.episodes: dict[int, Episode] = {}
        self._ids = itertools.count(1)

    def arrive(self, batch: Sequence[WindowReading], now: datetime) -> None:
        """One batch of the feed; a reading that came before is not news."""
        for reading in batch:
            self.readings.setdefault(reading.measured_at, reading)
        self._judge(min(reading.measured_at for reading in batch), now)

    def deadlines(self, now: datetime) -> None:
        """What waited too long is judged again."""
        for episode in list(self.episodes.values()):
            if episode.confirm_by is not None and episode.confirm_by <= now:
                waiting = [p.at for p in episode.evidence if p.stance == "waiting"]
                self._judge(min(waiting, default=episode.onset_at), now)

    def _judge(self, at: datetime, now: datetime) -> None:
        since = at - 2 * REACH
        readings = sorted(
            (r for r in self.readings.values() if r.measured_at >= since),
            key=lambda r: r.measured_at,
        )
        window = Window(profile="cn", readings=tuple(readings), judged_from=at - REACH)
        drafts = reconcile(
            [
                e
                for e in self.episodes.values()
                if e.state != "closed" or e.last_evidence_at >= since
            ],
            severe_pressure.judge_window(window, now),
            whose=Whose(patient_id=1),
            judged_from=window.judged_from,
            now=now,
            timing=Timing(),
        )
        for draft in drafts:
            episode = msgspec.structs.replace(draft.after, policy=Policy(ladder=((1,), (2,))))
            if draft.page is not None:
                episode = ladder.first(episode, now).episode
            number = episode.id or next(self._ids)
            self.episodes[number] = msgspec.structs.replace(episode, id=number)
        assert sum(e.state != "closed" for e in self.episodes.values()) <= 1

    def final(self) -> set[tuple[datetime, datetime, str, str]]:
        """Onset, end of the evidence, state and verdict of every episode.

        Without the trace of a reading that had been set aside and stands after all, where
        another episode was open and took it up: that trace tells of an order of arrival.
        """
        standing = {
            piece.key for e in self.episodes.values() if e.state != "closed" for piece in e.evidence
        }
        return {
            (e.onset_at, e.last_evidence_at, e.state, e.confirmation)
            for e in self.episodes.values()
            if e.state != "closed" or not standing & {piece.key for piece in e.evidence}
        }


def _reading(minute: int, sys: int, received: datetime) -> WindowReading:
    return WindowReading(
        device_id=1,
        node_id="node0001",
        kind="bp",
        measured_at=MORNING + timedelta(minutes=minute),
        ordinal=0,
        patient_id=1,
        values=(float(sys), 90.0, None, None),
        flags=0,
        clock="ntp",
        who=None,
        session_id=None,
        session_done=False,
        received_at=received,
    )


# Minutes of one day at which somebody measures: mostly a few sittings, some readings alone.
DAYS = st.lists(
    st.tuples(
        st.integers(0, 20).map(lambda sitting: sitting * 60),
        st.integers(0, 24),
        st.sampled_from([128, 150, 172, 178, 182, 188, 196, 205]),
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda one: one[0] + one[1],
)


def _in_order(day: list[tuple[int, int, int]]) -> Ward:
    ward = Ward()
    for start, minute, sys in sorted(day, key=lambda one: one[0] + one[1]):
        at = MORNING + timedelta(minutes=start + minute)
        ward.deadlines(at)
        ward.arrive([_reading(start + minute, sys, at + SECOND)], at + SECOND)
    ward.deadlines(MORNING + timedelta(hours=24))
    return ward


@settings(max_examples=150, deadline=None)
@given(day=DAYS, data=st.data())
def test_any_order_any_batches_and_duplicates_end_in_the_same_episodes(
    day: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """A day of readings, all late, shuffled, cut into batches, sent twice: the same episodes."""
    calm = _in_order(day)
    evening = MORNING + timedelta(hours=22)
    arrivals = [_reading(start + minute, sys, evening) for start, minute, sys in day]
    shuffled = data.draw(st.permutations([*arrivals, *arrivals[:3]]))
    cuts = data.draw(st.lists(st.integers(1, len(shuffled)), max_size=4).map(sorted))
    ward, now = Ward(), evening
    for first, last in itertools.pairwise([0, *cuts, len(shuffled)]):
        if shuffled[first:last]:
            now += timedelta(seconds=data.draw(st.sampled_from([1, 10])))
            ward.deadlines(now)
            ward.arrive(shuffled[first:last], now)
    ward.deadlines(now + timedelta(minutes=11))
    assert ward.final() == calm.final()


@settings(max_examples=60, deadline=None)
@given(day=DAYS)
def test_seeing_everything_again_changes_nothing(day: list[tuple[int, int, int]]) -> None:
    """A feed that is read from the beginning once more leaves every episode as it is."""
    ward = _in_order(day)
    before = dict(ward.episodes)
    late = MORNING + timedelta(hours=23)
    ward.arrive(list(ward.readings.values()), late)
    assert {n: (e.state, e.evidence) for n, e in ward.episodes.items()} == {
        n: (e.state, e.evidence) for n, e in before.items()
    }
