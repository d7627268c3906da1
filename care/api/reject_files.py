"""Refusals as files and as figures: messages to take home, counts over time, replays so far."""

import base64
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from care.api.deps import Db, Id, Limit, Me, Now, note
from care.api.problem import PROBLEMS, missing
from care.api.reject_filter import LOOK_BACK, Filter, Search
from care.api.shapes import Told
from contract import cbor
from store import reject_query
from store.reject_query import Line

router = APIRouter(prefix="/api", tags=["rejects"], responses=PROBLEMS)

# A file of messages is not made larger than this; it says where the next one begins.
MOST_BYTES: Final = 16 * 2**20
NDJSON: Final = "application/x-ndjson"
BYTES: Final = "application/octet-stream"


class CountBody(Told):
    """How often a code was told in the hour or day that begins then (UTC)."""

    at: datetime
    code: str
    times: int


class Counts(Told):
    """By time, then by code; what is zero is left out."""

    step: Literal["hour", "day"]
    counts: list[CountBody]


class CountSearch(Search):
    """Which refusals are counted; `text` and `payload` do not narrow it."""

    step: Literal["hour", "day"] = Field(default="day", description="how long each count is")


class ReplayBody(Told):
    """What one person had taken again at one instant, and what came of it so far. `stored`
    counts those stored in part, too."""

    at: datetime
    by: str
    asked: int
    done: int
    stored: int
    in_part: int
    refused: int
    nothing_new: int


class Replays(Told):
    """Newest first, of the last seven days."""

    replays: list[ReplayBody]


@router.get("/rejects/counts", operation_id="count_rejects", response_model=Counts)
async def count_rejects(
    me: Me, conn: Db, now: Now, asked: Annotated[CountSearch, Query()]
) -> object:
    """How much was refused with each code over time, of the last seven days unless `since` says
    otherwise.
    """
    wanted = asked.wanted(now - LOOK_BACK)
    rows = await reject_query.counts(conn, staff_id=me.staff_id, wanted=wanted, step=asked.step)
    await note(conn, me, now, "list", "rejects", asked.node or "", counts=len(rows))
    return {"step": asked.step, "counts": rows}


@router.get("/rejects/replays", operation_id="list_replays", response_model=Replays)
async def list_replays(me: Me, conn: Db, now: Now, limit: Limit = 20) -> object:
    """How far each replay is: what was asked for, what is done, and what came of it."""
    rows = await reject_query.replays(
        conn, staff_id=me.staff_id, since=now - LOOK_BACK, limit=limit
    )
    return {"replays": rows}


@router.get(
    "/rejects/export",
    operation_id="export_rejects",
    response_class=Response,
    responses={200: {"content": {NDJSON: {}}, "description": "One line of JSON each"}},
)
async def export_rejects(me: Me, conn: Db, now: Now, asked: Annotated[Filter, Query()]) -> Response:
    """What a search finds as a file, newest first, one line of JSON each with the message in
    base64; at most `limit` lines and 16 MiB. The last line has `next_before` for the next file.
    """
    rows = await reject_query.page(
        conn,
        staff_id=me.staff_id,
        wanted=asked.wanted(now - LOOK_BACK),
        before=asked.before,
        limit=asked.limit,
    )
    lines: list[bytes] = []
    size = 0
    for row in rows:
        line = msgspec.json.encode(_line(row))
        if lines and size + len(line) > MOST_BYTES:
            break
        lines.append(line)
        size += len(line)
    more = len(lines) < len(rows) or len(rows) == asked.limit
    last = {"next_before": rows[len(lines) - 1].id if more and lines else None}
    await note(conn, me, now, "export", "rejects", asked.node or "", count=len(lines))
    body = b"\n".join([*lines, msgspec.json.encode(last)]) + b"\n"
    return _attached(body, NDJSON, "rejects.ndjson")


def _line(row: Line) -> dict[str, object]:
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
        "maker": row.maker,
        "model": row.model,
        "firmware": row.firmware,
        "payload": base64.b64encode(row.payload).decode("ascii"),
    }


@router.get(
    "/rejects/{reject_id}/payload",
    operation_id="download_reject",
    response_class=Response,
    responses={200: {"content": {BYTES: {}}, "description": "The message as it came"}},
)
async def download_reject(reject_id: Id, me: Me, conn: Db, now: Now) -> Response:
    """The refused message as a file, byte by byte as it came."""
    found = await reject_query.one(conn, reject_id=reject_id, staff_id=me.staff_id)
    if found is None:
        raise missing()
    await note(conn, me, now, "export", "reject", reject_id)
    ending = "cbor" if cbor.announced(found.payload) else "json"
    return _attached(found.payload, BYTES, f"reject-{reject_id}.{ending}")


def _attached(body: bytes, kind: str, name: str) -> Response:
    """Saved, never shown: nothing of a message runs in a browser."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=kind, headers=headers)
