"""Errors in one shape, RFC 9457: what is wrong and, in `hint`, what to do about it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from care.people.password import WeakPasswordError
from store.refused import RefusedByRuleError

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"


class Wrong(BaseModel):
    """One thing wrong with a request: where (a JSON pointer) and what."""

    path: str
    message: str


class ProblemBody(BaseModel):
    """An error as the API says it."""

    type: str
    title: str
    status: int
    detail: str
    hint: str
    errors: list[Wrong] | None = None


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """An error to answer with. `name` is stable, `hint` says what to do."""

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        hint: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Wrong] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.body = ProblemBody(
            type=f"urn:hearthbeat:problem:{name}",
            title=name.replace("-", " "),
            status=status,
            detail=detail,
            hint=hint,
            errors=list(errors) if errors else None,
        )

    def answer(self) -> JSONResponse:
        """The response."""
        return JSONResponse(
            self.body.model_dump(exclude_none=True),
            status_code=self.status,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


def missing() -> Problem:
    """Nothing there, or nothing there for you: nobody can tell which (one body for both)."""
    return Problem(
        404,
        "not-found",
        "There is nothing here that you may see.",
        hint="Check the address and the id; ask your team lead if you should see it.",
    )


def not_signed_in() -> Problem:
    """No session and no token, or neither is good any more."""
    return Problem(
        401,
        "not-signed-in",
        "This needs somebody signed in.",
        hint="Send 'Authorization: Bearer hbt_…', or sign in with POST /api/sign-in.",
        headers={"WWW-Authenticate": 'Bearer realm="hearthbeat"'},
    )


def not_your_role(role: str) -> Problem:
    """The role may not do this, whatever the object."""
    return Problem(
        403,
        "role-may-not",
        f"The role '{role}' may not do this.",
        hint="Ask somebody whose role may; docs/administration.md lists the roles.",
    )


def refused(detail: str, hint: str, *, status: int = 409, name: str = "refused") -> Problem:
    """A rule of the hub says no."""
    return Problem(status, name, detail, hint=hint)


def hub_fault() -> Problem:
    """Something nobody expected; the log knows where."""
    return Problem(
        500,
        "hub-fault",
        "The hub made a mistake; it is in its log.",
        hint="Try again once; then tell the operator the time it happened.",
    )


_STATUS_OF_RULE: Final = {"exists": 409, "missing": 422, "not_allowed": 422}
# What every operation may answer, for the OpenAPI document.
_DOCUMENTED: Final = {"model": ProblemBody, "content": {MEDIA_TYPE: {}}}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    401: {**_DOCUMENTED, "description": "Nobody is signed in"},
    403: {**_DOCUMENTED, "description": "The role may not do this"},
    404: {**_DOCUMENTED, "description": "Nothing there, or not in your scope"},
    409: {**_DOCUMENTED, "description": "A rule of the hub refuses it"},
    422: {**_DOCUMENTED, "description": "The request is not understood"},
    503: {**_DOCUMENTED, "description": "The database is away; try again"},
}


def install(app: FastAPI) -> None:
    """Make every error of the API a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RefusedByRuleError, _by_rule)
    app.add_exception_handler(WeakPasswordError, _weak)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _by_framework)
    app.add_exception_handler(psycopg.DataError, _not_storable)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.add_exception_handler(PoolTimeout, _database_away)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Problem):
        raise error
    return error.answer()


async def _by_rule(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RefusedByRuleError):
        raise error
    return refused(
        f"{error.message[:1].upper()}{error.message[1:]}.",
        f"{error.hint[:1].upper()}{error.hint[1:]}.",
        status=_STATUS_OF_RULE[error.kind],
        name=error.rule.replace("_", "-"),
    ).answer()


async def _weak(_: Request, error: Exception) -> JSONResponse:
    return refused(
        f"{error}.", "Choose another password.", status=422, name="weak-password"
    ).answer()


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Say where and what, without repeating what was sent."""
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [
        Wrong(path="/" + "/".join(str(part) for part in one["loc"]), message=one["msg"])
        for one in error.errors()
    ]
    return Problem(
        422,
        "request-not-understood",
        "; ".join(f"{one.path}: {one.message}" for one in errors[:5]),
        hint="Correct the parts named in 'errors'; /api/openapi.json has the shapes.",
        errors=errors,
    ).answer()


async def _by_framework(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return missing().answer()
    hints = {405: "See /api/openapi.json for what this address understands."}
    return Problem(
        error.status_code,
        "method-not-allowed" if error.status_code == 405 else "refused",
        str(error.detail),
        hint=hints.get(error.status_code, "Check the request."),
        headers=error.headers,
    ).answer()


async def _not_storable(_: Request, error: Exception) -> JSONResponse:
    log.warning("request not storable", error=type(error).__name__)
    return Problem(
        422,
        "not-storable",
        "A value cannot be stored as it is.",
        hint="Leave out control characters and numbers beyond all measure.",
    ).answer()


async def _database_away(_: Request, error: Exception) -> JSONResponse:
    log.error("database away", error=type(error).__name__)
    return Problem(
        503,
        "database-away",
        "The database cannot be reached; nothing was changed.",
        hint="Try again in a few seconds; /ready says when it is back.",
        headers={"Retry-After": "5"},
    ).answer()
