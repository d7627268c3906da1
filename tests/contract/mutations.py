"""Bytes changed, cut out, doubled or put in: what bad lines and bad firmware make of a message."""

from hypothesis import strategies as st

_JSON = (b"", b'"', b"[", b"}", b"\\u0000", b"1e999", b"NaN", b"-", b"null", b"\x00", b"9" * 40)
_CBOR = (
    b"\xbf",
    b"\xff",
    b"\x9f",
    b"\xf7",
    b"\xc1",
    b"\xfb\x7f\xf0" + bytes(6),
    b"\xbb" + b"\xff" * 8,
)


def mutated(payload: bytes, data: st.DataObject, most: int = 6) -> bytes:
    """The payload after one to `most` changes."""
    changed = bytearray(payload)
    for _ in range(data.draw(st.integers(1, most))):
        at = data.draw(st.integers(0, max(0, len(changed) - 1)))
        until = at + data.draw(st.integers(0, 8))
        changed[at:until] = data.draw(st.sampled_from(_JSON + _CBOR) | st.binary(max_size=3))
    return bytes(changed)
