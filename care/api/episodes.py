"""Episodes: the worklist, one with all that happened, acknowledge, resolve."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field

from alerts import actions, cards
from care.api.deps import Db, HandlesEpisodes, Id, Limit, Me, Now, PatientInScope, Since, note
from care.api.problem import PROBLEMS, Problem, missing, refused
from care.api.shapes import Asked, Text, Told
from care.people.sign_in import SignedIn
from store import episode, episode_query, worklist
from store.pool import Connection

router = APIRouter(prefix="/api", tags=["episodes"], responses=PROBLEMS)

Priority = Literal["high", "medium", "low", "technical"]
Outcome = Literal[
    "controlled",
    "medication_changed",
    "referred",
    "visited",
    "called",
    "false_alarm",
    "artefact",
    "device_fixed",
]
_CLOSED_SINCE: Final = timedelta(days=30)


# What the rule rested on, as stored; rows of store carry it as structs.
Evidence = Annotated[list[dict[str, Any]], BeforeValidator(msgspec.to_builtins)]


class EpisodeLine(Told):
    """An episode in a list. `section` is its place in the worklist; `closed` when closed."""

    id: int
    section: str
    priority: Priority
    state: str
    confirmation: str
    confirm_by: datetime | None
    late: bool
    rule: str
    subject: str
    reason: str
    evidence: Evidence
    onset_at: datetime
    last_evidence_at: datetime
    opened_at: datetime
    step: int
    round: int
    patient_id: int | None
    patient_name: str | None
    node_id: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None


class Episodes(Told):
    """The worklist: most urgent first, and the longest-waiting first among equals."""

    episodes: list[EpisodeLine]


class EpisodeBody(Told):
    """An episode in whatever state."""

    id: int
    patient_id: int | None
    patient_name: str | None
    node_id: str | None
    dev: str | None
    team_id: int | None
    rule: str
    rule_version: int
    subject: str
    priority: Priority
    state: str
    confirmation: str
    confirm_by: datetime | None
    late: bool
    onset_at: datetime
    last_evidence_at: datetime
    opened_at: datetime
    reason: str
    evidence: Evidence
    step: int
    round: int
    escalate_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    outcome: str | None
    next_step: str | None
    note: str | None


class PatientEpisodes(Told):
    """A patient's episodes, the open ones first."""

    patient_id: int
    episodes: list[EpisodeBody]


class StepBody(Told):
    """One thing that happened to it. `actor` is `engine` or `staff:<id>`."""

    at: datetime
    phase: str
    actor: str
    actor_name: str | None
    reason: str
    detail: dict[str, Any]


class ToldBody(Told):
    """One notification and how far it has come."""

    id: int
    channel: str
    staff_id: int | None
    to_name: str | None
    team_id: int | None
    reason: str
    state: str
    attempts: int
    created_at: datetime
    settled_at: datetime | None
    last_error: str | None


class CardBody(Told):
    """The episode as text for a person, in their language and the patient's local time."""

    title: str
    status: str
    since: str
    evidence: list[str]
    rule: str
    next_step: str


class EpisodePage(EpisodeBody):
    """An episode as a card, with its history and who was told."""

    card: CardBody
    history: list[StepBody]
    notifications: list[ToldBody]


class Acknowledge(Asked):
    """You have seen it and act on it. `hours`: until when; then it returns to the worklist."""

    note: Text | None = None
    hours: float | None = Field(default=None, gt=0, le=actions.LONGEST_HOURS)


class Resolve(Asked):
    """How it ended. `next_step` says what happens now; an episode is not closed without."""

    outcome: Outcome
    next_step: Annotated[Text, Field(min_length=1)]
    note: Text | None = None


State = Annotated[
    Literal["open", "closed"], Query(description="open: all that is not closed, by urgency")
]


@router.get("/episodes", operation_id="list_episodes", response_model=Episodes)
async def list_episodes(
    me: Me, conn: Db, now: Now, state: State = "open", since: Since = None, limit: Limit = 100
) -> object:
    """The worklist in the order of urgency; or what was closed, newest first."""
    await note(conn, me, now, "list", "episodes", "", state=state)
    if state == "open":
        rows = await worklist.entries(conn, staff_id=me.staff_id, now=now, limit=limit)
        return {"episodes": [EpisodeLine.model_validate(row) for row in rows]}
    first = since or now - _CLOSED_SINCE
    closed = await episode_query.closed(conn, staff_id=me.staff_id, since=first, limit=limit)
    return {"episodes": [_closed_line(row) for row in closed]}


