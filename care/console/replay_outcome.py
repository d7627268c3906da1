"""What became of one replay, in a word."""

from datetime import datetime

from care.console.frame import Frame
from care.console.pieces import label, pill


def outcome(page: Frame, asked: datetime | None, done: datetime | None, result: str | None) -> None:
    """A dash, `waiting`, or what came of it with the reason."""
    say = page.say
    if asked is None:
        label("–", "person__fine")
    elif done is None:
        pill(say("replay.waiting"), "waiting")
    else:
        word = (result or "").partition(" ")[0].partition(":")[0]
        good = word == "nothing" or result == "stored"
        pill(say.known("replay", word, result or "–"), "confirmed" if good else "unconfirmed")
        if word != result and result:
            label(result, "person__fine")
