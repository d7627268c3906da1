"""`hearthbeat unit add|list|qr|import|retire`: devices as they left the factory."""

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import segno
import typer

from care.people import claiming
from care.people.claiming import MadeUnit
from contract import claim_code
from hub.admin import output
from hub.admin.keys import sealer_of
from hub.admin.reach import (
    HERE,
    REFUSED,
    AsJson,
    Data,
    DatabaseUrl,
    NoWait,
    RefusedError,
    do,
    end,
    find_hub,
    wait_for_units,
)
from store import unit as units
from store.pool import Connection
from store.refused import RefusedByRuleError

unit = typer.Typer(
    name="unit",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Units: devices with a printed code, before they are nodes in homes.",
)

Serial = Annotated[str, typer.Option(help="What is printed on it: 4 to 32 letters, digits, - _")]
_COLUMNS = ("serial", "maker", "model", "code", "secret")
_KINDS = (".png", ".svg")

_ADD = """Examples:

hearthbeat unit add --serial HB24-0001 --maker Hearthbeat --model robot-1

hearthbeat unit add --serial HB24-0001 --qr label.svg --json
"""
_QR = """Examples:

hearthbeat unit qr --serial HB24-0001 --code 7KM2P-Q9X4D

hearthbeat unit qr --serial HB24-0001 --code 7KM2PQ9X4D --out label.png
"""
_IMPORT = """Examples:

hearthbeat unit import batch-7.csv

The first line names the columns: serial,maker,model,code,secret. The code is ten letters and
digits with its check character, the secret 32 hex digits. Any wrong line, and nothing is imported.
"""


@unit.command("add", epilog=_ADD)
def add(
    serial: Serial,
    maker: Annotated[str | None, typer.Option(help="Who made it.")] = None,
    model: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    qr: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the QR code there: .png or .svg")
    ] = None,
    no_wait: NoWait = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a unit known and print its claim code and factory secret, this once.

    The claim code belongs on its label, as text and QR code; the factory secret goes into the
    unit and nowhere else. It returns when the broker lets the unit in. It prints
    {"serial", "maker", "model", "code", "secret", "qr"}.
    """
    _check_picture(qr)
    try:
        made = claiming.make_unit(serial, maker, model)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    sealer = sealer_of(data)

    async def work(conn: Connection, now: datetime) -> None:
        await claiming.add_unit(conn, sealer, made, by=None, now=now)

    hub = find_hub(data, database_url)
    do(hub, work)
    # First what is shown only once, whatever becomes of the waiting.
    body = {**msgspec.structs.asdict(made), "qr": made.qr}
    output.shown(as_json, body, *_lines(made))
    if qr is not None:
        _draw(made.qr, qr)
    wait_for_units(hub, no_wait=no_wait)


def _lines(made: MadeUnit) -> list[str]:
    return [
        f"serial          {made.serial}",
        f"claim code      {claim_code.grouped(made.code)}   (for its label; shown only now)",
        f"factory secret  {made.secret}   (into the unit; shown only now)",
        f"QR text         {made.qr}",
        _ascii(made.qr),
    ]


@unit.command("qr", epilog=_QR)
def qr_(
    serial: Serial,
    code: Annotated[str, typer.Option(help="Its claim code: the hub keeps no copy to print.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help=".png or .svg; without: on the screen.")
    ] = None,
) -> None:
    """Draw the QR code of a unit again, from its serial and claim code."""
    _check_picture(out)
    try:
        printed = claiming.read_printed(qr=None, serial=serial, code=code)
    except claiming.UnreadableCodeError as error:
        raise typer.BadParameter(str(error)) from error
    text = claim_code.qr_text(*printed)
    if out is None:
        typer.echo(_ascii(text))
    else:
        _draw(text, out)
        typer.echo(f"{out} says {text}")


@unit.command("list", epilog="Example:\n\nhearthbeat unit list --json")
def list_(data: Data = HERE, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List all units and the nodes they have become."""

    async def work(conn: Connection, _: datetime) -> list[dict[str, Any]]:
        return [{**msgspec.structs.asdict(u), "state": _state(u)} for u in await units.every(conn)]

    columns = {
        "serial": "serial",
        "maker": "maker",
        "model": "model",
        "state": "state",
        "node_id": "node",
        "added_at": "added",
    }
    output.listed(as_json, "units", do(find_hub(data, database_url), work), columns)


def _state(line: units.UnitLine) -> str:
    if line.retired_at is not None:
        return "retired"
    if line.claim_id is None:
        return "not bound"
    if line.completed_at is not None:
        return "in use"
    return "bound, not seen yet" if line.issued_at is None else "given its node, not ready yet"


