"""The small pieces pages are built of. Text is always text: nothing here takes HTML."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from nicegui import ui
from nicegui.element import Element

Press = Callable[[], None] | Callable[[], Awaitable[None]]


def element(tag: str, classes: str = "") -> Element:
    """An HTML element of our own style sheet, to be used as a context."""
    return ui.element(tag).classes(classes)


def label(text: str, classes: str = "", *, tag: str = "") -> ui.label:
    """A text; `tag` makes it a heading or a paragraph."""
    made = ui.label(text).classes(classes)
    if tag:
        made.tag = tag
    return made


def link(target: str, classes: str = "", text: str = "") -> ui.link:
    """A link within the console; usable as a context."""
    return ui.link(text, target).classes(classes)


def phone_link(number: str, said: str) -> ui.link:
    """A number to telephone with one press; `said` is its name for a screen reader."""
    digits = "".join(c for c in number if c.isdigit() or c == "+")
    made = ui.link(number, f"tel:{digits}").classes("phone")
    made.props["aria-label"] = said
    return made


def pill(text: str, kind: str) -> ui.label:
    """A short state in words, with a colour beside them."""
    return label(text, f"pill pill--{kind}")


def button(text: str, kind: str, press: Press, *, said: str = "") -> ui.button:
    """A button; `said` is its full name where the text alone is not enough."""
    made = ui.button(text, on_click=press, color=None)
    made.classes(f"button button--{kind}").props("no-caps unelevated no-wrap")
    if said:
        made.props["aria-label"] = said
    return made


def submit(text: str, kind: str) -> Element:
    """The plain button of a plain form."""
    made = element("button", f"link-button link-button--{kind}").props("type=submit")
    with made:
        label(text, tag="span")
    return made


def hidden(name: str, value: str) -> None:
    """A value a plain form carries along."""
    made = element("input").props("type=hidden")
    made.props["name"] = name
    made.props["value"] = value


def toast(text: str, *, good: bool) -> None:
    """Say shortly how it went."""
    ui.notify(
        text,
        type="positive" if good else "negative",
        position="top",
        timeout=3500 if good else 8000,
        close_button=False if good else "×",
    )


@contextmanager
def dialog_card(title: str) -> Iterator[ui.dialog]:
    """A dialog with its title; it is one element that opens and closes."""
    with ui.dialog() as dialog, ui.card().classes("dialog") as card:
        card.props["role"] = "document"
        label(title, "dialog__title", tag="h2")
        dialog.props["aria-label"] = title
        yield dialog
