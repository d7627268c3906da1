"""A home for the tests of alerts: places, a ladder of people, a cuff, and the feed it writes to.

Everything goes the way ingest and downlink go: rows and their feed batch in one transaction.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg.rows import dict_row

from alerts import actions
from contract.instants import to_millis
from contract.vitals import FLAGS
from runtime.clock import ManualClock
from store import event, feed, reading
from store.event import EventRow
from store.feed import DoseItem, EventItem, FeedItem, ReadingItem, ResultItem
from store.partition import Partitions, month_of
from store.pool import Connection
from store.reading import ReadingRow
from tests.fixtures.factories import Factory


class Home:
    """One patient, one cuff, a team with a ladder. Times default to the clock's."""

    def __init__(self, conn: Connection, clock: ManualClock) -> None:
        self.conn, self.clock = conn, clock
        self.make = Factory(conn, clock.now())
        self._seq = itertools.count(1)
        self._partitions = Partitions()
        self.staff: list[int] = []

    async def build(self, steps: int = 3, **patient: Any) -> "Home":
        """The village, its team with one person a step, the patient and the bound cuff."""
        self.area = await self.make.area()
        self.team = await self.make.team(self.area)
        for step in range(1, steps + 1):
            self.staff.append(await self.person(self.team, step))
        self.patient = await self.make.patient(self.area, team_id=self.team, **patient)
        self.node = await self.make.node(self.area)
        self.device = await self.make.device(self.node)
        await self.make.bind(self.device, self.patient)
        return self

    async def person(self, team_id: int | None, step: int = 1, role: str = "doctor") -> int:
        """Somebody on a step of a team's ladder."""
        user = f"p{next(self._seq)}"
        row = await self.one(
            "INSERT INTO staff (user_name, display_name, role) VALUES (%s, %s, %s) RETURNING id",
            (user, user, role),
        )
        if team_id is not None:
            await self.conn.execute(
                "INSERT INTO team_member (team_id, staff_id, step) VALUES (%s, %s, %s)",
                (team_id, row["id"], step),
            )
        return int(row["id"])

    async def webhook(self, address: str, *, secret: str = "s3cret", **whose: Any) -> int:
        """An address of the team, or of `staff_id`."""
        values = {"team_id": None, "staff_id": None, "shows_patient": False} | (
            whose or {"team_id": self.team}
        )
        row = await self.one(
            "INSERT INTO contact (team_id, staff_id, channel, address, secret, shows_patient)"
            " VALUES (%(team_id)s, %(staff_id)s, 'webhook', %(address)s, %(secret)s,"
            " %(shows_patient)s) RETURNING id",
            {**values, "address": address, "secret": secret},
        )
        return int(row["id"])

    # --- what devices do ------------------------------------------------------------------

    def row(
        self,
        sys: float | None,
        dia: float | None,
        *,
        at: datetime | None = None,
        received: datetime | None = None,
        flags: Sequence[str] = (),
        clock: str = "ntp",
        session: str | None = None,
        done: bool = False,
        patient: Any = "own",
        device: int | None = None,
        node: str | None = None,
        who: str | None = None,
        kind: str = "bp",
        ordinal: int = 0,
    ) -> ReadingRow:
        """A reading as ingest would store it."""
        received = received or self.clock.now()
        said = {"session": {"id": session, "done": int(done)}} if session else None
        return ReadingRow(
            device_id=device or self.device,
            kind=kind,
            measured_at=at or received,
            ordinal=ordinal,
            patient_id=self.patient if patient == "own" else patient,
            values=(sys, dia, None, 70.0 if sys else None),
            flags=sum(FLAGS[name].mask for name in flags),
            clock=clock,
            claimed_at=None,
            who=who,
            session_id=session,
            context=said,
            original=None,
            fix=False,
            node_id=node or self.node,
            boot=1,
            seq=next(self._seq),
            sent_at=None,
            received_at=received,
        )

    async def send(self, *rows: ReadingRow, change: str | None = None) -> list[ReadingItem]:
        """Store readings and their feed batch in one transaction."""
        months = {month_of(one.measured_at) for one in rows}
        await self._partitions.ensure(self.conn, "reading", months)
        async with self.conn.transaction():
            changes = await reading.write(self.conn, list(rows))
            items = [_item(rows[c.n], c, change) for c in changes]
            await feed.append(self.conn, "reading", items)
        return items

    async def bp(self, sys: float | None, dia: float | None, **how: Any) -> None:
        """One pressure, measured and received now unless said otherwise."""
        await self.send(self.row(sys, dia, **how))

    async def happens(
        self,
        type_: str,
        event_id: str = "01KAPW7S3JQ4",
        *,
        patient: Any = "own",
        at: datetime | None = None,
        received: datetime | None = None,
        ref: str | None = None,
        node: str | None = None,
        **body: Any,
    ) -> EventItem:
        """An event of the node."""
        received = received or self.clock.now()
        at = at or received
        said = {"type": type_, "id": event_id, "clk": "ntp", "t": to_millis(at), **body}
        row = EventRow(
            node_id=node or self.node,
            event_id=event_id,
            type=type_,
            severity=body.get("sev"),
            patient_id=self.patient if patient == "own" else patient,
            occurred_at=at,
            clock="ntp",
            received_at=received,
            ref=ref,
            body=msgspec.json.encode(said).decode(),
            attempt=1,
        )
        async with self.conn.transaction():
            kept = (await event.record(self.conn, [row]))[0]
            item = EventItem(
                row_id=kept.row_id,
                node_id=row.node_id,
                event_id=kept.event_id,
                type=type_,
                patient_id=row.patient_id,
                occurred_at=at,
                received_at=received,
                ref=ref,
                body=said,
            )
            await feed.append(self.conn, "event", [item])
        return item

    async def answers(self, command_id: str, state: str, **out: Any) -> None:
        """The result of a command."""
        item = ResultItem(
            node_id=self.node,
            command_id=command_id,
            state=state,
            out=out,
            session_id=None,
            received_at=self.clock.now(),
        )
        await self.append([item])

    async def dose(self, item_id: int, due_at: datetime, state: str) -> None:
        """A dose whose outcome becomes known, as downlink says it."""
        dose_id = f"r{item_id}-{to_millis(due_at)}"
        await self.conn.execute(
            "INSERT INTO dose (id, plan_item_id, patient_id, node_id, due_at, window_from,"
            " window_to, state) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            (
                *(dose_id, item_id, self.patient, self.node, due_at),
                *(due_at - timedelta(minutes=15), due_at + timedelta(hours=1), state),
            ),
        )
        item = DoseItem(
            dose_id=dose_id,
            patient_id=self.patient,
            node_id=self.node,
            state=state,
            due_at=due_at,
            at=self.clock.now(),
        )
        await self.append([item])

    async def plan_item(self, **values: Any) -> int:
        """A drug twice a day."""
        row = await self.one(
            "INSERT INTO plan_item (patient_id, node_id, drug, text_zh, text_en, times, starts_on)"
            " VALUES (%s, %s, '氨氯地平', '请服药', 'Take it', '{08:00,20:00}', '2026-01-01')"
            " RETURNING id",
            (self.patient, self.node),
        )
        return int(row["id"])

    async def append(self, items: Sequence[FeedItem]) -> None:
        """A feed batch of its own."""
        async with self.conn.transaction():
            await feed.append(self.conn, "test", list(items))

    # --- what people do -----------------------------------------------------------------------

    async def acknowledge(
        self, episode_id: int, *, by: int | None = None, hours: float | None = None
    ) -> None:
        """Somebody of the team takes it in hand."""
        await actions.acknowledge(
            self.conn,
            episode_id=episode_id,
            staff_id=by or self.staff[0],
            now=self.clock.now(),
            hours=hours,
        )

    async def resolve(
        self, episode_id: int, *, outcome: str = "controlled", next_step: str = "call tomorrow"
    ) -> None:
        """Somebody of the team closes it."""
        await actions.resolve(
            self.conn,
            episode_id=episode_id,
            staff_id=self.staff[0],
            outcome=outcome,
            next_step=next_step,
            note=None,
            now=self.clock.now(),
        )

    # --- what came of it --------------------------------------------------------------------

    async def all(self, sql: str, values: Any = ()) -> list[dict[str, Any]]:
        """Rows as dictionaries."""
        async with self.conn.cursor(row_factory=dict_row) as cursor:
            return await (await cursor.execute(sql.encode(), values)).fetchall()

    async def one(self, sql: str, values: Any = ()) -> dict[str, Any]:
        """The one row there has to be."""
        rows = await self.all(sql, values)
        assert len(rows) == 1, rows
        return rows[0]

    async def episodes(self, rule: str | None = None) -> list[dict[str, Any]]:
        """Episodes in the order of their ids."""
        return await self.all(
            "SELECT * FROM episode WHERE %(rule)s::text IS NULL OR rule = %(rule)s ORDER BY id",
            {"rule": rule},
        )

    async def episode(self, rule: str | None = None) -> dict[str, Any]:
        """The only episode."""
        found = await self.episodes(rule)
        assert len(found) == 1, [(e["rule"], e["state"], e["reason"]) for e in found]
        return found[0]

    async def told(self, channel: str = "console", *, pages: bool = True) -> list[int | None]:
        """Who was told over a channel, in order: staff ids, or contacts for a webhook."""
        column = "staff_id" if channel == "console" else "contact_id"
        rows = await self.all(
            f"SELECT {column} AS who FROM notification WHERE channel = %s"
            " AND (step > 0) = %s ORDER BY created_at, id",
            (channel, pages),
        )
        return [row["who"] for row in rows]

    async def history(self, episode_id: int) -> list[tuple[str, str]]:
        """Phase and reason of each line."""
        rows = await self.all(
            "SELECT phase, reason FROM episode_history WHERE episode_id = %s ORDER BY id",
            (episode_id,),
        )
        return [(row["phase"], row["reason"]) for row in rows]

    async def commands(self) -> list[dict[str, Any]]:
        """What devices were asked, in order."""
        return await self.all("SELECT * FROM command ORDER BY created_at, id DESC")

    async def feedback(self) -> list[dict[str, Any]]:
        """What was said to devices, decoded."""
        rows = await self.all("SELECT kind, payload FROM outbound ORDER BY id")
        return [{**msgspec.json.decode(bytes(row["payload"])), "kind": row["kind"]} for row in rows]


def _item(row: ReadingRow, change: Any, what: str | None) -> ReadingItem:
    beside = {"conflicting": "inserted", "uncontested": "withdrawn"}
    return ReadingItem(
        change=what or beside.get(change.what, change.what),
        device_id=row.device_id,
        node_id=row.node_id,
        kind=row.kind,
        measured_at=row.measured_at,
        ordinal=row.ordinal,
        patient_id=change.patient_id,
        values=change.values,
        flags=change.flags,
        clock=row.clock,
        received_at=row.received_at,
        who=row.who,
        session_id=row.session_id,
        conflicting=change.what in beside,
    )
