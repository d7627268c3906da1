"""GET /health and GET /ready, for supervisors; they say nothing about anybody."""

import asyncio
from typing import Final, Literal

import psycopg
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout

from care.api.deps import TheCare
from care.api.problem import PROBLEMS, Problem
from care.api.shapes import Told

router = APIRouter(tags=["health"])

_PATIENCE_S: Final = 2.0


class Health(Told):
    """Whether the process answers, or the database does."""

    status: Literal["ok", "ready"]


@router.get("/health", operation_id="read_health", response_model=Health)
async def read_health() -> object:
    """The process is alive."""
    return Health(status="ok")


@router.get(
    "/ready", operation_id="read_ready", response_model=Health, responses={503: PROBLEMS[503]}
)
async def read_ready(care: TheCare) -> object:
    """The database answers, so the API does."""
    try:
        # The pool tries every connection it hands out.
        async with asyncio.timeout(_PATIENCE_S), care.pool.connection(_PATIENCE_S):
            return Health(status="ready")
    except (psycopg.Error, PoolTimeout, TimeoutError):
        return _not_ready()


def _not_ready() -> JSONResponse:
    return Problem(
        503,
        "database-away",
        "The database does not answer.",
        hint="Look at PostgreSQL; this gets better by itself once it is back.",
        headers={"Retry-After": "5"},
    ).answer()
