"""What every code of the contract means (`/errors#E3102`), in both languages."""

from fastapi import Request
from nicegui import ui
from starlette.responses import Response

from care.console.frame import BUILT_WITHIN_S, Frame, frame
from care.console.pieces import element, label, pill
from care.console.table import table
from care.console.visitor import Console, to_sign_in
from contract.errors import ERRORS, ErrorDef

COLUMNS = ("code", "zh", "en")


def register(console: Console) -> None:
    """Serve the table; the links of refusals lead into it."""

    @ui.page("/errors", response_timeout=BUILT_WITHIN_S)
    async def page(request: Request) -> Response | None:
        visitor = await console.visitor(request)
        if visitor is None:
            return to_sign_in(request)
        with frame(console, visitor, current="rejects") as page:
            page.headline(visitor.say("codes.title"))
            label(visitor.say("codes.lead"), "lead", tag="p")
            with element("div", "panel panel--table"):
                body = table([visitor.say(f"codes.{key}") for key in COLUMNS])
            with body:
                for code in sorted(ERRORS):
                    _row(page, ERRORS[code])
        page.keep_fresh((), _nothing)
        return None


async def _nothing() -> None:
    """The table changes only with the program."""


def _row(page: Frame, one: ErrorDef) -> None:
    with element("tr") as row:
        row.props["id"] = one.code
        with element("td"):
            label(one.code, "code")
            label(one.name, "code code--fine")
            if one.retry:
                pill(page.say("codes.retry"), "plain")
        for wording in (one.zh, one.en):
            with element("td"):
                label(wording.meaning)
                label(wording.hint, "person__fine")
