"""`hearthbeat firmware keygen|announce|list|progress|withdraw`."""

import hashlib
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from care.people.announcing import AnnouncementRefusedError, checked, read_public_key
from contract.signing import sign
from hub.admin import defaults, output
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
)
from store import firmware as announced
from store.firmware import NewFirmware
from store.pool import Connection

firmware = typer.Typer(
    name="firmware",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Firmware for products: announced to every node of the product, which fetches it itself.",
)

_KEYGEN = """Example:

hearthbeat firmware keygen --out acme.pem
"""
_ANNOUNCE = """Examples:

hearthbeat firmware announce --maker acme --model G2 --version 2.5.0
  --url https://fw.example.com/g2-2.5.0.bin --file g2-2.5.0.bin --sign-key acme.pem

hearthbeat firmware announce --maker acme --model G2 --version 2.5.0
  --url https://fw.example.com/g2-2.5.0.bin --sha256 9f86… --size 1048576
  --sig MEUC… --public-key acme.pub.pem --window 2-5
"""
_COLUMNS = {
    "id": "id",
    "maker": "maker",
    "model": "model",
    "hardware": "hardware",
    "version": "version",
    "announced_at": "announced",
    "told": "told",
    "ok": "ok",
    "failed": "failed",
    "withdrawn_at": "withdrawn",
}
_PROGRESS = {
    "node_id": "node",
    "state": "state",
    "progress": "%",
    "detail": "why",
    "published_at": "told",
    "answered_at": "answered",
    "cleared_at": "over",
}
Maker = Annotated[str, typer.Option(help="As the birth says it.")]
Model = Annotated[str, typer.Option(help="As the birth says it.")]
Version = Annotated[str, typer.Option(help="As the birth will say it.")]
Url = Annotated[str, typer.Option(help="Where the device fetches it: https:// only.")]
Hardware = Annotated[str | None, typer.Option(help="Only for this hardware.")]
File = Annotated[Path | None, typer.Option(help="The firmware, to be hashed here.")]
Hash = Annotated[str | None, typer.Option(help="Instead of --file, with --size.")]
Size = Annotated[int | None, typer.Option(help="Bytes, instead of --file.")]
SignKey = Annotated[Path | None, typer.Option(help="Private Ed25519 key, PEM.")]
Signature = Annotated[str | None, typer.Option("--sig", help="Instead: the signature, base64.")]
PublicKey = Annotated[Path | None, typer.Option(help="Checks --sig: the public key, PEM.")]
Window = Annotated[
    str | None, typer.Option(metavar="FROM-TO", help="Local hours to restart in, like 2-5.")
]
Id = Annotated[int, typer.Option("--id", min=1, help="As `hearthbeat firmware list` shows it.")]


@firmware.command("keygen", epilog=_KEYGEN)
def keygen(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the private key goes.")],
    as_json: AsJson = False,
) -> None:
    """Make a key to sign firmware with: the private one in FILE, the public one beside it.

    Keep the private key off this machine afterwards; the public one is built into the devices.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    beside = out.with_suffix(".pub.pem")
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
        beside.write_bytes(public)
    except FileExistsError:
        end(REFUSED, f"{out} is there already: a key is never overwritten")
    except OSError as error:
        end(REFUSED, f"cannot write {error.filename}: {error.strerror}")
    body = {"private_key": str(out), "public_key": str(beside), "pem": public.decode()}
    output.shown(as_json, body, f"private key {out} (only you may read it)", f"public key {beside}")


@firmware.command("announce", epilog=_ANNOUNCE)
def announce(
    *,
    maker: Maker,
    model: Model,
    version: Version,
    url: Url,
    hardware: Hardware = None,
    file: File = None,
    sha256: Hash = None,
    size: Size = None,
    sign_key: SignKey = None,
    sig: Signature = None,
    public_key: PublicKey = None,
    window: Window = None,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Announce a firmware: every node of the product that has another one is told.

    The hub never sends the file. A device fetches it by https, checks size, hash and signature,
    and says how far it is; the notice goes away when its birth says the new version.
    """
    digest, length = _hashed(file, sha256, size)
    key, signature = _signature(version, digest, sign_key, sig, public_key)
    new = NewFirmware(
        maker=maker,
        model=model,
        hardware=hardware,
        version=version,
        url=url,
        sha256=digest,
        size=length,
        signature=signature,
        window=_window(window),
    )
    made = _announced(find_hub(data, database_url), new, key)
    body = {"id": made, **msgspec.structs.asdict(new)}
    output.shown(as_json, body, f"firmware {made}: {maker} {model} {version} is announced")


