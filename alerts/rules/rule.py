"""What every rule says about itself. Pure."""

from msgspec import Struct

from alerts.reasons import Text


class Rule(Struct, frozen=True, kw_only=True):
    """A rule's name and version as stored with each episode, and what people read of it.

    A change of its limits or its logic is a new version.
    """

    name: str
    version: int
    title: Text
    source: Text
    next_step: Text
