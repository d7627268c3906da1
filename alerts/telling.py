"""Writes who is told: the console row of each person on the step, and their addresses' rows.

The console is delivered by being written: it is the worklist. So every step that pages leaves at
least one notification, whatever else is configured.
"""

from collections.abc import Sequence
from datetime import datetime

from alerts import ladder, messages, progress
from alerts.drafts import Why
from alerts.ladder import Rung
from alerts.messages import Notice
from alerts.settings import AlertsSettings
from store import contact, notification
from store.contact import About, Contact
from store.episode import Episode, Trace
from store.notification import New
from store.pool import Connection


async def tell(
    conn: Connection, rung: Rung, why: Why, *, settings: AlertsSettings, now: datetime
) -> list[Trace]:
    """Tell one step of the ladder; returns what is to be written in the history."""
    episode = rung.episode
    about = await contact.about(conn, patient_id=episode.patient_id, node_id=episode.node_id)
    notice = _notice(episode, why, about, settings)
    addresses: list[Contact] = []
    if episode.priority in ladder.PAGING:
        addresses = await contact.of(conn, staff_ids=rung.staff, team_id=episode.team_id)
    rows = [*_console(notice, about, rung.staff, now), *_outside(notice, about, addresses, now)]
    await notification.put(conn, rows)
    if episode.step == 1 and episode.round == 0:
        await progress.tell(conn, episode, "notified", progress.NOTIFIED, now)
    detail = {
        "step": episode.step,
        "round": episode.round,
        "staff": list(rung.staff),
        "contacts": [address.id for address in addresses],
        "via": episode.policy.via,
    }
    return [Trace(phase="notify", reason=why.value, detail=detail)]


async def show(
    conn: Connection, episode: Episode, *, settings: AlertsSettings, now: datetime
) -> list[Trace]:
    """Put it on the worklist of the first step; nobody is paged (step 0)."""
    about = await contact.about(conn, patient_id=episode.patient_id, node_id=episode.node_id)
    staff = episode.policy.ladder[0] if episode.policy.ladder else ()
    notice = _notice(episode, Why.LISTED, about, settings)
    await notification.put(conn, _console(notice, about, staff, now))
    return [Trace(phase="notify", reason=Why.LISTED.value, detail={"staff": list(staff)})]


async def take_back(
    conn: Connection, episode: Episode, *, settings: AlertsSettings, now: datetime
) -> list[Trace]:
    """Whoever was told outside the console hears that the engine has withdrawn it."""
    about = await contact.about(conn, patient_id=episode.patient_id, node_id=episode.node_id)
    staff = [person for step in episode.policy.ladder[: episode.step] for person in step]
    addresses = await contact.of(conn, staff_ids=staff, team_id=episode.team_id)
    if not addresses:
        return []
    notice = _notice(episode, Why.WITHDRAWN, about, settings)
    await notification.put(conn, _outside(notice, about, addresses, now))
    detail = {"contacts": [address.id for address in addresses]}
    return [Trace(phase="notify", reason=Why.WITHDRAWN.value, detail=detail)]


def link(settings: AlertsSettings, episode: Episode) -> str:
    """Where a person who was told goes on."""
    return f"{settings.console_url.rstrip('/')}/?episode={episode.id}"


def _notice(episode: Episode, why: Why, about: About, settings: AlertsSettings) -> Notice:
    return Notice(episode=episode, why=why, link=link(settings, episode), zone=about.time_zone)


def _console(notice: Notice, about: About, staff: Sequence[int], now: datetime) -> list[New]:
    body = messages.body(notice, about=about, shows_patient=False)
    # Without any staff the row still says that it was put on the worklist.
    return [
        _row(notice, body, now, channel="console", to=person, staff_id=person)
        for person in (staff or (None,))
    ]


def _outside(
    notice: Notice, about: About, addresses: Sequence[Contact], now: datetime
) -> list[New]:
    return [
        _row(
            notice,
            messages.body(notice, about=about, shows_patient=address.shows_patient),
            now,
            channel=address.channel,
            to=address.id,
            staff_id=address.staff_id,
            team_id=address.team_id,
            contact_id=address.id,
        )
        for address in addresses
    ]


def _key(notice: Notice, channel: str, to: int | None) -> str:
    """The same message has the same key, however often it is written or sent."""
    episode = notice.episode
    parts = [episode.id, episode.round, episode.step, channel, to or "all"]
    if notice.why is Why.WITHDRAWN:
        parts.append(notice.why.value)
    return ":".join(map(str, parts))


def _row(
    notice: Notice,
    body: dict[str, object],
    now: datetime,
    *,
    channel: str,
    to: int | None,
    staff_id: int | None = None,
    team_id: int | None = None,
    contact_id: int | None = None,
) -> New:
    episode = notice.episode
    written = channel == "console"
    return New(
        episode_id=episode.id,
        idempotency_key=_key(notice, channel, to),
        channel=channel,
        staff_id=staff_id,
        team_id=team_id,
        contact_id=contact_id,
        round=episode.round,
        step=episode.step,
        reason=notice.why.value,
        body=body,
        created_at=now,
        next_attempt_at=now,
        state="delivered" if written else "queued",
        settled_at=now if written else None,
    )
