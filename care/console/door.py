"""The page in front of the console: a plain form, and what a plain form is checked for."""

from html import escape
from importlib import resources
from string import Template
from typing import Final

from fastapi import HTTPException, Request
from starlette.responses import HTMLResponse, Response

from care.console.assets import MARK, STYLE
from care.console.security import PLAIN_HEADERS
from care.console.texts import Say
from care.console.visitor import language

_PAGE: Final = Template(
    resources.files("care.console").joinpath("sign_in.html").read_text(encoding="utf-8")
)


def say_of(request: Request) -> Say:
    """The texts in the language last chosen in this browser."""
    return Say(language(request, None))


def form(request: Request, *, problem: str = "", status: int = 200) -> Response:
    """The sign-in, with what was wrong the last time."""
    say = say_of(request)
    texts = {
        name: escape(say(f"sign_in.{name}"))
        for name in ("title", "lead", "user_name", "password", "button", "foot")
    }
    page = _PAGE.substitute(
        texts,
        style=STYLE,
        mark=MARK,
        locale=say.locale,
        name=escape(say("app.name")),
        problem=f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else "",
        next=escape(within(request.query_params.get("next", "/")), quote=True),
        other=say.other,
        other_language=escape(say("app.other_language")),
        other_language_label=escape(say("app.other_language_label"), quote=True),
    )
    return HTMLResponse(page, status, PLAIN_HEADERS)


def within(path: str) -> str:
    """The path if it stays within the console, else the start."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if inside and path.isprintable() else "/"


def same_origin(request: Request) -> None:
    """Refuse a form another site sent in the person's name."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise HTTPException(403, "sent from another site")


def set_cookie(
    answer: Response, request: Request, name: str, value: str, *, lasts_s: float
) -> None:
    """A cookie no script reads and no other site's form carries."""
    answer.set_cookie(
        name,
        value,
        max_age=int(lasts_s),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )
