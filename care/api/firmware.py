"""Firmware announced for products, and how far the nodes have come: /api/firmware."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from care.api.deps import Administrator, Db, Id, ManagesNodes, NodeInScope, Now, note
from care.api.problem import PROBLEMS, Problem, Wrong, missing, refused
from care.api.shapes import Asked, Done, Told
from care.people.announcing import AnnouncementRefusedError, checked, read_public_key
from store import firmware

router = APIRouter(prefix="/api", tags=["nodes"], responses=PROBLEMS)


class NewFirmware(Asked):
    """A firmware to announce. `signature` is Ed25519, base64, over the version, a line feed and
    `sha256`; it is checked with `public_key` (PEM). `window` is two local hours."""

    maker: str
    model: str
    hardware: str | None = None
    version: str
    url: str
    sha256: str
    size: int
    signature: str = Field(max_length=512)
    public_key: str = Field(max_length=8192)
    window: tuple[int, int] | None = None


class FirmwareBody(Told):
    """An announcement; `told`, `ok` and `failed` count nodes."""

    id: int
    maker: str
    model: str
    hardware: str | None
    version: str
    url: str
    sha256: str
    size: int
    signature: str
    window_from: int | None
    window_to: int | None
    announced_at: datetime
    announced_by: str
    withdrawn_at: datetime | None
    told: int
    ok: int
    failed: int


class Announced(Told):
    """All announcements, the newest first."""

    firmware: list[FirmwareBody]


class Announcement(Told):
    """What was announced."""

    id: int


class ProgressBody(Told):
    """What a node made of a notice; `state` is its last word: accepted, ok, error, unsupported."""

    node_id: str
    firmware_id: int
    version: str
    published_at: datetime | None
    state: str | None
    progress: int | None
    detail: str | None
    answered_at: datetime | None
    cleared_at: datetime | None


class Notices(Told):
    """Notices, each with how far it has come."""

    notices: list[ProgressBody]


@router.get("/firmware", operation_id="list_firmware", response_model=Announced)
async def list_firmware(_: ManagesNodes, conn: Db) -> object:
    """Every firmware ever announced."""
    return {"firmware": await firmware.every(conn)}


@router.post(
    "/firmware", operation_id="announce_firmware", response_model=Announcement, status_code=201
)
async def announce_firmware(asked: NewFirmware, me: Administrator, conn: Db, now: Now) -> object:
    """Announce a firmware; every node of the product whose birth says another one is told."""
    values = asked.model_dump(exclude={"public_key"})
    try:
        new = checked(firmware.NewFirmware(**values), read_public_key(asked.public_key))
    except AnnouncementRefusedError as error:
        wrong = Wrong(path=f"/body{error.path}", message=str(error))
        raise Problem(
            422,
            "firmware-not-announced",
            str(error),
            hint="Nothing was told to any device; correct the part named in 'errors'.",
            errors=[wrong],
        ) from error
    made = await firmware.announce(conn, new, by=f"staff:{me.staff_id}", now=now)
    if made is None:
        raise refused(
            "This version is announced already.",
            "Withdraw it first, or give the new file a new version.",
            name="firmware-stands",
        )
    await note(
        conn, me, now, "firmware_announced", "firmware", made, model=new.model, version=new.version
    )
    return Announcement(id=made)


@router.post(
    "/firmware/{firmware_id}/withdraw", operation_id="withdraw_firmware", response_model=Done
)
async def withdraw_firmware(firmware_id: Id, me: Administrator, conn: Db, now: Now) -> object:
    """Take an announcement back; what was announced before it for the product holds again."""
    done = await firmware.withdraw(conn, firmware_id, now=now)
    if not done and firmware_id not in {one.id for one in await firmware.every(conn)}:
        raise missing()
    await note(conn, me, now, "firmware_withdrawn", "firmware", firmware_id)
    return Done(done=done, at=now)


@router.get("/firmware/{firmware_id}/notices", operation_id="list_notices", response_model=Notices)
async def list_notices(firmware_id: Id, _: Administrator, conn: Db) -> object:
    """How far each node has come with a firmware."""
    return {"notices": await firmware.notices_of_firmware(conn, firmware_id)}


@router.get("/nodes/{node_id}/firmware", operation_id="read_node_firmware", response_model=Notices)
async def read_node_firmware(found: NodeInScope, conn: Db) -> object:
    """What firmware a node was told to fetch, and what it made of it."""
    return {"notices": await firmware.notices_of_node(conn, found.id)}
