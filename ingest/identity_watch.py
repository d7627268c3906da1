"""What was looked up of a node is believed until somebody changes it.

Changes are asked for several times in `ttl_s`. Every answer means that everything committed before
the question was heard; so while answers come, nothing is believed for longer than `ttl_s` after it
was changed. While none come, or after a session has ended and may have missed something, what was
looked up holds for `ttl_s` from then: a change counts within that time either way.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from ingest.fault import fault
from store.identity_changes import changes

_LOG = structlog.get_logger()
_ASKS: Final = 4
_EVERY_S: Final = 0.02
_SILENT_S: Final = 10.0
_AGAIN_S: Final = 1.0

# Of what was looked up while nobody listened.
UNHEARD: Final = 0
# While nobody listens: nothing was looked up in it.
DEAF: Final = -1


class IdentityWatch:
    """Listens, and tells whoever asked for it which node to forget ('': all)."""

    def __init__(self, ttl_s: float, monotonic: Callable[[], float]) -> None:
        self._ttl_s = ttl_s
        self._monotonic = monotonic
        self._forget: list[Callable[[str], None]] = []
        self._session = UNHEARD
        self._sure_since: float | None = None

    def tell(self, forget: Callable[[str], None]) -> None:
        """From now on tell it too."""
        self._forget.append(forget)

    def hearing(self, now: float) -> int:
        """The session in which everything up to `ttl_s` ago was heard; DEAF: there is none. What
        was looked up in this session, and not forgotten since, holds."""
        since = self._sure_since
        return DEAF if since is None or now - since >= self._ttl_s else self._session

    async def run(self, database_url: str) -> None:
        """Listen until cancelled; again after a session has ended."""
        while True:
            try:
                await self._listen(database_url)
            except Exception as error:  # noqa: BLE001 - away, or a broken line: listen again
                _LOG.info("identity_unheard", **fault(error))
            finally:
                self._sure_since = None
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self, database_url: str) -> None:
        async with changes(database_url) as made:
            self._session += 1
            while True:
                asked_at = self._monotonic()
                async with asyncio.timeout(_SILENT_S):
                    heard = await made.heard()
                for node_id in heard:
                    for forget in self._forget:
                        forget(node_id)
                self._sure_since = asked_at
                await asyncio.sleep(max(_EVERY_S, self._ttl_s / _ASKS))
