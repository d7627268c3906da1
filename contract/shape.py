"""What is checked of JSON before it is decoded: cheap, linear, without recursion."""

import re
from typing import Final

import msgspec

from contract import first_place, pointer
from contract.errors import refused

MAX_PACKET: Final = 131_072
MAX_DEPTH: Final = 6

_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'[]{}"'))
_OPEN: Final = frozenset(b"[{")
# The order of an obs from its columns outwards: values, columns, series, list, message.
_PEEL: Final = (b"[]", b"{}", b"{}", b"[]", b"{}")
_BLANK: Final = b" \t\r\n"
_BRACE: Final = ord("{")
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def check(payload: bytes) -> None:
    """Refuse what is too large, empty, no JSON object, no UTF-8, too deep or has a NUL."""
    if len(payload) > MAX_PACKET:
        raise refused("E5001", msg=f"{len(payload)} bytes, at most {MAX_PACKET}")
    if payload[:1] != b"{":
        _check_start(payload)
    if not payload.isascii():
        _check_utf8(payload)
    escaped = b"\\" in payload
    if escaped and b"\\u0000" in payload.replace(b"\\\\", b""):
        raise refused("E2009", pointer.of_nul(payload))
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH:
        _check_depth(payload, _ESCAPE.sub(b"", payload) if escaped else payload)


def _check_start(payload: bytes) -> None:
    first = payload.lstrip(_BLANK)[:1]
    if not first:
        raise refused("E2007")
    if payload.startswith(_BYTE_ORDER_MARKS):
        raise refused("E2005")
    if first[0] == _BRACE:
        return
    got = payload[:64].decode("ascii", "backslashreplace")
    raise refused("E2008" if first == b"[" or _is_json(payload) else "E2001", got=got)


def _is_json(payload: bytes) -> bool:
    """Whether it is JSON at all: `false` is, a line of CSV that begins with a digit is not."""
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, ValueError):
        return False
    return True


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        got = f"0x{payload[error.start]:02X}"
        raise refused("E2002", msg=f"byte {error.start} is not UTF-8", got=got) from None


def _check_depth(payload: bytes, unescaped: bytes) -> None:
    """Count brackets outside strings. Removing neighbouring quotes never changes on which side
    of a string a bracket stands, so with no quote left every bracket was outside. Peeling leaf
    brackets off six times or less settles honest messages at the speed of `bytes.replace`;
    only the rest is counted one by one."""
    structure = unescaped.translate(None, _NOT_STRUCTURE)
    brackets = structure.replace(b'""', b"")
    if b'"' in brackets:
        brackets = b"".join(structure.split(b'"')[::2])
    left = brackets
    for pair in _PEEL:
        left = left.replace(pair, b"")
        if not left:
            return
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in _OPEN else -1
        if depth > MAX_DEPTH:
            raise refused("E2003", first_place.too_deep_in_json(payload, MAX_DEPTH))
