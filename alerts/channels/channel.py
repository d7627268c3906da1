"""What a channel is: takes one message, says how it went. Only the outbox tries again."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Ending(StrEnum):
    """The ends of one attempt: transient and permanent are different words."""

    DELIVERED = "delivered"
    TRY_AGAIN = "try_again"
    NEEDS_PERSON = "needs_person"


class Outcome(Struct, frozen=True):
    """How one attempt went. `detail` is short and carries no secret and nothing of a patient."""

    ending: Ending
    detail: str
    retry_after_s: float = 0.0


class Message(Struct, frozen=True, kw_only=True):
    """One message for one address. The same key means the same message, however often it comes."""

    address: str
    secret: str
    key: str
    body: bytes
    sent_at: datetime


class Channel(Protocol):
    """A way to reach a person."""

    async def send(self, message: Message) -> Outcome:
        """Try once, within the channel's own time limit; never raises for what a peer does."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
