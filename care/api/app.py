"""The REST API as one application: `build` puts the routers, errors and headers together."""

from typing import Final

from fastapi import APIRouter, FastAPI

from care.api import (
    claims,
    commands,
    completeness,
    configuration,
    contested,
    deprecations,
    diag,
    episodes,
    firmware,
    health,
    medication,
    moving,
    nodes,
    patients,
    places,
    problem,
    readings,
    reject_files,
    rejects,
    sign_in,
    staff,
    unassigned,
    unassigned_recordings,
    vital_signs,
    waves,
)
from care.api.deps import Care
from care.api.gate import Gate
from care.api.security import BodyLimit, Faults, SecurityHeaders
from care.measured import Requests
from care.settings import CareSettings
from runtime.clock import Clock
from store.pool import Pool

ROUTERS: Final[tuple[APIRouter, ...]] = (
    sign_in.router,
    places.router,
    staff.router,
    patients.router,
    readings.router,
    completeness.router,
    unassigned.router,
    unassigned_recordings.router,
    moving.router,
    contested.router,
    waves.router,
    vital_signs.router,
    reject_files.router,
    rejects.router,
    deprecations.router,
    medication.router,
    episodes.router,
    nodes.router,
    diag.router,
    claims.router,
    configuration.router,
    commands.router,
    firmware.router,
    health.router,
)
_ABOUT: Final = """\
Readings, plans and episodes of the people you care for.

Send `Authorization: Bearer hbt_…` (a token of `hearthbeat staff add` or `staff token`). Times are
ISO 8601 with a zone and are told in UTC. What is not in your scope looks exactly like what is not
there. Errors are RFC 9457 problems whose `hint` says what to do.
"""


def build(settings: CareSettings, pool: Pool, clock: Clock) -> FastAPI:
    """The application on an open (or opening) pool. There is no page that loads from elsewhere:
    the description is /api/openapi.json.
    """
    app = FastAPI(
        title="Hearthbeat",
        version="1",
        description=_ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.care = Care(
        settings=settings, pool=pool, clock=clock, sign_ins=Gate(at_once=2, waiting=30)
    )
    for router in ROUTERS:
        app.include_router(router)
    problem.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Faults)
    app.add_middleware(SecurityHeaders, secure=settings.secure)
    app.add_middleware(Requests)
    return app