def _closed_line(row: episode_query.Seen) -> EpisodeLine:
    names = EpisodeLine.model_fields.keys() - {"section"}
    return EpisodeLine(section="closed", **{name: getattr(row, name) for name in names})


@router.get(
    "/patients/{patient_id}/episodes",
    operation_id="list_patient_episodes",
    response_model=PatientEpisodes,
)
async def list_patient_episodes(
    person: PatientInScope, me: Me, conn: Db, now: Now, limit: Limit = 100
) -> object:
    """A patient's episodes, the open ones first, then those closed last."""
    await note(conn, me, now, "view", "patient", person.id, what="episodes")
    rows = await episode_query.of_patient(
        conn, patient_id=person.id, staff_id=me.staff_id, limit=limit
    )
    return {"patient_id": person.id, "episodes": rows}


@router.get("/episodes/{episode_id}", operation_id="read_episode", response_model=EpisodePage)
async def read_episode(episode_id: Id, me: Me, conn: Db, now: Now) -> object:
    """One episode with its history and its notifications."""
    page = await _page(conn, episode_id, me)
    await note(conn, me, now, "view", "episode", episode_id)
    return page


async def _page(conn: Connection, episode_id: int, me: SignedIn) -> EpisodePage:
    found = await episode_query.find_visible(conn, episode_id=episode_id, staff_id=me.staff_id)
    whole = await episode.find(conn, episode_id)
    if found is None or whole is None:
        raise missing()
    return EpisodePage(
        **EpisodeBody.model_validate(found).model_dump(),
        card=CardBody.model_validate(cards.card(whole, locale=me.locale, zone=found.time_zone)),
        history=[
            StepBody.model_validate(step) for step in await episode_query.history(conn, episode_id)
        ],
        notifications=[
            ToldBody.model_validate(told)
            for told in await episode_query.notifications(conn, episode_id)
        ],
    )


@router.post(
    "/episodes/{episode_id}/acknowledge",
    operation_id="acknowledge_episode",
    response_model=EpisodePage,
)
async def acknowledge_episode(
    episode_id: Id, asked: Acknowledge, me: HandlesEpisodes, conn: Db, now: Now
) -> object:
    """Take it over: escalation stops, and the device is told that somebody is on it."""
    await _page(conn, episode_id, me)
    try:
        await actions.acknowledge(
            conn,
            episode_id=episode_id,
            staff_id=me.staff_id,
            now=now,
            note=asked.note,
            hours=asked.hours,
        )
    except actions.ActionError as error:
        raise _refusal(error) from error
    await note(conn, me, now, "acknowledge", "episode", episode_id)
    return await _page(conn, episode_id, me)


@router.post(
    "/episodes/{episode_id}/resolve", operation_id="resolve_episode", response_model=EpisodePage
)
async def resolve_episode(
    episode_id: Id, asked: Resolve, me: HandlesEpisodes, conn: Db, now: Now
) -> object:
    """Close it with an outcome and a next step."""
    await _page(conn, episode_id, me)
    try:
        await actions.resolve(
            conn,
            episode_id=episode_id,
            staff_id=me.staff_id,
            outcome=asked.outcome,
            next_step=asked.next_step,
            note=asked.note,
            now=now,
        )
    except actions.ActionError as error:
        raise _refusal(error) from error
    await note(conn, me, now, "resolve", "episode", episode_id, outcome=asked.outcome)
    return await _page(conn, episode_id, me)


def _refusal(error: actions.ActionError) -> Problem:
    if isinstance(error, actions.NotInScopeError):
        return missing()
    return refused(
        f"{error}.".capitalize(),
        "GET the episode: somebody else may have acted on it in the meantime.",
        status=409 if isinstance(error, actions.AlreadyClosedError) else 422,
        name=error.code.replace("_", "-"),
    )
