"""Bases of what is asked and what is told: nothing extra is taken, nothing extra is given."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

# One line of text as people write it: no control characters, nothing around it.
Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
]
# Several lines.
Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=2000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
    ),
]
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{2,40}$")]
Slot = Annotated[str, StringConstraints(pattern=r"^[A-H]?$")]
DeviceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{0,32}$")]
Role = Literal["admin", "lead", "doctor", "nurse"]
Locale = Literal["zh-CN", "en"]
Number = int | float


class Asked(BaseModel):
    """The body of a request. A property nobody asked for is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """The body of an answer, filled from the rows of store."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class Done(Told):
    """Something was done, and when."""

    done: bool
    at: datetime


def number(value: float | None) -> Number | None:
    """A value as people write it: 148, not 148.0; what is not a number is null."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return None
    return int(value) if value.is_integer() else value
