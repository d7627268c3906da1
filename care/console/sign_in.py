"""Signing in and out, and choosing the language: plain forms, no script, no socket."""

from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Form, HTTPException, Request
from psycopg import OperationalError
from starlette.responses import RedirectResponse, Response

from care.console.door import form, same_origin, say_of, set_cookie, within
from care.console.texts import LOCALES
from care.console.visitor import COOKIE, LANGUAGE_COOKIE, Console
from care.people import sign_in

log = structlog.get_logger()

_YEAR_S: Final = 365 * 24 * 3600
_OURS: Final = [Depends(same_origin)]


def routes(console: Console) -> APIRouter:
    """The routes a browser needs before it has a page."""
    router = APIRouter(include_in_schema=False)
    door = _Door(console)
    router.get("/sign-in", response_model=None)(door.show)
    router.post("/sign-in", response_model=None, dependencies=_OURS)(door.enter)
    router.post("/sign-out", response_model=None, dependencies=_OURS)(door.leave)
    router.post("/language", response_model=None, dependencies=_OURS)(door.choose)
    return router


class _Door:
    """What each of the plain forms does."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show(self, request: Request) -> Response:
        """The form; whoever is signed in goes on."""
        try:
            if await self._console.visitor(request) is not None:
                return RedirectResponse("/", 303)
        except OperationalError:
            return _away(request)
        return form(request)

    async def enter(
        self,
        request: Request,
        user_name: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        onward: Annotated[str, Form(alias="next")] = "/",
    ) -> Response:
        """Sign in and go on to where the person wanted to be."""
        try:
            result = await self._tried(request, user_name, password)
        except OperationalError:
            return _away(request)
        if isinstance(result, sign_in.Denied):
            return _denied(request, result)
        answer = RedirectResponse(within(onward), 303)
        lasts_s = self._console.lifetime.absolute.total_seconds()
        set_cookie(answer, request, COOKIE, result.token, lasts_s=lasts_s)
        return answer

    async def _tried(
        self, request: Request, user_name: str, password: str
    ) -> sign_in.Opened | sign_in.Denied:
        async with self._console.transaction() as conn:
            return await sign_in.sign_in(
                conn,
                user_name=user_name,
                given=password,
                address=request.client.host if request.client else "",
                now=self._console.now(),
                lifetime=self._console.lifetime,
            )

    async def leave(self, request: Request) -> Response:
        """End the session here and in the database."""
        visitor = await self._console.visitor(request)
        if visitor is not None:
            now = self._console.now()
            async with self._console.transaction() as conn:
                await sign_in.sign_out(conn, visitor.secret, visitor.person, now=now)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    async def choose(
        self, request: Request, locale: Annotated[str, Form()], back: Annotated[str, Form()] = "/"
    ) -> Response:
        """Change the language for this person in this browser."""
        if locale not in LOCALES:
            raise HTTPException(422, "unknown language")
        visitor = await self._console.visitor(request)
        owner = visitor.staff_id if visitor else ""
        answer = RedirectResponse(within(back), 303)
        set_cookie(answer, request, LANGUAGE_COOKIE, f"{owner}:{locale}", lasts_s=_YEAR_S)
        return answer


def _denied(request: Request, denied: sign_in.Denied) -> Response:
    say = say_of(request)
    problem = say("sign_in.wrong")
    if denied.wait_s > 0:
        problem = say("sign_in.locked", minutes=max(1, round(denied.wait_s / 60)))
    return form(request, problem=problem, status=403)


def _away(request: Request) -> Response:
    log.warning("nobody can sign in: the database is away")
    return form(request, problem=say_of(request)("sign_in.busy"), status=503)
