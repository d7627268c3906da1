"""What a robot does wrong on purpose, for tests of whoever listens to it."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

Spoiler = Callable[[str, dict[str, Any]], dict[str, Any]]


class Mischief(Struct, kw_only=True):
    """All off by default; set what is wanted while the robot runs."""

    deaf: bool = False  # receipts and refusals go unheard
    mute_commands: bool = False  # commands are heard and never answered
    old_con: int | None = None  # every state says this connect number
    withheld: set[int] = field(default_factory=set)  # numbers given and never sent
    same_seq: int | None = None  # every counted message says this number
    spoil: Spoiler | None = None  # the last hand on a body before it is encoded

    def spoilt(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """The body as it leaves the robot."""
        if self.same_seq is not None and "seq" in body:
            body = {**body, "seq": self.same_seq}
        return self.spoil(kind, body) if self.spoil is not None else body


def wrong_unit(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Pressures in kPa, as a maker's first build would send them."""
    if kind != "obs":
        return body
    series = [{**each, "u": "kPa"} if each["k"] == "bp" else each for each in body["ser"]]
    return {**body, "ser": series}
