"""Changes of who is who (store.identity), heard of as they are committed: by people, by births.

The triggers of migration 0012 notify the node of every change. A notification is on its way before
whoever made the change is told that it is committed, and a session is told of what was notified
before it is answered: so an answer means that everything committed before the question was heard.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from psycopg import Notify

from store.failure import told_apart
from store.named import queries
from store.pool import Connection, listening

_SQL: Final = queries("identity_changes")
CHANNEL: Final = "identity"
# What stands for every node.
ALL: Final = ""


class Changes:
    """Hears of changes from when it was made."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._heard: set[str] = set()
        conn.add_notify_handler(self._hear)

    def _hear(self, notify: Notify) -> None:
        self._heard.add(notify.payload)

    async def heard(self) -> set[str]:
        """The nodes of which something was changed since the last answer, or ALL: of every change
        committed before this is called, and maybe of later ones. Raises UnavailableError."""
        with told_apart():
            await self._conn.execute(_SQL["ask"])
        heard, self._heard = self._heard, set()
        return heard


@asynccontextmanager
async def changes(database_url: str) -> AsyncIterator[Changes]:
    """What is changed from now on, over a session of its own. Raises UnavailableError."""
    with told_apart():
        async with listening(database_url, CHANNEL) as conn:
            yield Changes(conn)
