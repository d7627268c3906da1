"""What runs beside plans and commands: claims of new units, and rotations of credentials."""

from collections.abc import Coroutine
from typing import Any

import structlog

from downlink.claim_link import complete_claims, serve_claims
from downlink.claims import Claims, Desk, NotServedError, desk_of
from downlink.rotation import Rotations
from downlink.settings import DownlinkSettings
from runtime.clock import Clock
from store.pool import Pool

_LOG = structlog.get_logger()


def provisioning(
    settings: DownlinkSettings, pool: Pool, clock: Clock
) -> dict[str, Coroutine[Any, Any, None]]:
    """The tasks of this process for them; without keys and addresses only passwords rotate."""
    desk: Desk | None = None
    if settings.claims_url is not None:
        try:
            desk = desk_of(settings)
        except NotServedError as error:
            _LOG.error("claims_not_served", reason=str(error))
    tasks: dict[str, Coroutine[Any, Any, None]] = {
        "rotations": Rotations(pool, desk, clock, settings).keep_going()
    }
    if desk is not None and settings.claims_url is not None:
        claims = Claims(pool, desk, clock)
        tasks["claims"] = serve_claims(claims, settings.claims_url)
        tasks["claims completed"] = complete_claims(claims)
    return tasks
