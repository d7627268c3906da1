"""Signing in and out, and choosing the language: plain forms, no script, no socket."""

from html import escape
from importlib import resources
from string import Template
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Form, HTTPException, Request
from psycopg import OperationalError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from care.console.security import PLAIN_HEADERS
from care.console.texts import LOCALES, Say
from care.console.visitor import COOKIE, LANGUAGE_COOKIE, Console, language
from care.people import sign_in

log = structlog.get_logger()

_PAGE: Final = Template(
    resources.files("care.console").joinpath("sign_in.html").read_text(encoding="utf-8")
)
_YEAR_S: Final = 365 * 24 * 3600


def routes(console: Console) -> APIRouter:
    """The routes a browser needs before it has a page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    async def show(request: Request) -> Response:
        """The form."""
        try:
            if await console.visitor(request) is not None:
                return RedirectResponse("/", 303)
        except OperationalError:
            return _form(request, Say(language(request, None))("sign_in.busy"), 503)
        return _form(request, "", 200)

    @router.post("/sign-in")
    async def enter(
        request: Request,
        user_name: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        onward: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        """Sign in and go on to where the person wanted to be."""
        return await _enter(console, request, user_name, password, onward)

    @router.post("/sign-out")
    async def leave(request: Request) -> Response:
        """End the session here and in the database."""
        _same_origin(request)
        visitor = await console.visitor(request)
        if visitor is not None:
            async with console.transaction() as conn:
                await sign_in.sign_out(conn, visitor.secret, visitor.person, now=console.now())
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    @router.post("/language")
    async def choose(
        request: Request, locale: Annotated[str, Form()], back: Annotated[str, Form()] = "/"
    ) -> Response:
        """Change the language for this person in this browser."""
        return await _choose(console, request, locale, back)

    return router


async def _enter(
    console: Console, request: Request, user_name: str, password: str, onward: str
) -> Response:
    _same_origin(request)
    try:
        async with console.transaction() as conn:
            result = await sign_in.sign_in(
                conn,
                user_name=user_name,
                given=password,
                address=request.client.host if request.client else "",
                now=console.now(),
                lifetime=console.lifetime,
            )
    except OperationalError:
        log.warning("nobody can sign in: the database is away")
        return _form(request, Say(language(request, None))("sign_in.busy"), 503)
    if isinstance(result, sign_in.Denied):
        say = Say(language(request, None))
        minutes = max(1, round(result.wait_s / 60))
        key = "sign_in.locked" if result.wait_s > 0 else "sign_in.wrong"
        return _form(request, say(key, minutes=minutes) if result.wait_s > 0 else say(key), 403)
    answer = RedirectResponse(_within(onward), 303)
    answer.set_cookie(
        COOKIE,
        result.token,
        max_age=int(console.lifetime.absolute.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )
    return answer


async def _choose(console: Console, request: Request, locale: str, back: str) -> Response:
    _same_origin(request)
    if locale not in LOCALES:
        raise HTTPException(422, "unknown language")
    visitor = await console.visitor(request)
    owner = str(visitor.staff_id) if visitor else ""
    answer = RedirectResponse(_within(back), 303)
    answer.set_cookie(
        LANGUAGE_COOKIE,
        f"{owner}:{locale}",
        max_age=_YEAR_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )
    return answer


def _form(request: Request, problem: str, status: int) -> Response:
    say = Say(language(request, None))
    texts = {
        name: escape(say(f"sign_in.{name}"))
        for name in ("title", "lead", "user_name", "password", "button", "foot")
    }
    page = _PAGE.substitute(
        texts,
        locale=say.locale,
        name=escape(say("app.name")),
        problem=f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else "",
        next=escape(_within(request.query_params.get("next", "/")), quote=True),
        other=say.other,
        other_language=escape(say("app.other_language")),
        other_language_label=escape(say("app.other_language_label"), quote=True),
    )
    return HTMLResponse(page, status, PLAIN_HEADERS)


def _within(path: str) -> str:
    """The path if it stays within the console, else the start."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if inside and path.isprintable() else "/"


def _same_origin(request: Request) -> None:
    """Refuse a form another site sent in the person's name."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise HTTPException(403, "sent from another site")
