"""What was refused: /api/rejects, one by one or by product, and having it taken again."""

import base64
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from care.api.deps import Db, Id, ManagesNodes, Me, Now, note
from care.api.problem import PROBLEMS, missing
from care.api.reject_filter import LOOK_BACK, Filter, Search
from care.api.shapes import Asked, Told
from care.api.shapes import Line as OneLine
from care.people.sign_in import SignedIn
from contract.errors import ERRORS
from store import node, reject_query
from store.pool import Connection
from store.reading_query import BEGINNING
from store.reject_query import MOST_AT_ONCE, Line, Product, RejectPage, Wanted

router = APIRouter(prefix="/api", tags=["rejects"], responses=PROBLEMS)


class RejectBody(Told):
    """One refusal: where in the message, what was got, and the message as it came."""

    id: int
    received_at: datetime
    node: str | None
    topic: str
    boot: int | None
    seq: int | None
    code: str
    path: str | None
    got: str | None
    reason: str
    kept: int
    dropped: int
    payload: str
    payload_is: str


class KindBody(Told):
    """One code at one place; `place` has `*` for the entries of a list, `newest` is an example."""

    code: str
    place: str
    times: int
    nodes: int
    first_at: datetime
    last_at: datetime
    newest: int
    reason: str
    got: str | None


class ProductBody(Told):
    """What of one product and firmware was refused; null: it had not said who it is."""

    maker: str | None
    model: str | None
    firmware: str | None
    times: int
    nodes: int
    first_at: datetime
    last_at: datetime
    kinds: list[KindBody]


class Rejects(Told):
    """Newest first; `next_before` continues, null at the end. With group=product: `products`."""

    rejects: list[RejectBody]
    next_before: int | None
    products: list[ProductBody] | None


class Saying(Told):
    """What a code means and what to do about it, in one language."""

    meaning: str
    hint: str


class RejectDetail(RejectBody):
    """One refusal with what its maker is told, and what a replay made of its message."""

    maker: str | None
    model: str | None
    firmware: str | None
    name: str
    retry: bool
    said: dict[str, Saying]
    replay_asked_at: datetime | None
    replay_asked_by: str | None
    replayed_at: datetime | None
    replay_result: str | None


class OneKind(Asked):
    """All refusals of one product, with this code at this place, since an instant."""

    maker: OneLine | None = None
    model: OneLine | None = None
    firmware: OneLine | None = None
    code: str = Field(pattern=r"^[EW][0-9]{4}$")
    place: str = Field(default="", max_length=512, pattern=r"^[^\x00]*$")


class NewReplay(Asked):
    """What to take again: refusals by id, all of one kind of the last seven days, or what a search
    finds, the newest first, so many at once."""

    ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(
        default=[], max_length=MOST_AT_ONCE
    )
    kind: OneKind | None = None
    search: Search | None = None


class Replay(Told):
    """The refusals whose messages are taken again now; look at them for what came of it."""

    asked: list[int]
    at: datetime


@router.get("/rejects", operation_id="list_rejects", response_model=Rejects)
async def list_rejects(me: Me, conn: Db, now: Now, asked: Annotated[Filter, Query()]) -> object:
    """What was refused and why, newest first: the device was told the same on its `fb` topic.

    With group=product it is told by maker, model and firmware, then by code and place, of the
    last seven days unless `since` says otherwise.
    """
    if asked.node is not None:
        found = await node.find_visible(conn, node_id=asked.node, staff_id=me.staff_id)
        if found is None:
            raise missing()
    if asked.group == "product":
        products = await _products(conn, me, now, asked)
        return {"rejects": [], "next_before": None, "products": products}
    rows = await reject_query.page(
        conn,
        staff_id=me.staff_id,
        wanted=asked.wanted(BEGINNING),
        before=asked.before,
        limit=asked.limit,
    )
    await note(conn, me, now, "list", "rejects", asked.node or "", count=len(rows))
    return {
        "rejects": [RejectBody.model_validate(_reject(row)) for row in rows],
        "next_before": rows[-1].id if len(rows) == asked.limit else None,
        "products": None,
    }


