"""What the hub would say to a message, said without a hub: the same code, the same words.

    lint(payload, now=now, topic="obs").findings

Nothing here decides by itself: `contract.codec` decodes, `contract.observation` understands.
"""

import json
import re
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from contract import cbor, codec, kinds, messages, spot, wave
from contract.captures import Capture, cut
from contract.errors import ERRORS, Defect, Refused, defect
from contract.kinds import Kind
from contract.observation import observe
from contract.pointer import pointer
from contract.unknown_keys import unknown_keys

__all__ = ["Finding", "Linted", "lint", "lint_file"]

_OBS: Final = Kind("up", "obs")
_SERIES: Final = re.compile(r"/ser/(\d+)(?=/|$)")


class Finding(Struct, frozen=True, kw_only=True):
    """One thing the hub would say; where its place stands in the file, if that can be told."""

    defect: Defect
    place: spot.Place | None = None

    @property
    def refused(self) -> bool:
        """Something is not taken; else it is a warning."""
        return not ERRORS[self.defect.code].warning


class Linted(Struct, frozen=True, kw_only=True):
    """What became of one message. `kept` and `dropped` count series, of measurements only.

    `guessed`: the kind was told from the keys. `line` is where the message begins.
    """

    line: int
    kind: Kind
    guessed: bool
    topic: str | None = None
    findings: list[Finding] = field(default_factory=list)
    kept: int | None = None
    dropped: int | None = None

    @property
    def refused(self) -> bool:
        """The message, or a part of it, is not taken."""
        return any(finding.refused for finding in self.findings)


def lint_file(content: bytes, *, now: datetime, topic: str | None = None) -> list[Linted]:
    """Everything in a file. Raises LookupError for a `topic` that is no kind of message."""
    shown = content.decode("utf-8", "replace")
    captures = cut(content)
    return [_one(capture, shown, content, now, topic) for capture in captures]


def lint(payload: bytes, *, now: datetime, topic: str | None = None) -> Linted:
    """One message as it came over MQTT. Raises LookupError like `lint_file`."""
    shown = payload.decode("utf-8", "replace")
    return _one(Capture(at=0, payload=payload), shown, payload, now, topic)


def _one(capture: Capture, shown: str, content: bytes, now: datetime, topic: str | None) -> Linted:
    said = topic or capture.topic
    before = len(content[: capture.at].decode("utf-8", "replace"))
    line = spot.place(shown, before).line
    kind = _kind(capture, said)
    if kind is None:
        unknown = Kind("up", (said or "").rpartition("/")[2])
        findings = [Finding(defect=defect("E1001", "", got=said))]
        return Linted(line=line, kind=unknown, guessed=False, topic=said, findings=findings)
    told = _told(kind, capture.payload, now)
    return Linted(
        line=line,
        kind=kind,
        guessed=said is None,
        topic=said,
        findings=[
            Finding(defect=one, place=_place(one, capture.payload, shown, before))
            for one in (*told.defects, *_unknown(kind, capture.payload))
        ],
        kept=told.kept,
        dropped=told.dropped,
    )


def _kind(capture: Capture, said: str | None) -> Kind | None:
    keys = _keys(capture.payload)
    if said is None:
        return kinds.guess(keys) or Kind("up", "obs")
    if said.startswith("hh/"):
        return kinds.of_topic(said)
    kind = kinds.of_name(said, keys)
    if kind is None:
        raise LookupError(said)
    return kind


def _keys(payload: bytes) -> frozenset[str]:
    values = _plain(payload)
    return kinds.keys_in(payload) if values is None else frozenset(values)


