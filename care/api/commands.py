"""What nodes are told to do, and what they answered: /api/nodes/{node_id}/commands."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from care.api.deps import Db, HandlesEpisodes, Limit, NodeInScope, Now, note
from care.api.problem import PROBLEMS, Problem, Wrong, missing, not_your_role, refused
from care.api.shapes import Asked, Told
from care.people.ordering import ABOUT_PEOPLE, OrderRefusedError, order, told_args
from care.people.permission import may
from store import command

router = APIRouter(prefix="/api", tags=["nodes"], responses=PROBLEMS)

CommandId = Annotated[str, Path(min_length=1, max_length=128)]


class NewCommand(Asked):
    """A command; `expires_in_s` is how long the device may still begin it."""

    op: str = Field(min_length=1, max_length=32)
    args: dict[str, Any] = Field(default={}, max_length=16)
    expires_in_s: int | None = Field(default=None, ge=1, le=86_400)


class CommandBody(Told):
    """A command. `state`: queued, sent, accepted, then ok, error, busy, unsupported or expired.

    `out` is the device's answer, `message` what it said of it in words; `session_id` names what was
    measured for it.
    """

    id: str
    node_id: str
    op: str
    args: dict[str, Any]
    episode_id: int | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    published_at: datetime | None
    state: str
    out: dict[str, Any] | None
    message: str | None
    session_id: str | None
    answered_at: datetime | None


class Commands(Told):
    """The latest commands of a node, newest first."""

    node_id: str
    commands: list[CommandBody]


@router.post(
    "/nodes/{node_id}/commands",
    operation_id="order_command",
    response_model=CommandBody,
    status_code=201,
)
async def order_command(
    asked: NewCommand, found: NodeInScope, me: HandlesEpisodes, conn: Db, now: Now
) -> object:
    """Tell a node to do something. Whoever cares for people may ask them (measure_now, ask,
    speak, call); what is about the device itself is for who manages nodes.
    """
    if asked.op not in ABOUT_PEOPLE and not may(me.role, "manage_nodes"):
        raise not_your_role(me.role)
    if found.revoked_at is not None:
        raise refused("The node was revoked.", "Nothing can be told to it.", name="node-revoked")
    holds = None if asked.expires_in_s is None else timedelta(seconds=asked.expires_in_s)
    try:
        command_id = await order(
            conn,
            node_id=found.id,
            op=asked.op,
            args=asked.args,
            holds=holds,
            by=f"staff:{me.staff_id}",
            now=now,
        )
    except OrderRefusedError as error:
        raise _not_ordered(error) from error
    await note(conn, me, now, "command_ordered", "node", found.id, op=asked.op, command=command_id)
    return await read_command(found, command_id, conn)


def _not_ordered(error: OrderRefusedError) -> Problem:
    wrong = [
        Wrong(path=f"/body/args{one.path}" if one.path else "/body/op", message=one.msg)
        for one in error.errors
    ]
    return Problem(
        422,
        "command-not-allowed",
        str(error),
        hint="docs/api.md lists the operations with their arguments.",
        errors=wrong,
    )


@router.get("/nodes/{node_id}/commands", operation_id="list_commands", response_model=Commands)
async def list_commands(found: NodeInScope, conn: Db, limit: Limit = 50) -> object:
    """What a node was told lately, and how far it has come."""
    rows = await command.of_node(conn, found.id, limit=limit)
    return {"node_id": found.id, "commands": [_body(row) for row in rows]}


@router.get(
    "/nodes/{node_id}/commands/{command_id}",
    operation_id="read_command",
    response_model=CommandBody,
)
async def read_command(found: NodeInScope, command_id: CommandId, conn: Db) -> object:
    """How far a command has come."""
    row = await command.find(conn, command_id, found.id)
    if row is None:
        raise missing()
    return _body(row)


def _body(row: command.Command) -> CommandBody:
    body = CommandBody.model_validate(row)
    return body.model_copy(update={"args": told_args(row)})
