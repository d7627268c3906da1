"""The next revision of a node's plan, in one transaction: doses, body, feed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from contract.codec import encode
from downlink.plan_message import compose, spans_by_patient, wanted_doses, zone_at
from downlink.settings import DownlinkSettings
from store import dose as doses
from store import feed, plan, revision
from store.dose import Dose, Statement
from store.feed import DoseItem
from store.plan import PlanItem
from store.pool import Connection

_LOG = structlog.get_logger()
_NO_ZONE = ZoneInfo("UTC")


async def revise(
    conn: Connection, node_id: str, *, now: datetime, settings: DownlinkSettings
) -> int | None:
    """Make the next revision of a node's plan and return its number; None without a plan.

    It is complete before it is sent, so that what is sent again after a crash is the same.
    """
    async with conn.transaction():
        standing = await revision.lock_plan(conn, node_id)
        if standing is None:
            return None
        items = await plan.active_items(conn, node_id)
        until = now + settings.plan_length
        withdrawn, zone = await _put_doses(conn, node_id, items, now=now, until=until)
        number = standing.revision + 1
        message = compose(
            items,
            await doses.doses_to_ring(conn, node_id, now),
            revision=number,
            zone=zone,
            now=now,
            until=until,
        )
        edited = standing.published_edit < standing.edit
        await revision.save(
            conn,
            revision.Revision(
                node_id=node_id, revision=number, body=encode(message), holds_until=until
            ),
            edit=standing.edit,
            edit_revision=number if edited else standing.edit_revision,
        )
        await feed.append(conn, "downlink", [dose_item(dose, now) for dose in withdrawn])
    _LOG.info("plan_revised", node=node_id, revision=number, withdrawn=len(withdrawn))
    return number


async def _put_doses(
    conn: Connection, node_id: str, items: list[PlanItem], *, now: datetime, until: datetime
) -> tuple[list[Dose], ZoneInfo]:
    patients = sorted({item.patient_id for item in items})
    spans = spans_by_patient(await revision.zones_of(conn, patients))
    taken = await doses.taken_before(conn, node_id, since=now)
    wanted = wanted_doses(items, spans, taken, now=now, until=until)
    withdrawn = await doses.put_doses(conn, node_id, wanted, now)
    for dose in withdrawn:
        said = Statement(state="withdrawn", at=now, by="hub", why=dose.why)
        await doses.note(conn, dose.id, said, taken_over=True, now=now)
    zone = zone_at(spans[patients[0]], now) if patients else _NO_ZONE
    return withdrawn, zone


def dose_item(dose: Dose, now: datetime) -> DoseItem:
    """A changed dose as the feed tells it."""
    return DoseItem(
        dose_id=dose.id,
        patient_id=dose.patient_id,
        node_id=dose.node_id,
        state=dose.state,
        due_at=dose.due_at,
        at=dose.state_at or now,
    )
