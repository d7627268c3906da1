"""What every message of HH/1 is made of: the types of its values, and the base structs.

Every time is UTC in whole milliseconds since 1970.
"""

from typing import Annotated

from msgspec import Meta, Struct

Millis = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Text = Annotated[str, Meta(max_length=512)]
# A certificate, a signing request or a key, PEM: longer than any other text.
Pem = Annotated[str, Meta(max_length=8192)]
Hex = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
# Without line feeds: a proof is made of lines, and one of them is this.
Nonce = Annotated[str, Meta(pattern="^[0-9A-Za-z]{8,64}$")]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Boot = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Small = Annotated[int, Meta(ge=0, le=2**31 - 1)]
# A device's own record number; the bits above it are the hub's (contract.observation).
Record = Annotated[int, Meta(ge=0, le=2**47 - 1)]
Percent = Annotated[int, Meta(ge=0, le=100)]
# A float field also takes JSON integers; the codec refuses NaN and Infinity by itself.
Value = float | None


class Wire(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of every message: frozen, absent keys left out."""


class Spoken(Struct, frozen=True, omit_defaults=False, kw_only=True):
    """Base of what devices act on: defaults are spelled out, so no device needs to know them."""
