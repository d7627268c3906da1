"""Looks at people's readings again: loads their windows, asks every rule, carries out what follows.

Windows of all people concerned are loaded together, in a few queries. Each (person, rule) works
behind a savepoint of its own: one that fails is recorded, raised as a technical episode and tried
again, and holds up nobody else.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

import structlog
from msgspec import Struct
from psycopg.errors import UniqueViolation

from alerts import faults
from alerts.away import AWAY
from alerts.carrying_out import carry_out
from alerts.drafts import Whose
from alerts.episodes import reconcile
from alerts.rules.pressure import REACH, SIGNS
from alerts.rules.registry import READING_RULES
from alerts.settings import AlertsSettings
from alerts.subjects import Affected
from alerts.window import Answer, Sign, SignKind, Window, answered_event
from contract.vitals import FLAGS
from store import episode as episodes
from store import window
from store.episode import Episode
from store.pool import Connection
from store.window import WindowEvent, WindowReading

_LOG = structlog.get_logger()
_SIGN_TYPES: Final = ("answer", "fall")
_FAILED: Final = FLAGS["failed"].mask
_DEFAULT_PROFILE: Final = "cn"
Row = TypeVar("Row")


class Matter(Struct, frozen=True, kw_only=True):
    """One person (or device) and everything the rules may look at."""

    whose: Whose
    since: datetime
    window: Window
    episodes: tuple[Episode, ...]


async def judge(
    conn: Connection, affected: Affected, *, settings: AlertsSettings, now: datetime
) -> frozenset[str]:
    """Bring the episodes of everybody concerned up to what their readings say now.

    Returns what could not be worked out, as subjects of `faults`.
    """
    if not affected:
        return frozenset()
    failed = [
        faults.subject(rule, matter.whose)
        for matter in await _matters(conn, affected)
        for rule in READING_RULES
        if not await _judge_rule(conn, matter, rule, settings, now)
    ]
    return frozenset(failed)


async def _judge_rule(
    conn: Connection, matter: Matter, rule: str, settings: AlertsSettings, now: datetime
) -> bool:
    try:
        try:
            await _settle(conn, matter, rule, matter.episodes, settings, now)
        except UniqueViolation:
            # Another engine opened it between our look and our write: look again, once.
            known = await _episodes_of(conn, matter)
            await _settle(conn, matter, rule, known, settings, now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - one person's trouble must not stop the others
        since = matter.window.judged_from
        await faults.report(conn, rule, matter.whose, since, error, settings, now)
        return False
    return True


async def _settle(
    conn: Connection,
    matter: Matter,
    rule: str,
    known: Sequence[Episode],
    settings: AlertsSettings,
    now: datetime,
) -> None:
    drafts = reconcile(
        [episode for episode in known if episode.rule == rule],
        READING_RULES[rule](matter.window, now),
        whose=matter.whose,
        judged_from=matter.window.judged_from,
        now=now,
        timing=settings.timing(),
    )
    if drafts:
        async with conn.transaction():
            for draft in drafts:
                await carry_out(conn, draft, settings=settings, now=now)


async def _episodes_of(conn: Connection, matter: Matter) -> list[Episode]:
    person, device = matter.whose.patient_id, matter.whose.device_id
    return await episodes.of_subjects(
        conn,
        patients={person: matter.since} if person is not None else {},
        devices={device: matter.since} if person is None and device is not None else {},
        rules=list(READING_RULES),
    )


# --- loading ------------------------------------------------------------------------------


async def _matters(conn: Connection, affected: Affected) -> list[Matter]:
    """The windows: `REACH` before what changed is judged again, twice that is context."""
    people = {id_: at - 2 * REACH for id_, at in affected.patients.items()}
    devices = {id_: at - 2 * REACH for id_, at in affected.devices.items()}
    known = await episodes.of_subjects(
        conn, patients=people, devices=devices, rules=list(READING_RULES)
    )
    return [
        *await _of_people(conn, people, known),
        *await _of_devices(conn, devices, known),
    ]


async def _of_people(
    conn: Connection, since: dict[int, datetime], known: Sequence[Episode]
) -> list[Matter]:
    if not since:
        return []
    readings = await window.of_patients(conn, since, failed_mask=_FAILED)
    said = await window.events(
        conn, {id_: at - SIGNS for id_, at in since.items()}, types=_SIGN_TYPES
    )
    patients = await window.patients(conn, list(since))
    read_by = _by(readings, lambda reading: reading.patient_id)
    said_by = _by(said, lambda event: event.patient_id)
    opened_for = _by(known, lambda episode: episode.patient_id)
    matters = []
    for patient_id, at in sorted(since.items()):
        own = tuple(opened_for[patient_id])
        patient = patients.get(patient_id)
        matters.append(
            Matter(
                whose=Whose(patient_id=patient_id),
                since=at,
                window=Window(
                    profile=patient.profile if patient else _DEFAULT_PROFILE,
                    readings=tuple(read_by[patient_id]),
                    judged_from=at + REACH,
                    signs=_signs(said_by[patient_id], own),
                ),
                episodes=own,
            )
        )
    return matters


async def _of_devices(
    conn: Connection, since: dict[int, datetime], known: Sequence[Episode]
) -> list[Matter]:
    if not since:
        return []
    readings = await window.of_devices(conn, since, failed_mask=_FAILED)
    candidates = await window.candidates(conn, {id_: at + 2 * REACH for id_, at in since.items()})
    read_by = _by(readings, lambda reading: reading.device_id)
    opened_on = _by((e for e in known if e.patient_id is None), lambda e: e.device_id)
    matters = []
    for device_id, at in sorted(since.items()):
        own, unowned = tuple(opened_on[device_id]), tuple(read_by[device_id])
        if own or unowned:
            whose = Whose(device_id=device_id, node_id=_node(unowned, own))
            named = tuple(c.patient_id for c in candidates if c.device_id == device_id)
            matters.append(_unowned(whose, at, unowned, own, named))
    return matters


def _unowned(
    whose: Whose,
    since: datetime,
    readings: tuple[WindowReading, ...],
    own: tuple[Episode, ...],
    candidates: tuple[int, ...],
) -> Matter:
    return Matter(
        whose=whose,
        since=since,
        window=Window(
            profile=_DEFAULT_PROFILE,
            readings=readings,
            judged_from=since + REACH,
            # What was answered to the question that went with the reading.
            signs=_signs((), own),
            owned=False,
            candidates=candidates,
        ),
        episodes=own,
    )


def _by(
    rows: Iterable[Row], key: Callable[[Row], int | None]
) -> defaultdict[int | None, list[Row]]:
    """Rows by whom they are of, each list in the order it came."""
    found: defaultdict[int | None, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def _node(readings: Sequence[WindowReading], own: Sequence[Episode]) -> str | None:
    if readings:
        return readings[-1].node_id
    return own[-1].node_id if own else None


def _signs(said: Sequence[WindowEvent], own: Sequence[Episode]) -> tuple[Sign, ...]:
    """Falls, and what was answered yes: as an event, or to a question an episode asked."""
    signs = [Sign(e.occurred_at, SignKind.FALL) for e in said if e.type == "fall"]
    signs += [
        Sign(e.occurred_at, SignKind.SYMPTOM)
        for e in said
        if e.type == "answer" and answered_event(e.body) is Answer.YES
    ]
    signs += [
        Sign(piece.at, SignKind.SYMPTOM)
        for episode in own
        for piece in episode.evidence
        if piece.type == "answer" and piece.detail.get("answer") == Answer.YES
    ]
    return tuple(sorted(set(signs), key=lambda sign: (sign.at, sign.kind)))
