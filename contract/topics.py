"""The topic tree of HH/1: direction before id, so that the ACL is two lines."""

import re
from typing import Final, Literal, NamedTuple

ROOT: Final = "hh/1"
HUB_STATUS: Final = f"{ROOT}/hub/status"
CLAIM_REQUESTS: Final = f"{ROOT}/claim/+/req"
# A serial number is a topic level and a part of a user name.
SERIAL_PATTERN: Final = re.compile(r"^[A-Za-z0-9_-]{4,32}$")
NODE_PATTERN: Final = re.compile(r"^[a-z0-9]{8,24}$")

UP_KINDS: Final = frozenset(
    {"birth", "state", "obs", "wave", "event", "ack", "res", "config", "diag", "time"}
)
DN_KINDS: Final = frozenset({"plan", "reminder", "cmd", "config", "fw", "time", "fb"})
# Retained topics that are cleared when a node leaves the hub.
RETAINED_UP: Final = ("birth", "state", "config")
RETAINED_DN: Final = ("plan", "config", "fw")


class Topic(NamedTuple):
    """One device topic, taken apart."""

    direction: Literal["up", "dn"]
    node: str
    kind: str


def up(node: str, kind: str) -> str:
    """The topic a device publishes `kind` on."""
    return f"{ROOT}/up/{node}/{kind}"


def dn(node: str, kind: str) -> str:
    """The topic the hub publishes `kind` on for one device."""
    return f"{ROOT}/dn/{node}/{kind}"


def claim(serial: str, part: Literal["req", "res"]) -> str:
    """Where a unit that is no node yet asks (`req`) and is answered (`res`)."""
    return f"{ROOT}/claim/{serial}/{part}"


def parse(topic: str) -> Topic | None:
    """Take a device topic apart; None for anything that is not one of ours."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[:2] != ["hh", "1"] or not NODE_PATTERN.match(parts[3]):
        return None
    if parts[2] == "up":
        return Topic("up", parts[3], parts[4])
    if parts[2] == "dn":
        return Topic("dn", parts[3], parts[4])
    return None
