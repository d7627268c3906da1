"""What nodes are to be set to, beside what they say they are: /api/nodes/{node_id}/config."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from care.api.deps import Db, ManagesNodes, NodeInScope, Now, note
from care.api.problem import PROBLEMS, Problem, Wrong, refused
from care.api.shapes import Asked, Told
from care.people import configuring
from store import configuration
from store.configuration import Configuration, SettingsRefusedError

router = APIRouter(prefix="/api", tags=["nodes"], responses=PROBLEMS)

Key = Annotated[str, Field(min_length=1, max_length=64)]
_MOST = 64


class ConfigurationChange(Asked):
    """Settings to set, and settings to leave to the device again."""

    set: dict[Key, Any] = Field(default={}, max_length=_MOST)
    unset: list[Key] = Field(default=[], max_length=_MOST)


class SettingLine(Told):
    """One setting. `state`: default, waiting, applied, refused (`reason` is the device's) or
    differs."""

    key: str
    wanted: Any
    applied: Any
    state: str
    reason: str | None
    allowed: str
    meaning_zh: str
    meaning_en: str


class SettingError(Told):
    """What the device did not take; `path` is a JSON pointer into what was wanted."""

    path: str
    msg: str


class ConfigurationBody(Told):
    """Desired beside reported. `standing`: none, waiting (not at the broker yet), sent (not
    reported yet), applied or refused (in part). `dev_until` is when developer mode ends."""

    node_id: str
    standing: str
    revision: int
    wanted: dict[str, Any]
    changed_at: datetime | None
    changed_by: str | None
    published_revision: int
    published_at: datetime | None
    dev_until: datetime | None
    reported_revision: int | None
    applied: dict[str, Any] | None
    errors: list[SettingError]
    reported_at: datetime | None
    settings: list[SettingLine]


@router.get(
    "/nodes/{node_id}/config", operation_id="read_node_config", response_model=ConfigurationBody
)
async def read_node_config(found: NodeInScope, conn: Db) -> object:
    """What a node is to be set to, and what it said it is set to."""
    return _body(await configuration.read(conn, found.id))


@router.patch(
    "/nodes/{node_id}/config", operation_id="change_node_config", response_model=ConfigurationBody
)
async def change_node_config(
    asked: ConfigurationChange, found: NodeInScope, me: ManagesNodes, conn: Db, now: Now
) -> object:
    """Change settings; the node is told within seconds, or when it is there again."""
    if found.revoked_at is not None:
        raise refused("The node was revoked.", "Add a new node instead.", name="node-revoked")
    by = f"staff:{me.staff_id}"
    try:
        changed = await configuration.change(
            conn, found.id, put=asked.set, drop=asked.unset, by=by, now=now
        )
    except SettingsRefusedError as error:
        raise _not_taken(error) from error
    keys = sorted({*asked.set, *asked.unset})
    await note(
        conn, me, now, "node_configured", "node", found.id, keys=keys, revision=changed.revision
    )
    return _body(changed)


def _not_taken(error: SettingsRefusedError) -> Problem:
    wrong = [Wrong(path=f"/body/set{one.path}", message=one.msg) for one in error.errors]
    return Problem(
        422,
        "setting-not-allowed",
        "; ".join(one.message for one in wrong[:5]),
        hint="GET /api/nodes/{node_id}/config lists every setting with what it may be.",
        errors=wrong,
    )


def _body(of: Configuration) -> ConfigurationBody:
    return ConfigurationBody(
        node_id=of.node_id,
        standing=of.standing,
        revision=of.revision,
        wanted=of.wanted,
        changed_at=of.changed_at,
        changed_by=of.changed_by,
        published_revision=of.published_revision,
        published_at=of.published_at,
        dev_until=of.dev_until,
        reported_revision=of.reported_revision,
        applied=of.applied,
        errors=[SettingError(path=e.get("path", ""), msg=e.get("msg", "")) for e in of.errors],
        reported_at=of.reported_at,
        settings=[SettingLine.model_validate(line) for line in configuring.lines(of)],
    )
