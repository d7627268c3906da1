"""Reading the picture of a printed label as a scanner would: pixels first, then the QR code."""

import struct
import zlib
from pathlib import Path

import zxingcpp


def read_label(picture: Path) -> str:
    """What the only QR code on the picture says."""
    (code,) = zxingcpp.read_barcodes(_pixels(picture.read_bytes()))
    assert code.format == zxingcpp.BarcodeFormat.QRCode
    return str(code.text)


def _pixels(png: bytes) -> memoryview:
    """The pixels of a black and white PNG, one byte each."""
    parts, at = {"IDAT": b""}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        name = png[at + 4 : at + 8].decode()
        parts[name] = parts.get(name, b"") + png[at + 8 : at + 8 + length]
        at += length + 12
    width, height, depth, colours = struct.unpack(">IIBB", parts["IHDR"][:10])
    assert (depth, colours) == (1, 0), "labels are printed in black and white"
    raw, stride = zlib.decompress(parts["IDAT"]), (width + 7) // 8 + 1
    rows = _unfiltered([raw[y * stride : (y + 1) * stride] for y in range(height)])
    pixels = bytes(255 * (row[x // 8] >> (7 - x % 8) & 1) for row in rows for x in range(width))
    return memoryview(pixels).cast("B", shape=[height, width])


def _unfiltered(lines: list[bytes]) -> list[list[int]]:
    """The rows of a PNG: as they are, or said as the difference to the one above."""
    rows: list[list[int]] = []
    for line in lines:
        above = rows[-1] if rows else [0] * len(line)
        assert line[0] in (0, 2), "a filter this reader does not know"
        added = above if line[0] == 2 else [0] * len(line)
        rows.append([(byte + add) % 256 for byte, add in zip(line[1:], added, strict=False)])
    return rows
