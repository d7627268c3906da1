"""`hearthbeat node command`: tell a node to do something, and wait for its answer."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
import typer

from care.people.ordering import OrderRefusedError, order, told_args
from contract.operations import OPERATIONS, read
from hub.admin import defaults, output
from hub.admin.nodes import NodeId, known_node, node
from hub.admin.reach import (
    HERE,
    REFUSED,
    AsJson,
    Data,
    DatabaseUrl,
    Hub,
    RefusedError,
    do,
    end,
    find_hub,
    say,
)
from store import command
from store.command import Command
from store.pool import Connection

# By the device's last word; 1 to 3 are what they are for every command.
EXIT_CODES: Final = {"ok": 0, "error": 4, "busy": 5, "unsupported": 6, "expired": 7}
_LOOK_S: Final = 0.2
# The hub gives a command up soon after its expiry; a person who accepted it has five minutes.
_GIVEN_UP: Final = timedelta(seconds=20)
_ACCEPTED: Final = timedelta(seconds=330)


def _arguments(operation: Any) -> str:
    args = [each.key + ("" if each.required else "?") for each in operation.args]
    return f"{operation.op}({', '.join(args)})"


_OPS: Final = ", ".join(_arguments(each) for each in OPERATIONS.values() if not each.internal)
_EXAMPLES = f"""Examples:

hearthbeat node command --node 4k2m9x0qa1bz --op rebirth --wait

hearthbeat node command --node 4k2m9x0qa1bz --op measure_now --arg k=bp --arg who=A

hearthbeat node command --node 4k2m9x0qa1bz --op speak --arg "text=Lunch is ready" --wait --json

hearthbeat node command --node 4k2m9x0qa1bz --op resend --arg boot=12 --arg from=7 --arg to=9

Operations: {_OPS}. Values are text, numbers or JSON. With --wait the exit code is the answer: 0 ok,
4 error, 5 busy, 6 unsupported, 7 expired.
"""


def _args(op: str, given: list[str] | None) -> dict[str, Any]:
    pairs = [text.partition("=") for text in given or []]
    if not all(sign for _, sign, _ in pairs):
        raise typer.BadParameter("--arg is written KEY=VALUE, like k=bp")
    return {key.strip(): read(op, key.strip(), value) for key, _, value in pairs}


@node.command("command", epilog=_EXAMPLES)
def command_(
    node_id: NodeId,
    op: Annotated[str, typer.Option(help="What to do.")],
    arg: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="May be repeated.")
    ] = None,
    expires: Annotated[
        int | None,
        typer.Option(min=1, max=86_400, help="Seconds in which the device may begin it."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the device's answer.")] = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Tell a node to do something. The device asks, the person starts: nothing begins by itself.

    It prints {"id", "node_id", "op", "args", "state", "out", "message", "expires_at", …}.
    """
    args = _args(op, arg)
    hub = find_hub(data, database_url)

    async def work(conn: Connection, now: datetime) -> Command:
        if (await known_node(conn, node_id)).revoked_at is not None:
            raise RefusedError(f"node {node_id} was revoked: nothing can be told to it")
        holds = None if expires is None else timedelta(seconds=expires)
        return await _ordered(conn, node_id, op, args, holds, now)

    found = do(hub, work)
    if wait:
        found = _answered(hub, found)
    _show(found, as_json)
    if wait:
        raise typer.Exit(EXIT_CODES.get(found.state, REFUSED))


async def _ordered(
    conn: Connection,
    node_id: str,
    op: str,
    args: dict[str, Any],
    holds: timedelta | None,
    now: datetime,
) -> Command:
    try:
        command_id = await order(
            conn, node_id=node_id, op=op, args=args, holds=holds, by="command line", now=now
        )
    except OrderRefusedError as error:
        raise RefusedError(str(error)) from error
    await defaults.note(conn, now, "command_ordered", "node", node_id, op=op, command=command_id)
    return await _read(conn, command_id, node_id)


async def _read(conn: Connection, command_id: str, node_id: str) -> Command:
    found = await command.find(conn, command_id, node_id)
    if found is None:
        raise RefusedError(f"node {node_id} has no command {command_id} any more")
    return found


def _answered(hub: Hub, asked: Command) -> Command:
    """The command when it has its final word; what happens before it is said."""

    async def work(conn: Connection, _: datetime) -> Command:
        said = found = asked
        while found.state not in EXIT_CODES and datetime.now(UTC) < _patience(found):
            await asyncio.sleep(_LOOK_S)
            found = await _read(conn, asked.id, asked.node_id)
            if found.state != said.state:
                say(f"{found.op} is {found.state}")
                said = found
        return found

    found = do(hub, work)
    if found.state not in EXIT_CODES:
        end(REFUSED, f"still {found.state}: nobody gives it up, is the hub running?")
    return found


def _patience(found: Command) -> datetime:
    return found.expires_at + (_ACCEPTED if found.state == "accepted" else _GIVEN_UP)


def _show(found: Command, as_json: bool) -> None:
    body = {**msgspec.structs.asdict(found), "args": told_args(found)}
    lines = [f"command {found.id} ({found.op}) is {found.state}"]
    if found.message:
        lines.append(f"the device says: {found.message}")
    if found.out:
        lines.append(json.dumps(found.out, ensure_ascii=False))
    if found.state == "queued":
        lines.append(f"the device may begin it until {found.expires_at:%Y-%m-%d %H:%M:%S} UTC")
    output.shown(as_json, body, *lines)