def _plain(payload: bytes) -> dict[str, Any] | None:
    """An object as plain values, however wrong; None for what cannot be read as one."""
    try:
        values = codec.plain(payload) if cbor.announced(payload) else json.loads(payload)
    except (Refused, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _place(one: Defect, payload: bytes, shown: str, before: int) -> spot.Place | None:
    """Where in the file; nothing for CBOR, which has no lines."""
    if not payload.startswith((b"{", b" ", b"\t", b"\r", b"\n")):
        return None
    text = payload.decode("utf-8", "replace")
    byte = spot.byte_named(one.msg)
    if byte is not None and not one.path:
        return spot.place(shown, before + len(payload[:byte].decode("utf-8", "replace")))
    found = spot.find(text, one.path)
    return spot.place(shown, before + found.start) if found else None


def _unknown(kind: Kind, payload: bytes) -> list[Defect]:
    """Keys nobody knows, as in developer mode: often a slip of the pen."""
    paths = unknown_keys(kind.name, payload, direction=kind.direction)
    return [defect("W2003", path, got=path.rpartition("/")[2]) for path in paths]


# --- what the engine says ------------------------------------------------------------------


class _Told(Struct, frozen=True, kw_only=True):
    """Defects first, then warnings; series counted where there are any."""

    defects: list[Defect]
    kept: int | None = None
    dropped: int | None = None


def _told(kind: Kind, payload: bytes, now: datetime) -> _Told:
    try:
        message = _decoded(kind, payload)
    except Refused as error:
        if kind == _OBS:
            return _refused_whole(error.defect, payload, now)
        return _Told(defects=[error.defect])
    if isinstance(message, messages.Obs):
        return _observed(message, now)
    if isinstance(message, messages.Wave):
        return _waved(message, now)
    return _Told(defects=[])


def _waved(chunk: messages.Wave, now: datetime) -> _Told:
    try:
        return _Told(defects=wave.check(chunk, received_at=now).warnings)
    except Refused as error:
        return _Told(defects=[error.defect])


def _decoded(kind: Kind, payload: bytes) -> msgspec.Struct:
    if kind.direction == "claim":
        request = kind.name == "req"
        return codec.decode_claim(payload) if request else codec.decode_claim_answer(payload)
    if kind.direction == "up":
        return codec.decode(kind.name, payload)
    return codec.decode_down(kind.name, payload)


def _observed(obs: messages.Obs, now: datetime) -> _Told:
    seen = observe(obs, received_at=now)
    return _Told(
        defects=[*seen.defects, *seen.warnings],
        kept=seen.kept + len(seen.unknown),
        dropped=seen.dropped,
    )


def _refused_whole(first: Defect, payload: bytes, now: datetime) -> _Told:
    """A mistake of the schema refuses the whole batch. Its other series are looked at all the
    same, each as it would fare alone, so that one look finds everything."""
    defects, document = [first], _plain(payload)
    series = document.get("ser") if document else None
    if document is None or not isinstance(series, list):
        return _Told(defects=defects)
    left = list(range(len(series)))
    wrong = _series_of(first)
    while wrong is not None and wrong < len(left) and len(left) > 1:
        del left[wrong]
        without = {**document, "ser": [series[at] for at in left]}
        packed = cbor.announced(payload)
        again = cbor.write(without) if packed else json.dumps(without).encode()
        told = _told_of_rest(again, left, now)
        defects += told.defects
        wrong = told.wrong
    return _Told(defects=defects, kept=0, dropped=len(series))


class _Rest(Struct, frozen=True, kw_only=True):
    """What was found without the series taken out; `wrong` is the next one to take out."""

    defects: list[Defect]
    wrong: int | None


def _told_of_rest(payload: bytes, left: list[int], now: datetime) -> _Rest:
    try:
        obs = codec.decode("obs", payload)
    except Refused as error:
        return _Rest(defects=[_moved(error.defect, left)], wrong=_series_of(error.defect))
    assert isinstance(obs, messages.Obs)  # noqa: S101 - narrows the type
    return _Rest(defects=[_moved(one, left) for one in _observed(obs, now).defects], wrong=None)


def _series_of(one: Defect) -> int | None:
    found = _SERIES.match(one.path)
    return int(found[1]) if found else None


def _moved(one: Defect, left: list[int]) -> Defect:
    """The defect with the number its series has in the whole message."""
    at = _series_of(one)
    if at is None:
        return one
    rest = one.path.removeprefix(f"/ser/{at}")
    return msgspec.structs.replace(one, path=pointer(["ser", left[at]]) + rest)
