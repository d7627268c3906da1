"""A gate for work that is dear: so many at once, so many waiting, the rest come back later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from care.api.problem import Problem


class Gate:
    """Lets `at_once` through and keeps up to `waiting` outside the door."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._inside = asyncio.Semaphore(at_once)
        self._room = at_once + waiting
        self._here = 0

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Hold one place inside. Raises a 429 problem when there is no room to wait."""
        if self._here >= self._room:
            raise Problem(
                429,
                "busy",
                "Too many people are at this door just now.",
                hint="Try again in a few seconds.",
                headers={"Retry-After": "3"},
            )
        self._here += 1
        try:
            async with self._inside:
                yield
        finally:
            self._here -= 1
