"""What is missing of what a node counted: a panel of its page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from care.console import words
from care.console.frame import WALL_ZONE, Frame
from care.console.pieces import element, label, pill
from store.gap import Counted, Gap

SHOWN: Final = 12
_LOOK: Final = {"found": "waiting", "asked": "waiting", "came": "confirmed", "jumped": "plain"}
_LOST: Final = "open"


def gaps_panel(page: Frame, gaps: Sequence[Gap], counts: Sequence[Counted], now: datetime) -> None:
    """The open gaps first, then the latest; what is lost is told as lost."""
    say = page.say
    with element("section", "panel") as panel:
        panel.props["aria-label"] = say("gaps.title")
        label(say("gaps.title"), tag="h2")
        if not gaps:
            label(say("gaps.none"), "note", tag="p")
        for one in gaps[:SHOWN]:
            _gap(page, one, now)
        if len(gaps) > SHOWN:
            label(say("gaps.more", n=len(gaps) - SHOWN), "panel__fine")
        unfollowed = sum(one.unfollowed for one in counts)
        if unfollowed:
            label(say("gaps.unfollowed", n=unfollowed), "note", tag="p")
        if len(counts) > 1:
            label(say("gaps.tail"), "panel__fine", tag="p")


def _gap(page: Frame, one: Gap, now: datetime) -> None:
    say = page.say
    with element("div", "node__device"):
        if one.first == one.last:
            label(say("gaps.number", n=one.first))
        else:
            label(say("gaps.numbers", first=one.first, last=one.last))
        pill(say(f"gap_state.{one.state}"), _LOOK.get(one.state, _LOST))
        facts = [
            say("gaps.before", when=words.moment(say, one.before_at, WALL_ZONE, now)),
            say("gaps.asked", n=max(one.attempts, 1), when=words.ago(say, one.asked_at, now))
            if one.asked_at
            else "",
            say("gaps.missing", n=one.waited_for) if one.waited_for else "",
            say("gaps.lost", n=one.lost) if one.lost else "",
        ]
        label(" · ".join(fact for fact in facts if fact), "panel__fine")
