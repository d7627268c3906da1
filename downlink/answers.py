"""What devices answered, taken from the feed: doses, plans, commands.

Each batch counts once: its effects and the cursor are one transaction. Every effect is also
idempotent, so the feed may be read again from its beginning.
"""

from datetime import datetime

import structlog
from msgspec import structs
from psycopg import InterfaceError, OperationalError

from downlink import commands, resend
from downlink.measured import measured
from downlink.notices import progress_of, why_of
from downlink.revisions import dose_item
from measures.dose import TAKEN, next_state
from store import command, dose, feed, feed_lag, firmware, revision
from store.feed import AnswerItem, DoseItem, ResultItem, StateItem
from store.pool import Connection

_LOG = structlog.get_logger()
CONSUMER = "downlink"
_PLAN = "plan:"
_FIRMWARE = "fw:"
_Answer = AnswerItem | ResultItem | StateItem
_CONCERN = (AnswerItem, ResultItem, StateItem)


async def consume(conn: Connection, *, now: datetime, limit: int = 200) -> int:
    """Take the next batches of the feed; returns how many there were."""
    if not await feed_lag.anything(conn, CONSUMER):
        return 0
    async with conn.transaction():
        position = await feed.position(conn, CONSUMER)
        batches = await feed.read_after(conn, position, limit=limit)
        if not batches:
            return 0
        changed: list[DoseItem] = []
        for batch in batches:
            for item in batch.items:
                if isinstance(item, _CONCERN):
                    changed += await _take_safely(conn, item, now)
                    measured().answers.labels(type(item).__name__[:-4].lower()).inc()
        await feed.move(conn, CONSUMER, batches[-1].id)
        await feed.append(conn, "downlink", changed)
    return len(batches)


async def _take_safely(conn: Connection, item: _Answer, now: datetime) -> list[DoseItem]:
    """One item that cannot be taken must not hold up all others for ever."""
    try:
        async with conn.transaction():
            return await _take(conn, item, now)
    except (OperationalError, InterfaceError):
        raise  # the database is away: everything waits for it
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the next one is heard
        _LOG.exception("answer_refused", kind=type(item).__name__, node=item.node_id)
        return []


async def _take(conn: Connection, item: _Answer, now: datetime) -> list[DoseItem]:
    if isinstance(item, AnswerItem):
        if item.id.startswith(_PLAN):
            await _plan_answered(conn, item)
        else:
            return await _dose_answered(conn, item, now)
    elif isinstance(item, ResultItem):
        if item.command_id.startswith(_FIRMWARE):
            await _firmware_answered(conn, item)
        else:
            await _command_answered(conn, item)
            await resend.take_answer(conn, item, now)
    else:
        await _state_told(conn, item)
    return []


async def _state_told(conn: Connection, item: StateItem) -> None:
    if item.plan_revision is not None:
        await revision.reported(conn, item.node_id, item.plan_revision, at=item.received_at)
    if item.state == "ready":
        await resend.node_is_ready(conn, item.node_id)


async def _plan_answered(conn: Connection, item: AnswerItem) -> None:
    number = item.id.removeprefix(_PLAN)
    if item.state != "received" or not number.isdecimal():
        _LOG.warning("plan_not_taken", node=item.node_id, plan=item.id, state=item.state)
        return
    await revision.confirm(conn, item.node_id, int(number), at=item.received_at)


async def _dose_answered(conn: Connection, item: AnswerItem, now: datetime) -> list[DoseItem]:
    """A node speaks for its own doses only; an ad-hoc reminder's id is no dose."""
    current = await dose.lock_dose(conn, item.id, item.node_id)
    if current is None:
        _LOG.info("answer_without_dose", node=item.node_id, answer=item.id, state=item.state)
        return []
    # A device's clock may be ahead: nothing was done later than the hub heard of it.
    done_at = min(item.at, item.received_at)
    state = next_state(current.state, item.state, at=done_at, window_to=current.window_to)
    takes_over = state != current.state
    said = dose.Statement(state=item.state, at=item.at, by=item.by, why=item.why)
    first_time = await dose.note(conn, item.id, said, taken_over=takes_over, now=now)
    if not takes_over or not first_time:
        return []
    changed = await dose.set_state(conn, item.id, structs.replace(said, state=state), now=now)
    if changed is None:
        return []
    if state in TAKEN:
        # The item may have been changed while the person took the dose of the old one.
        for node_id in await dose.replaced_nodes(conn, changed):
            await revision.revise(conn, node_id)
    return [dose_item(changed, now)]


async def _command_answered(conn: Connection, item: ResultItem) -> None:
    current = await command.lock_command(conn, item.command_id, item.node_id)
    if current is None:
        _LOG.info("answer_without_command", node=item.node_id, command=item.command_id)
        return
    state = commands.next_state(current.state, item.state, answered=current.answered_at is not None)
    if state is not None:
        await command.answered(
            conn,
            item.command_id,
            state=state,
            out=item.out,
            message=item.message,
            session_id=item.session_id,
            at=item.received_at,
        )


async def _firmware_answered(conn: Connection, item: ResultItem) -> None:
    """How far a device has come with a firmware it was told of."""
    version = item.command_id.removeprefix(_FIRMWARE)
    known = await firmware.progressed(
        conn,
        node_id=item.node_id,
        version=version,
        state=item.state,
        progress=progress_of(item.out),
        detail=why_of(item.out),
        at=item.received_at,
    )
    if not known:
        _LOG.info("progress_without_notice", node=item.node_id, version=version)
