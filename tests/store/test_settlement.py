"""What is stored of a reading is always what store.settlement says of everything ever said."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from store import chosen, reading, reassign, series
from store.deed import Deed, Load, Place, Ref
from store.pool import Connection
from store.reading import ReadingRow
from store.settlement import Said
from tests.fixtures.factories import Factory
from tests.store.series import AT, reading_row, with_months

SLOTS = {None: 1, "A": 2, "B": 3}
REF = Ref(1, "bp", AT, 0)
TABLES = "reading, reading_conflict, reading_history, reassignment"


def minutes(number: int) -> datetime:
    """That many after the beginning."""
    return AT + timedelta(minutes=number)


def said(sys: float, minute: int, fix: bool, who: str | None) -> ReadingRow:
    """A pressure said at that minute."""
    at = minutes(minute)
    values = (sys, 80.0, None, None)
    given: dict[str, Any] = {"who": who, "patient_id": SLOTS[who], "seq": minute % 7}
    return reading_row(values=values, fix=fix, sent_at=at, **given)


def rule(everything: set[Said], moves: Sequence[tuple[Place, Place]]) -> dict[str, Any]:
    """The rule word by word, from the set of all that was said, and what people moved."""
    fixes = [one for one in everything if one.fix]
    firsts = [min((o for o in everything if o.value == v), key=lambda o: o.age)
              for v in {one.value for one in everything}]  # fmt: skip
    holds = max(fixes, key=lambda o: o.age) if fixes else min(firsts, key=lambda o: o.age)
    past = {
        one.value
        for one in firsts
        if any(fix.value != one.value and fix.sent_at >= one.sent_at for fix in fixes)
    }
    plain = {one.value for one in everything if not one.fix}
    lines = [(*one.value, one.sent_at, one.seq) for one in set(fixes) - {holds}]
    lines += [(*value, None, None) for value in past & plain]
    others = [one for one in firsts if one.value not in past | {holds.value}]
    return {
        "holds": (*holds, *owner(holds.who, moves)),
        "beside": {(*o, owner(o.who, moves)[0]) for o in others},
        "past": sorted(lines, key=repr),
    }


def owner(who: str | None, moves: Sequence[tuple[Place, Place]]) -> Place:
    """Whose the readings of a slot are, after these moves."""
    place = Place(SLOTS[who])
    for from_, to in moves:
        place = to if from_.patient_id == place.patient_id else place
    return place


async def found(conn: Connection, sql: str) -> list[Any]:
    """Rows."""
    return await (await conn.execute(sql.encode())).fetchall()


async def stored(conn: Connection) -> dict[str, Any]:
    """The same from the tables."""
    columns = "ARRAY[v0, v1, v2, v3], flags, who, {fix}, sent_at, seq, patient_id"
    ((values, *rest),) = await found(
        conn, f"SELECT {columns.format(fix='fix')}, set_aside FROM reading"
    )
    beside = await found(conn, f"SELECT {columns.format(fix='false')} FROM reading_conflict")
    lines = await found(conn, "SELECT before FROM reading_history WHERE reason = 'corrected'")
    told = [
        (tuple(b["values"]), b["flags"], b["who"],
         *((datetime.fromisoformat(b["sent_at"]), b["seq"]) if b["fix"] else (None, None)))
        for (b,) in lines
    ]  # fmt: skip
    return {
        "holds": (tuple(values), *rest),
        "beside": {(tuple(values), *rest) for values, *rest in beside},
        "past": sorted(told, key=repr),
    }


class Life:
    """A reading from its first word; knows everything that was said and done."""

    def __init__(self, conn: Connection, other: Connection, staff_id: int) -> None:
        self.conns = (conn, other)
        self.conn = conn
        self.staff_id = staff_id
        self.said: set[Said] = set()
        self.moves: list[tuple[Place, Place]] = []

    async def hear(self, batches: Sequence[Sequence[ReadingRow]]) -> None:
        """Both writers take the batches as they get to them."""
        for row in (row for batch in batches for row in batch):
            assert row.sent_at is not None
            value = (row.values, row.flags, row.who)
            self.said.add(Said(*value, row.fix, row.sent_at, row.seq))
        waiting = list(reversed(batches))

        async def take(conn: Connection) -> None:
            while waiting:
                batch = waiting.pop()
                async with conn.transaction():
                    await reading.write(conn, batch)

        await asyncio.gather(*map(take, self.conns))

    async def choose(self, which: int, at: datetime) -> None:
        """A person chooses between the values that stand there, if there are several."""
        others = await chosen.others(self.conn, REF)
        ((values, flags, who, _, _, seq, patient_id, _),) = [(await stored(self.conn))["holds"]]
        if not others or patient_id is None:
            return
        other = ([None, *others])[which % (len(others) + 1)]
        if other is not None:
            values, flags = other.values, other.flags
        kept = {"patient_id": patient_id, "actor": f"staff:{self.staff_id}", "at": at}
        async with self.conn.transaction():
            await chosen.choose(self.conn, REF, other=other.id if other else None, **kept)
        sent_at = (await stored(self.conn))["holds"][4]
        assert sent_at >= at
        self.said.add(Said(values, flags, who, True, sent_at, seq))

    async def move(self, to: Place) -> None:
        """A person says whose it is."""
        before = Place(*(await stored(self.conn))["holds"][6:])
        deed = Deed(what="reassigned", staff_id=self.staff_id, at=AT, before=before, after=to)
        async with self.conn.transaction():
            await reassign.move(self.conn, deed, Load(readings=[REF]))
        self.moves.append((before, to))

    async def into_columns(self) -> None:
        """Everything, where there are columns."""
        while await series.compress_before(self.conn, "reading", AT + timedelta(days=9999)):
            pass


@pytest.fixture
async def life(conn: Connection, database_url: str) -> Any:
    """Four patients, and two writers."""
    await with_months(conn)
    make = Factory(conn, AT)
    area = await make.area("Willow")
    assert [await make.patient(area) for _ in range(4)] == [1, 2, 3, 4]
    await make.node(area, id="testnode1")
    staff_id = (await make.staff(role="admin"))[0]
    async with await AsyncConnection.connect(database_url, autocommit=True) as other:
        yield Life(conn, other, staff_id)


SAID = st.builds(
    said,
    st.sampled_from([120.0, 150.0, 190.0]),
    st.integers(0, 24),
    st.sampled_from([False, False, True]),
    st.sampled_from([None, None, "A", "B"]),
)
DEEDS = (
    st.tuples(st.just("choose"), st.integers(0, 5), st.builds(minutes, st.integers(0, 30)))
    | st.tuples(st.just("move"), st.sampled_from([Place(1), Place(2), Place(4), Place(None, "x")]))
    | st.tuples(st.just("into_columns"))
)
ONE_AFTER_THE_OTHER = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(data=st.data())
@ONE_AFTER_THE_OTHER
async def test_what_is_stored_is_the_rule_of_everything_said(
    life: Life, data: st.DataObject
) -> None:
    """Any sequence with repetitions, cut into any batches, by two writers; with what people choose
    and move between."""
    await life.conn.execute(f"TRUNCATE {TABLES} CASCADE".encode())
    life.said, life.moves = set(), []
    for batches, deeds in lives(data):
        await life.hear(batches)
        assert await stored(life.conn) == rule(life.said, life.moves)
        for name, *arguments in deeds:
            await getattr(life, name)(*arguments)
            assert await stored(life.conn) == rule(life.said, life.moves)


def lives(data: st.DataObject) -> list[tuple[list[list[ReadingRow]], list[Any]]]:
    """What comes in which batches, some of it many times, and what people do after it."""
    words = data.draw(st.lists(SAID, min_size=1, max_size=8))
    found_lives = []
    for _ in range(data.draw(st.integers(1, 4))):
        many = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=12))
        cut = data.draw(st.integers(1, len(many)))
        batches = [many[at : at + cut] for at in range(0, len(many), cut)]
        found_lives.append((batches, data.draw(st.lists(DEEDS, max_size=2))))
    return found_lives


async def test_a_value_said_again_after_it_was_history_contradicts_nothing(life: Life) -> None:
    """However often and in whatever order all of it comes again."""
    words = [(120, 1, False), (120, 14, True), (150, 24, False), (150, 3, False), (120, 0, False),
             (120, 2, False)]  # fmt: skip
    again = [words[at] for at in (4, 1, 0, 3, 2, 5)]
    await life.hear([[said(sys, minute, fix, None)] for sys, minute, fix in (*words, *again)])
    found = await stored(life.conn)
    assert found == rule(life.said, [])
    assert found["beside"] == set()
