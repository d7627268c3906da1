"""One message a node made: what it is about and how far it has come. Its bytes are made from
this anew for each sending (`content`), so that what waits costs little memory."""

from typing import Any, Final, Literal

Sort = Literal["single", "batch", "block", "event", "ack", "birth", "res", "torn", "wrong"]
MEASURED: Final[frozenset[Sort]] = frozenset({"single", "batch", "block", "torn", "wrong"})
Twist = Literal["", "1970", "2099", "tomorrow", "clockless", "fix", "conflict"]


class Message:
    """`t` is its planned time, UTC in ms; `about` the (seq, t) of the pressure that a `fix` or a
    `conflict` is about. `torn` has no readable number and is sent once; `wrong` is counted and
    refused. `first_at` and `sent_at` are monotonic seconds, None before it was sent."""

    __slots__ = (
        "about",
        "body",
        "first_at",
        "hist",
        "in_flight",
        "queued",
        "sent_at",
        "seq",
        "sort",
        "t",
        "tries",
        "twist",
    )

    def __init__(
        self,
        seq: int,
        sort: Sort,
        t: int,
        *,
        twist: Twist = "",
        about: tuple[int, int] | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        self.seq = seq
        self.sort: Sort = sort
        self.t = t
        self.twist: Twist = twist
        self.about = about
        self.body = body
        self.hist = False
        self.queued = False
        self.in_flight = False
        self.tries = 0
        self.first_at: float | None = None
        self.sent_at: float | None = None


_KINDS = {"event": "event", "ack": "ack", "birth": "birth", "res": "res"}


def kind_of(message: Message) -> str:
    """The last part of its topic."""
    return _KINDS.get(message.sort, "obs")
