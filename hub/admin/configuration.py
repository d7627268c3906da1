"""`hearthbeat node config`: what a node is to be set to, beside what it says it is set to."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from care.people import configuring
from contract.configuration import SETTINGS, read
from hub.admin import defaults, output
from hub.admin.nodes import NodeId, known_node, node
from hub.admin.reach import HERE, AsJson, Data, DatabaseUrl, RefusedError, do, find_hub
from store import configuration
from store.configuration import Configuration, SettingsRefusedError
from store.pool import Connection

_EXAMPLES = f"""Examples:

hearthbeat node config --node 4k2m9x0qa1bz

hearthbeat node config --node 4k2m9x0qa1bz --set volume=80 --set lang=en

hearthbeat node config --node 4k2m9x0qa1bz --set dev=1

hearthbeat node config --node 4k2m9x0qa1bz --unset volume --json

Settings: {", ".join(SETTINGS)}; a maker's own begin with x_.
"""
_STANDING = {
    "none": "nothing was ever set",
    "waiting": "not at the broker yet",
    "sent": "sent; the device has not said that it took it",
    "applied": "the device took it",
    "refused": "the device did not take all of it",
}
_COLUMNS = {
    "key": "setting",
    "wanted": "wanted",
    "applied": "on the device",
    "state": "state",
    "note": "what it may be, or why it was refused",
}


def _pairs(given: list[str] | None) -> dict[str, Any]:
    pairs = [text.partition("=") for text in given or []]
    if not all(sign for _, sign, _ in pairs):
        raise typer.BadParameter("--set is written KEY=VALUE, like volume=80")
    return {key.strip(): read(key.strip(), value) for key, _, value in pairs}


@node.command("config", epilog=_EXAMPLES)
def config(
    node_id: NodeId,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="May be repeated."),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Leave it to the device again; may be repeated."),
    ] = None,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a node's configuration, or change it: the node is told, and says what it took.

    `dev=1` is developer mode: everything taken is echoed on fb for 24 hours, then it ends by
    itself. A value that cannot be is refused here (exit code 1) and never sent.
    """
    put, drop = _pairs(set_), unset or []

    async def work(conn: Connection, now: datetime) -> Configuration:
        found = await known_node(conn, node_id)
        if not put and not drop:
            return await configuration.read(conn, node_id)
        if found.revoked_at is not None:
            raise RefusedError(f"node {node_id} was revoked: nothing can be told to it")
        return await _changed(conn, node_id, put, drop, now)

    shown = do(find_hub(data, database_url), work)
    _show(shown, as_json)


async def _changed(
    conn: Connection, node_id: str, put: dict[str, Any], drop: list[str], now: datetime
) -> Configuration:
    try:
        changed = await configuration.change(
            conn, node_id, put=put, drop=drop, by="command line", now=now
        )
    except SettingsRefusedError as error:
        raise RefusedError("; ".join(one.msg for one in error.errors)) from error
    keys = sorted({*put, *drop})
    await defaults.note(
        conn, now, "node_configured", "node", node_id, keys=keys, revision=changed.revision
    )
    return changed


def _show(of: Configuration, as_json: bool) -> None:
    lines = [msgspec.structs.asdict(line) for line in configuring.lines(of)]
    if as_json:
        body = msgspec.structs.asdict(of)
        output.as_object({**body, "standing": of.standing, "settings": lines})
        return
    noted = [{**line, "note": line["reason"] or line["allowed"]} for line in lines]
    output.listed(False, "settings", noted, _COLUMNS)
    typer.echo(f"revision {of.revision}: {_STANDING[of.standing]}")
    if of.dev_until is not None:
        typer.echo(f"developer mode ends by itself at {of.dev_until:%Y-%m-%d %H:%M} UTC")
