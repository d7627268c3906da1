"""Bytes to messages and back, in JSON or CBOR, told apart by the first byte.

`decode` raises `Refused` for every payload it does not take and nothing else. Of a key written
twice the last one holds, as with most decoders; makers are told not to.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NoReturn, TypeVar

import msgspec

from contract import cbor, messages, pointer, shape
from contract.errors import refused
from contract.shape import MAX_PACKET

__all__ = [
    "MAX_PACKET",
    "MAX_SAMPLES",
    "MAX_SERIES",
    "MAX_TEXT",
    "decode",
    "decode_claim",
    "decode_claim_answer",
    "decode_down",
    "encode",
    "plain",
]

MAX_SERIES: Final = 64
MAX_SAMPLES: Final = 20_000
MAX_TEXT: Final = 512
MAX_PEM: Final = 8192
_PEM: Final = "-----BEGIN "
_INT64: Final = range(-(2**63), 2**63)

Encoding = Literal["json", "cbor"]
Up = (
    messages.Obs
    | messages.Birth
    | messages.State
    | messages.Wave
    | messages.Event
    | messages.Ack
    | messages.Result
    | messages.ConfigReport
    | messages.Diag
    | messages.TimeRequest
)
Down = (
    messages.Plan
    | messages.Reminder
    | messages.Command
    | messages.Config
    | messages.Firmware
    | messages.Feedback
    | messages.TimeAnswer
    | messages.HubStatus
)
_Message = TypeVar("_Message", bound=msgspec.Struct)

UP: Final[Mapping[str, type[Up]]] = MappingProxyType(
    {
        "birth": messages.Birth,
        "state": messages.State,
        "obs": messages.Obs,
        "wave": messages.Wave,
        "event": messages.Event,
        "ack": messages.Ack,
        "res": messages.Result,
        "config": messages.ConfigReport,
        "diag": messages.Diag,
        "time": messages.TimeRequest,
    }
)
DOWN: Final[Mapping[str, type[Down]]] = MappingProxyType(
    {
        "plan": messages.Plan,
        "reminder": messages.Reminder,
        "cmd": messages.Command,
        "config": messages.Config,
        "fw": messages.Firmware,
        "fb": messages.Feedback,
        "time": messages.TimeAnswer,
        "status": messages.HubStatus,
    }
)
_CLAIMS: Final = (messages.ClaimRequest, messages.ClaimAnswer)
_JSON: Final[Mapping[type, msgspec.json.Decoder[Any]]] = {
    model: msgspec.json.Decoder(model) for model in (*UP.values(), *DOWN.values(), *_CLAIMS)
}
# Where a message holds bytes: base64 in JSON, a byte string in CBOR.
_BINARY: Final[Mapping[type, frozenset[str]]] = {messages.Wave: frozenset({"d"})}
_ENCODER: Final = msgspec.json.Encoder()


def decode(kind: str, payload: bytes) -> Up:
    """The message a device sent on `up/{node}/{kind}`; raises Refused."""
    model = UP.get(kind)
    if model is None:
        raise refused("E1001", got=kind)
    message = _decode(model, payload)
    if isinstance(message, messages.Obs):
        _check_amount(message)
    else:
        _check_loose(message)
    return message


def decode_down(kind: str, payload: bytes) -> Down:
    """The message the hub sent on `dn/{node}/{kind}` (`status`: on hub/status); raises Refused."""
    model = DOWN.get(kind)
    if model is None:
        raise refused("E1001", got=kind)
    return _decode(model, payload)


def decode_claim(payload: bytes) -> messages.ClaimRequest:
    """What a unit asks on `claim/{serial}/req`; raises Refused."""
    return _decode(messages.ClaimRequest, payload)


def decode_claim_answer(payload: bytes) -> messages.ClaimAnswer:
    """What the hub answers on `claim/{serial}/res`; raises Refused."""
    return _decode(messages.ClaimAnswer, payload)


def encode(message: msgspec.Struct, encoding: Encoding = "json") -> bytes:
    """A message as bytes."""
    if encoding == "json":
        return _ENCODER.encode(message)
    return cbor.write(msgspec.to_builtins(message, builtin_types=(bytes,)))


def plain(payload: bytes) -> Any:
    """Any payload as plain values, of a message or not; raises Refused where it is no JSON or
    CBOR, too large or too deep."""
    if cbor.announced(payload):
        return cbor.read(payload, frozenset().union(*_BINARY.values()))
    shape.check(payload)
    try:
        return msgspec.json.decode(payload)
    except msgspec.ValidationError as error:
        raise pointer.misfit(pointer.read(payload), error) from None
    except msgspec.DecodeError as error:
        raise pointer.malformed(payload, error) from None


def _decode(model: type[_Message], payload: bytes) -> _Message:
    if cbor.announced(payload):
        return _from_cbor(model, payload)
    shape.check(payload)
    try:
        message: _Message = _JSON[model].decode(payload)
    except msgspec.ValidationError as error:
        raise pointer.misfit(pointer.read(payload), error) from None
    except msgspec.DecodeError as error:
        raise pointer.malformed(payload, error) from None
    return message


def _from_cbor(model: type[_Message], payload: bytes) -> _Message:
    document = cbor.read(payload, _BINARY.get(model, frozenset()))
    try:
        return msgspec.convert(document, model, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise pointer.misfit(document, error) from None


def _check_amount(obs: messages.Obs) -> None:
    if len(obs.ser) > MAX_SERIES:
        raise refused("E5002", "/ser", f"{len(obs.ser)} series, at most {MAX_SERIES}")
    if not obs.ser:
        raise refused("E3106", "/ser")
    values = 0
    for series in obs.ser:
        values += len(series.y or ())
        if series.c:
            values += sum(map(len, series.c.values()))
    if values > MAX_SAMPLES:
        raise refused("E5003", "/ser", f"{values} values, at most {MAX_SAMPLES}")


# Objects of free content, where the decoder cannot hold the limits of texts and numbers.
_LOOSE: Final[Mapping[type, tuple[str, ...]]] = {
    messages.Event: ("src", "ctx"),
    messages.Result: ("out",),
    messages.Birth: ("cap",),
    messages.ConfigReport: ("applied",),
}


def _check_loose(message: Up) -> None:
    for key in _LOOSE.get(type(message), ()):
        loose = getattr(message, key)
        if loose:
            check_loose(loose, [key])


def check_loose(value: Any, place: list[str | int]) -> None:
    """Hold the limits of texts and numbers in free content; raises Refused."""
    if isinstance(value, dict):
        for key, entry in value.items():
            check_loose(key, place)
            check_loose(entry, [*place, key])
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            check_loose(entry, [*place, index])
    elif isinstance(value, str) and len(value) > _longest(value):
        _refuse_loose("E2103", place, f"{len(value)} characters, at most {_longest(value)}", value)
    elif isinstance(value, int) and value not in _INT64:
        _refuse_loose("E2104", place, "an integer beyond 64 bits", str(value))


def _longest(text: str) -> int:
    """A signing request is longer than other texts."""
    return MAX_PEM if text.startswith(_PEM) else MAX_TEXT


def _refuse_loose(code: str, place: list[str | int], msg: str, got: str) -> NoReturn:
    raise refused(code, pointer.pointer(place), msg, got)
