"""Pages that are not there, and pages that failed: calm, and without what went wrong inside."""

from html import escape

import structlog
from fastapi import Request
from nicegui import Client, ui
from nicegui import app as nicegui_app
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from care.console.assets import STYLE
from care.console.frame import Frame
from care.console.pieces import element, label, link
from care.console.security import PLAIN_HEADERS
from care.console.texts import Say
from care.console.visitor import Console, language

log = structlog.get_logger()


def register(console: Console) -> None:
    """Answer for every page nobody serves, and for a page that could not be built."""
    _ = console

    @nicegui_app.exception_handler(404)
    async def missing(request: Request, problem: HTTPException) -> Response:
        _ = problem
        return HTMLResponse(_missing(Say(language(request, None))), 404, PLAIN_HEADERS)

    nicegui_app.on_page_exception(failed)


def _missing(say: Say) -> str:
    title, back = escape(say("app.not_found")), escape(say("app.back_to_worklist"))
    return (
        f'<!doctype html><html lang="{say.locale}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title>"
        f'<link rel="stylesheet" href="{STYLE}"></head>'
        '<body class="door"><main class="door__card">'
        f'<h1>{title}</h1><p class="door__lead"><a href="/">{back}</a></p></main></body></html>'
    )


def not_found(page: Frame) -> None:
    """What is not there, and what is not this person's to see, look the same."""
    ui.status_code(404)
    with element("div", "calm"):
        ui.icon("search_off").classes("calm__icon").props("aria-hidden=true")
        label(page.say("app.not_found"), "calm__title", tag="h1")
        link("/", "calm__link", page.say("app.back_to_worklist"))


def failed(problem: Exception) -> None:
    """The content of a page that could not be built; the reason is only in the log."""
    log.error("page failed", problem=type(problem).__name__, exc_info=problem)
    client: Client = ui.context.client
    say = Say(language(client.request, None))
    with element("main", "page"), element("div", "calm"):
        ui.icon("sync_problem").classes("calm__icon").props("aria-hidden=true")
        label(say("problem.page"), "calm__title", tag="h1")
        link("/", "calm__link", say("app.back_to_worklist"))