@unit.command("retire", epilog="Example:\n\nhearthbeat unit retire --serial HB24-0001")
def retire(
    serial: Serial,
    no_wait: NoWait = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take a unit out for ever: its claim code opens nothing any more. Its node stays.

    It returns when the broker lets the unit in no more.
    """

    async def work(conn: Connection, now: datetime) -> bool:
        if await units.find(conn, serial) is None:
            raise RefusedError(f"there is no unit {serial}: see `hearthbeat unit list`")
        return await units.retire(conn, serial=serial, now=now)

    hub = find_hub(data, database_url)
    done = do(hub, work)
    wait_for_units(hub, no_wait=no_wait)
    body = {"serial": serial, "retired": done}
    output.shown(as_json, body, f"unit {serial} is {'' if done else 'already '}retired")


@unit.command("import", epilog=_IMPORT)
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv")],
    no_wait: NoWait = False,
    data: Data = HERE,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a maker's batch known: all of it, or none and every wrong line is named.

    It returns when the broker lets the units in.
    """
    made, wrong = read_batch(_text(file))
    for number, reason in wrong:
        typer.echo(f"{file}:{number}: {reason}", err=True)
    if wrong or not made:
        end(REFUSED, "nothing was imported" if wrong else f"{file} has no units")
    sealer = sealer_of(data)

    async def work(conn: Connection, now: datetime) -> None:
        for number, one in made:
            try:
                await claiming.add_unit(conn, sealer, one, by=None, now=now)
            except RefusedByRuleError as error:
                raise RefusedError(
                    f"{file}:{number}: {one.serial}: {error.message}; nothing was imported"
                ) from error

    hub = find_hub(data, database_url)
    do(hub, work)
    wait_for_units(hub, no_wait=no_wait)
    output.shown(as_json, {"imported": len(made)}, f"{len(made)} units imported")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot read {file}: {error}") from error


def read_batch(text: str) -> tuple[list[tuple[int, MadeUnit]], list[tuple[int, str]]]:
    """The units of a CSV text and what is wrong with it, each with its line number."""
    rows = csv.reader(io.StringIO(text))
    heading = next(rows, [])
    if [name.strip().lower() for name in heading] != list(_COLUMNS):
        return [], [(1, f"the first line has to be {','.join(_COLUMNS)}")]
    made: list[tuple[int, MadeUnit]] = []
    wrong: list[tuple[int, str]] = []
    for row in rows:
        number = rows.line_num
        if not any(cell.strip() for cell in row):
            continue
        try:
            made.append((number, _unit_of(row)))
        except ValueError as error:
            wrong.append((number, str(error)))
    return made, wrong + _twice(made)


def _twice(made: list[tuple[int, MadeUnit]]) -> list[tuple[int, str]]:
    first: dict[str, int] = {}
    return [
        (number, f"{one.serial} is in line {first[one.serial]} already")
        for number, one in made
        if first.setdefault(one.serial, number) != number
    ]


def _unit_of(row: list[str]) -> MadeUnit:
    if len(row) != len(_COLUMNS):
        raise ValueError(f"{len(row)} columns, not {len(_COLUMNS)}")
    serial, maker, model, code, secret = (cell.strip() for cell in row)
    claiming.check_serial(serial)
    read = claim_code.read_code(code)
    if read is None:
        # Codes and secrets are not repeated: this goes to screens and logs.
        raise ValueError(f"{serial}: the code is not ten characters with a right check character")
    try:
        raw = bytes.fromhex(secret)
    except ValueError:
        raw = b""
    if len(raw) != claim_code.SECRET_BYTES:
        raise ValueError(f"{serial}: the secret is not {claim_code.SECRET_BYTES * 2} hex digits")
    return MadeUnit(
        serial=serial, maker=maker or None, model=model or None, code=read, secret=raw.hex()
    )


def _check_picture(file: Path | None) -> None:
    if file is not None and file.suffix.lower() not in _KINDS:
        raise typer.BadParameter(f"{file}: a picture ends in {' or '.join(_KINDS)}")


def _draw(text: str, file: Path) -> None:
    try:
        segno.make(text, error="m", micro=False).save(str(file), scale=8, border=4)
    except OSError as error:
        end(REFUSED, f"cannot write {file}: {error.strerror}; `hearthbeat unit qr` draws it again")


def _ascii(text: str) -> str:
    drawn = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(drawn, compact=True)
    return drawn.getvalue().rstrip("\n")
