"""How complete the last week is: what was expected, what came, what is missing and what is lost."""

from datetime import date, datetime
from typing import Final

from care.console.frame import Frame
from care.console.pieces import element, label, pill
from care.console.table import table
from care.console.texts import Say
from measures.completeness import Day
from store import completeness
from store.chart import Patient
from store.pool import Connection

DAYS: Final = 7
COLUMNS: Final = ("day", "came", "missing", "lost")
# More than anybody counts; the API has the figure.
_MANY: Final = 9_999


class CompletenessPart:
    """One row a day, the latest first."""

    def __init__(self, page: Frame, person: Patient) -> None:
        self.page, self.person = page, person
        self.shown: list[Day] | None = None
        say = page.say
        with element("section", "panel") as panel:
            panel.props["aria-label"] = say("completeness.title")
            label(say("completeness.title"), tag="h2")
            self.body = table([say(f"completeness.{key}") for key in COLUMNS])
            label(say("completeness.lead"), "panel__fine", tag="p")
            self.unclear = label(say("completeness.lead_unclear"), "panel__fine", tag="p")

    async def refresh(self, conn: Connection, now: datetime) -> None:
        """Read and show."""
        found = await completeness.days(conn, self.person.id, number=DAYS, now=now)
        if found == self.shown:
            return
        self.shown = found
        self.unclear.visible = any(day.unclear for day in found)
        self.body.clear()
        with self.body:
            for day in found:
                self._row(day)

    def _row(self, day: Day) -> None:
        say = self.page.say
        with element("tr"):
            with element("td"):
                label(day_name(say, day.on, over=day.over))
                if day.unclear:
                    label(say("completeness.unclear"), "panel__fine")
            with element("td"):
                pill(came(say, day), look(day))
            label(number(day.missing), tag="td")
            with element("td"):
                if day.lost:
                    pill(number(day.lost), "open")
                else:
                    label(number(0))


def day_name(say: Say, on: date, *, over: bool) -> str:
    """`today`, else month and day."""
    return on.strftime("%m-%d") if over else say("completeness.today")


def came(say: Say, day: Day) -> str:
    """`2 of 4`; only what came where nothing was expected."""
    if not day.expected:
        return str(day.came)
    return say("completeness.of", n=day.came, expected=day.expected)


def look(day: Day) -> str:
    """Whether what was expected has come; nothing is judged before the day is over."""
    if not day.expected:
        return "plain"
    if day.came >= day.expected:
        return "confirmed"
    return "medium" if day.over else "plain"


def number(count: int) -> str:
    """A dash for none."""
    if count > _MANY:
        return f"> {_MANY}"
    return str(count) if count else "–"