def _announced(hub: Hub, new: NewFirmware, key: Ed25519PublicKey) -> int:
    try:
        checked(new, key)
    except AnnouncementRefusedError as error:
        end(REFUSED, str(error))
    name = f"{new.maker} {new.model} {new.version}"

    async def work(conn: Connection, now: datetime) -> int:
        made = await announced.announce(conn, new, by="command line", now=now)
        if made is None:
            raise RefusedError(f"{name} is announced already: withdraw it first")
        detail = {"model": new.model, "version": new.version}
        await defaults.note(conn, now, "firmware_announced", "firmware", made, **detail)
        return made

    return do(hub, work)


def _hashed(file: Path | None, sha256: str | None, size: int | None) -> tuple[str, int]:
    if file is None:
        if sha256 is None or size is None:
            raise typer.BadParameter("give --file, or --sha256 with --size")
        return sha256.lower(), size
    if sha256 is not None or size is not None:
        raise typer.BadParameter("--file has its own hash and size: leave out --sha256 and --size")
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
            return digest, opened.tell()
    except OSError as error:
        end(REFUSED, f"cannot read {file}: {error.strerror}")


def _signature(
    version: str, digest: str, sign_key: Path | None, sig: str | None, public: Path | None
) -> tuple[Ed25519PublicKey, str]:
    """The key that checks, and the signature: made here, or given."""
    if sign_key is not None and sig is None:
        private = _private_key(sign_key)
        return private.public_key(), sign(private, version, digest)
    if sign_key is not None or sig is None or public is None:
        raise typer.BadParameter("give --sign-key, or --sig with --public-key")
    try:
        return read_public_key(_read(public).decode("ascii", "replace")), sig
    except AnnouncementRefusedError as error:
        end(REFUSED, f"{public}: {error}")


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        end(REFUSED, f"{path} is no private key in PEM without a password")
    if not isinstance(key, Ed25519PrivateKey):
        end(REFUSED, f"{path} is no Ed25519 key: `hearthbeat firmware keygen` makes one")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        end(REFUSED, f"cannot read {path}: {error.strerror}")


def _window(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    start, sign_, until = text.partition("-")
    if not (sign_ and start.isdecimal() and until.isdecimal()):
        raise typer.BadParameter("a window is two hours, like 2-5")
    return int(start), int(until)


@firmware.command("list", epilog="Example:\n\nhearthbeat firmware list --json")
def list_(data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all announcements with how many nodes were told, have it, and failed."""

    async def work(conn: Connection, _: datetime) -> list[dict[str, Any]]:
        return [msgspec.structs.asdict(one) for one in await announced.every(conn)]

    output.listed(as_json, "firmware", do(find_hub(data, database_url), work), _COLUMNS)


@firmware.command("progress", epilog="Example:\n\nhearthbeat firmware progress --id 3")
def progress(
    firmware_id: Id, data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Show what each node made of an announcement."""

    async def work(conn: Connection, _: datetime) -> list[dict[str, Any]]:
        found = await announced.notices_of_firmware(conn, firmware_id)
        return [msgspec.structs.asdict(one) for one in found]

    output.listed(as_json, "notices", do(find_hub(data, database_url), work), _PROGRESS)


@firmware.command("withdraw", epilog="Example:\n\nhearthbeat firmware withdraw --id 3")
def withdraw(
    firmware_id: Id, data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Take an announcement back: the notices go; the one before it for the product holds again."""

    async def work(conn: Connection, now: datetime) -> bool:
        if firmware_id not in {one.id for one in await announced.every(conn)}:
            raise RefusedError(
                f"there is no firmware {firmware_id}: see `hearthbeat firmware list`"
            )
        await defaults.note(conn, now, "firmware_withdrawn", "firmware", firmware_id)
        return await announced.withdraw(conn, firmware_id, now=now)

    done = do(find_hub(data, database_url), work)
    body = {"id": firmware_id, "withdrawn": done}
    output.shown(as_json, body, f"firmware {firmware_id} is {'' if done else 'already '}withdrawn")
