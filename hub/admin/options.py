"""How the commands read what was typed; what they cannot read is wrong usage (exit code 2)."""

import re
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

import typer

from care.people.enrolment import DEVICE_NAME, NewDevice

DEVICE_FORM = "NAME:TYPE[:who=A][:patient=ID]"


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
    """A date such as 1948-03-02."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("a birth date is written like 1948-03-02") from error


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
    """A device such as `cuff1:bpm:who=A:patient=7`."""
    name, _, rest = text.partition(":")
    kind, *extras = rest.split(":")
    known = dict(extra.partition("=")[::2] for extra in extras)
    who, owner = known.pop("who", ""), known.pop("patient", None)
    right = DEVICE_NAME.match(name) and re.fullmatch(r"[a-z0-9_-]{0,32}", kind)
    if not right or known or not re.fullmatch("[A-H]?", who):
        raise typer.BadParameter(f"{text!r}: a device is written {DEVICE_FORM}")
    if owner is not None and not owner.isdecimal():
        raise typer.BadParameter(f"{text!r}: patient= takes the patient's id")
    return NewDevice(
        dev=name, type=kind or "other", who=who, patient_id=int(owner) if owner else None
    )
