"""What devices still send that a later version will not take: a panel of the page of refusals."""

from datetime import datetime
from itertools import groupby
from typing import Final

from care.console import words
from care.console.frame import WALL_ZONE, Frame
from care.console.pieces import element, label, link
from care.console.table import table
from store.deprecation import UseLine

COLUMNS: Final = ("detail", "times", "nodes", "last")


class DeprecationPanel:
    """By maker, model and firmware; not there while there is nothing to tell."""

    def __init__(self, page: Frame) -> None:
        self.page = page
        self.shown: list[UseLine] = []
        with element("section", "panel") as self.root:
            self.root.props["aria-label"] = page.say("deprecated.title")
            label(page.say("deprecated.title"), tag="h2")
            label(page.say("deprecated.lead"), "note", tag="p")
            self.body = table([page.say(f"deprecated.{key}") for key in COLUMNS])
        self.root.visible = False

    def show(self, found: list[UseLine]) -> None:
        """Bring it up to date."""
        if found == self.shown:
            return
        self.shown = found
        self.root.visible = bool(found)
        now = self.page.console.now()
        self.body.clear()
        with self.body:
            for product, uses in groupby(found, lambda one: (one.maker, one.model, one.firmware)):
                self._head(*product)
                for one in uses:
                    self._row(one, now)

    def _head(self, maker: str | None, model: str | None, firmware: str | None) -> None:
        say = self.page.say
        name = " ".join(part for part in (maker, model) if part) or say("rejects.no_product")
        with element("tr"), element("th", "table__group") as head:
            head.props(f"colspan={len(COLUMNS)} scope=rowgroup")
            label(name, tag="span")
            said = say("rejects.firmware", firmware=firmware or say("rejects.no_firmware"))
            label(f" · {said}", "panel__fine", tag="span")

    def _row(self, one: UseLine, now: datetime) -> None:
        say = self.page.say
        with element("tr"):
            with element("td"):
                label(one.detail)
                label(f"{one.code} {one.place}", "code code--fine")
            label(str(one.times), tag="td")
            with element("td"):
                label(str(one.nodes))
                link(f"/nodes/{one.newest_node}", "", say("deprecated.newest")).props[
                    "aria-label"
                ] = say("deprecated.newest_of", what=one.detail)
            with element("td"):
                label(words.moment(say, one.last_at, WALL_ZONE, now))
                first = words.moment(say, one.first_at, WALL_ZONE, now)
                label(say("rejects.since", when=first), "person__fine")
