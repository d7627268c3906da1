"""Where one MQTT packet ends, told from its fixed header, before anything is decoded.

A decoder that only says "not enough bytes" cannot tell a packet still under way from a peer that
speaks something else, or announces a length no packet may have. This can.
"""

from typing import Final

# Packet type -> the flags a server may send with it; None: any (PUBLISH carries its own).
_FLAGS: Final = {2: 0, 3: None, 4: 0, 5: 0, 6: 2, 7: 0, 9: 0, 11: 0, 13: 0, 14: 0, 15: 0}
_LENGTH_BYTES: Final = 4
_PUBLISH: Final = 3


class FrameError(Exception):
    """What arrives is not MQTT, or a packet beyond the limit: the connection must go."""


def packet_length(buffer: bytes | bytearray, start: int, limit: int) -> int | None:
    """The whole length of the packet that begins at `start`; None: its header is incomplete.

    Raises FrameError for a first byte no server sends, and for more than `limit` bytes.
    """
    available = len(buffer) - start
    if available >= 3 and buffer[start] >> 4 == _PUBLISH:
        low, high = buffer[start + 1], buffer[start + 2]
        length = (low & 0x7F | high << 7) + 3
        if high < 0x80 <= low and length <= limit:
            return length  # nearly every packet there is
    if available < 1:
        return None
    first = buffer[start]
    flags = _FLAGS.get(first >> 4, -1)
    if flags is not None and flags != first & 0x0F:
        raise FrameError(f"first byte 0x{first:02x} is no packet of a server")
    remaining = 0
    for place in range(_LENGTH_BYTES):
        if available < place + 2:
            return None
        byte = buffer[start + 1 + place]
        remaining |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            length = remaining + place + 2
            if length > limit:
                raise FrameError(f"a packet of {length} bytes, at most {limit}")
            return length
    raise FrameError("the length takes more than four bytes")
