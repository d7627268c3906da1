"""People tell devices to do something: checked against the table of operations, then a row."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from contract.operations import OPERATIONS, check
from contract.uplinks import ConfigError
from store import command
from store.pool import Connection

# What is about a person rather than about the device: whoever cares for them may ask it.
ABOUT_PEOPLE: Final = frozenset({"measure_now", "ask", "speak", "call"})
LONGEST: Final = timedelta(days=1)


class OrderRefusedError(Exception):
    """A command that cannot go out. `errors` say which argument and why; `path` '' is the op."""

    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__("; ".join(f"{one.path} {one.msg}".strip() for one in errors))
        self.errors = errors


async def order(
    conn: Connection,
    *,
    node_id: str,
    op: str,
    args: Mapping[str, Any],
    holds: timedelta | None,
    by: str,
    now: datetime,
) -> str:
    """Ask a node for `op`, for so long as `holds` (without: as the operation says); the id.

    Raises OrderRefusedError.
    """
    errors = check(op, args)
    if op in OPERATIONS and OPERATIONS[op].internal:
        errors = [ConfigError(path="", msg=f"{op} is given by the hub itself, not by people")]
    if holds is not None and not timedelta(seconds=1) <= holds <= LONGEST:
        errors.append(ConfigError(path="", msg="a command holds for 1 s to 1 day"))
    if errors:
        raise OrderRefusedError(errors)
    command_id = f"c-{secrets.token_hex(8)}"
    await command.request(
        conn,
        command_id=command_id,
        node_id=node_id,
        op=op,
        args=dict(args),
        episode_id=None,
        created_by=by,
        now=now,
        expires_at=now + (holds or OPERATIONS[op].holds),
    )
    return command_id


def told_args(found: command.Command) -> dict[str, Any]:
    """A command's arguments for people to see: what the hub itself gives may hold a secret."""
    known = OPERATIONS.get(found.op)
    return found.args if known is not None and not known.internal else {}
