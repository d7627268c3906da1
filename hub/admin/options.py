"""How the commands read what was typed; what they cannot read is wrong usage (exit code 2)."""

import re
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import typer

from care.people.enrolment import DEVICE_NAME, DEVICE_TYPES, NewDevice

DEVICE_FORM = "NAME[:TYPE][:who=A][:patient=ID]"
_FIRST_BIRTH = date(1900, 1, 1)
# The day begins first in the zones 14 hours ahead.
_LATEST_ZONE = timedelta(hours=14)


def web_address(url: str | None) -> str | None:
    """An http or https address."""
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise typer.BadParameter("a webhook is an http:// or https:// address")
    return url


def target(text: str | None) -> tuple[int, int] | None:
    """A home target such as 135/85."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{2,3})/(\d{2,3})", text.strip())
    if match is None:
        raise typer.BadParameter("a target is written like 135/85")
    return int(match[1]), int(match[2])


def day(text: str | None) -> date | None:
    """A birth date such as 1948-03-02, from 1900 until today."""
    if text is None:
        return None
    try:
        born = date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("a birth date is written like 1948-03-02") from error
    if born < _FIRST_BIRTH:
        raise typer.BadParameter(f"a birth date is 1900-01-01 or later, not {born}")
    if born > (datetime.now(UTC) + _LATEST_ZONE).date():
        raise typer.BadParameter(f"a birth date is not in the future: {born}")
    return born


def instant(text: str | None) -> datetime | None:
    """An instant with its zone, in UTC."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("a time is written like 2026-03-01T00:00:00+08:00") from error
    if at.tzinfo is None:
        raise typer.BadParameter("a time needs its zone, like 2026-03-01T00:00:00+08:00")
    return at.astimezone(UTC)


def words(given: list[str] | None) -> tuple[str, ...]:
    """Words from repeated options and comma-separated lists."""
    found = [word.strip() for text in given or [] for word in text.split(",")]
    return tuple(word for word in found if word)


def device(text: str) -> NewDevice:
    """A device such as `cuff1:bpm:who=A:patient=7`; `cuff…` without a type is a `bpm`."""
    name, *rest = text.split(":")
    kind = rest.pop(0) if rest and "=" not in rest[0] else ""
    kind, extras = kind or ("bpm" if name.startswith("cuff") else "other"), rest
    known = dict(extra.partition("=")[::2] for extra in extras)
    who, owner = known.pop("who", ""), known.pop("patient", None)
    if not DEVICE_NAME.match(name) or known or not re.fullmatch("[A-H]?", who):
        raise typer.BadParameter(f"{text!r}: a device is written {DEVICE_FORM}")
    if kind not in DEVICE_TYPES:
        raise typer.BadParameter(f"{text!r}: TYPE is one of {', '.join(DEVICE_TYPES)}")
    if owner is not None and not owner.isdecimal():
        raise typer.BadParameter(f"{text!r}: patient= takes the patient's id")
    return NewDevice(dev=name, type=kind, who=who, patient_id=int(owner) if owner else None)