async def _products(
    conn: Connection, me: SignedIn, now: datetime, asked: Filter
) -> list[ProductBody]:
    wanted = asked.wanted(now - LOOK_BACK)
    told = []
    for one in await reject_query.products(
        conn, staff_id=me.staff_id, wanted=wanted, limit=asked.limit
    ):
        kinds = await reject_query.kinds(
            conn, one.product, staff_id=me.staff_id, wanted=wanted, limit=asked.limit
        )
        told.append(
            ProductBody(
                maker=one.maker,
                model=one.model,
                firmware=one.firmware,
                times=one.times,
                nodes=one.nodes,
                first_at=one.first_at,
                last_at=one.last_at,
                kinds=[_kind(kind) for kind in kinds],
            )
        )
    await note(conn, me, now, "list", "rejects", asked.node or "", products=len(told))
    return told


def _kind(one: reject_query.KindLine) -> KindBody:
    return KindBody(
        code=one.code,
        place=one.place,
        times=one.times,
        nodes=one.nodes,
        first_at=one.first_at,
        last_at=one.last_at,
        newest=one.newest_id,
        reason=one.reason,
        got=one.got,
    )


@router.post("/rejects/replay", operation_id="replay_rejects", response_model=Replay)
async def replay_rejects(asked: NewReplay, me: ManagesNodes, conn: Db, now: Now) -> object:
    """Have refused messages taken again, after a fix. It runs behind this answer.

    What is taken now is stored with the time it was measured at; what is refused again stays
    refused, with the new reason. What is on its way already is not asked for twice.
    """
    ids = list(asked.ids)
    if asked.kind is not None:
        ids += await _ids_of(conn, me, asked.kind, now)
    if asked.search is not None:
        ids += await _found(conn, me, asked.search, now)
    carriers = await reject_query.ask_replay(
        conn, ids=ids, staff_id=me.staff_id, by=me.user_name, now=now
    )
    await note(conn, me, now, "rejects_replayed", "rejects", "", count=len(carriers), ids=carriers)
    return Replay(asked=carriers, at=now)


async def _found(conn: Connection, me: SignedIn, asked: Search, now: datetime) -> list[int]:
    lines = await reject_query.page(
        conn,
        staff_id=me.staff_id,
        wanted=asked.wanted(now - LOOK_BACK),
        limit=MOST_AT_ONCE,
    )
    return [line.id for line in lines]


async def _ids_of(conn: Connection, me: SignedIn, kind: OneKind, now: datetime) -> list[int]:
    lines = await reject_query.alike(
        conn,
        Product(kind.maker, kind.model, kind.firmware),
        code=kind.code,
        place=kind.place,
        staff_id=me.staff_id,
        wanted=Wanted(since=now - LOOK_BACK),
        limit=MOST_AT_ONCE,
    )
    return [line.id for line in lines]


@router.get("/rejects/{reject_id}", operation_id="read_reject", response_model=RejectDetail)
async def read_reject(reject_id: Id, me: Me, conn: Db, now: Now) -> object:
    """One refusal: the message as it came, what its maker is told, and its replay."""
    found = await reject_query.one(conn, reject_id=reject_id, staff_id=me.staff_id)
    if found is None:
        raise missing()
    await note(conn, me, now, "view", "reject", reject_id)
    known = ERRORS.get(found.code)
    said = {"en": known.en, "zh": known.zh} if known else {}
    more = {
        "maker": found.maker,
        "model": found.model,
        "firmware": found.firmware,
        "name": known.name if known else "",
        "retry": bool(known and known.retry),
        "said": {lang: Saying(meaning=w.meaning, hint=w.hint) for lang, w in said.items()},
        "replay_asked_at": found.replay_asked_at,
        "replay_asked_by": found.replay_asked_by,
        "replayed_at": found.replayed_at,
        "replay_result": found.replay_result,
    }
    return RejectDetail.model_validate({**_reject(found), **more})


def _reject(row: Line | RejectPage) -> dict[str, object]:
    try:
        payload, payload_is = row.payload.decode("utf-8"), "text"
    except UnicodeDecodeError:
        payload, payload_is = base64.b64encode(row.payload).decode("ascii"), "base64"
    return {
        "id": row.id,
        "received_at": row.received_at,
        "node": row.node_id,
        "topic": row.topic,
        "boot": row.boot,
        "seq": row.seq,
        "code": row.code,
        "path": row.path,
        "got": row.got,
        "reason": row.reason,
        "kept": row.kept,
        "dropped": row.dropped,
        "payload": payload,
        "payload_is": payload_is,
    }
