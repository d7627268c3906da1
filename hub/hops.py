"""Walking a path hop by hop: each is waited for and timed; the first missing one ends it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct
from rich.console import Console

T = TypeVar("T")


class MissingHopError(RuntimeError):
    """A hop did not happen in time; `hop` names it."""

    def __init__(self, hop: str, within_s: float, last: str) -> None:
        """Keep the name for the caller's last line."""
        super().__init__(f"missing hop: {hop} (waited {within_s:.0f} s{last})")
        self.hop = hop


class Hop(Struct, frozen=True):
    """One hop that happened, and how long it was waited for, in seconds."""

    name: str
    took_s: float
    detail: str


class Walk:
    """The hops of one walk, printed as they happen."""

    def __init__(self, console: Console) -> None:
        """Start the clock."""
        self._console = console
        self._started = time.monotonic()
        self.hops: list[Hop] = []

    async def hop(
        self,
        name: str,
        probe: Callable[[], Awaitable[T | None]],
        *,
        within_s: float = 10.0,
        detail: Callable[[T], str] = lambda _: "",
    ) -> T:
        """Ask `probe` until it gives something; raises MissingHopError after `within_s`."""
        started = time.monotonic()
        last = ""
        while time.monotonic() - started < within_s:
            try:
                found = await probe()
            except (OSError, LookupError, ValueError) as error:
                found, last = None, f"; last: {error}"
            if found is not None:
                self._note(Hop(name, time.monotonic() - started, detail(found)))
                return found
            await asyncio.sleep(0.02)
        self._console.print(f"[red]✗[/] {name}  missing after {within_s:.0f} s{last}")
        raise MissingHopError(name, within_s, last)

    async def act(self, name: str, deed: Awaitable[object], *, detail: str = "") -> None:
        """Do something once; raises MissingHopError when it is refused."""
        started = time.monotonic()
        try:
            await deed
        except (OSError, LookupError, ValueError) as error:
            self._console.print(f"[red]✗[/] {name}: {error}")
            raise MissingHopError(name, time.monotonic() - started, f"; {error}") from error
        self._note(Hop(name, time.monotonic() - started, detail))

    def _note(self, hop: Hop) -> None:
        self.hops.append(hop)
        self._console.print(
            f"[green]✓[/] {hop.name:<52} {hop.took_s * 1000:>8.0f} ms  [dim]{hop.detail}[/]"
        )

    @property
    def total_s(self) -> float:
        """Seconds since the walk began."""
        return time.monotonic() - self._started
