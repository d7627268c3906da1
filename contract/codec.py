"""Bytes to messages and back. The only place that knows how HH/1 is encoded (JSON so far).

`decode` raises `Refused` for every payload it does not take and nothing else. Of a key written
twice the last one holds, as with most decoders; makers are told not to.
"""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from contract import messages, pointer, shape
from contract.errors import refused
from contract.shape import MAX_PACKET
from contract.topics import UP_KINDS

__all__ = ["MAX_PACKET", "MAX_SAMPLES", "MAX_SERIES", "decode", "decode_down", "encode"]

MAX_SERIES: Final = 64
MAX_SAMPLES: Final = 20_000
MAX_TEXT: Final = 512
_INT64: Final = range(-(2**63), 2**63)

Up = (
    messages.Obs
    | messages.Birth
    | messages.State
    | messages.Wave
    | messages.Event
    | messages.Ack
    | messages.Result
    | messages.TimeRequest
)
Down = (
    messages.Plan
    | messages.Reminder
    | messages.Command
    | messages.Feedback
    | messages.TimeAnswer
    | messages.HubStatus
)

_UP: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    "birth": msgspec.json.Decoder(messages.Birth),
    "state": msgspec.json.Decoder(messages.State),
    "obs": msgspec.json.Decoder(messages.Obs),
    "wave": msgspec.json.Decoder(messages.Wave),
    "event": msgspec.json.Decoder(messages.Event),
    "ack": msgspec.json.Decoder(messages.Ack),
    "res": msgspec.json.Decoder(messages.Result),
    "time": msgspec.json.Decoder(messages.TimeRequest),
}
_DOWN: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    "plan": msgspec.json.Decoder(messages.Plan),
    "reminder": msgspec.json.Decoder(messages.Reminder),
    "cmd": msgspec.json.Decoder(messages.Command),
    "fb": msgspec.json.Decoder(messages.Feedback),
    "time": msgspec.json.Decoder(messages.TimeAnswer),
    "status": msgspec.json.Decoder(messages.HubStatus),
}
_ENCODER: Final = msgspec.json.Encoder()


def decode(kind: str, payload: bytes) -> Up:
    """The message a device sent on `up/{node}/{kind}`; raises Refused."""
    decoder = _UP.get(kind)
    if decoder is None:
        raise refused("E1002" if kind in UP_KINDS else "E1001", got=kind)
    message: Up = _decode(decoder, payload)
    if isinstance(message, messages.Obs):
        _check_amount(message)
    else:
        _check_loose(message)
    return message


def decode_down(kind: str, payload: bytes) -> Down:
    """The message the hub sent on `dn/{node}/{kind}` (`status`: on hub/status); raises Refused."""
    decoder = _DOWN.get(kind)
    if decoder is None:
        raise refused("E1001", got=kind)
    message: Down = _decode(decoder, payload)
    return message


def encode(message: msgspec.Struct) -> bytes:
    """A message as JSON."""
    return _ENCODER.encode(message)


def _decode(decoder: msgspec.json.Decoder[Any], payload: bytes) -> Any:
    shape.check(payload)
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise pointer.misfit(payload, error) from None
    except msgspec.DecodeError as error:
        raise pointer.malformed(payload, error) from None


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
}


def _check_loose(message: Up) -> None:
    for key in _LOOSE.get(type(message), ()):
        loose = getattr(message, key)
        if loose:
            _check_value(loose, [key])


def _check_value(value: Any, place: list[str | int]) -> None:
    if isinstance(value, dict):
        for key, entry in value.items():
            _check_value(key, place)
            _check_value(entry, [*place, key])
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            _check_value(entry, [*place, index])
    elif isinstance(value, str) and len(value) > MAX_TEXT:
        _refuse_loose("E2103", place, f"{len(value)} characters, at most {MAX_TEXT}", value)
    elif isinstance(value, int) and value not in _INT64:
        _refuse_loose("E2104", place, "an integer beyond 64 bits", str(value))


def _refuse_loose(code: str, place: list[str | int], msg: str, got: str) -> NoReturn:
    raise refused(code, pointer.pointer(place), msg, got)
