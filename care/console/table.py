"""A plain table that scrolls sideways where the screen is narrow."""

from collections.abc import Sequence

from nicegui.element import Element

from care.console.pieces import element, label


def table(heads: Sequence[str], classes: str = "") -> Element:
    """A table with these column heads; rows go into the element that comes back."""
    with element("div", "scroll"), element("table", f"table {classes}"):
        with element("thead"), element("tr"):
            for head in heads:
                label(head, tag="th").props("scope=col")
        return element("tbody")
