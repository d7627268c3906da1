"""Which nodes were heard of: noted at most once a minute each, to spare the database."""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from ingest.entry import Entry

_EVERY_S: Final = 60.0
_LIMIT: Final = 50_000


class Heard:
    """Remembers when a node was last noted."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._noted_at: dict[str, float] = {}

    def due(self, entries: Iterable[Entry]) -> set[str]:
        """The nodes of this batch that were not noted within the last minute."""
        return self.due_nodes(
            {entry.node for entry in entries if entry.node is not None and entry.state is None}
        )

    def due_nodes(self, nodes: Collection[str]) -> set[str]:
        """Of these nodes, those that were not noted within the last minute."""
        now = self._monotonic()
        return {n for n in nodes if now - self._noted_at.get(n, -_EVERY_S) >= _EVERY_S}

    def noted(self, nodes: Iterable[str]) -> None:
        """These are in the database now."""
        if len(self._noted_at) > _LIMIT:
            self._noted_at.clear()
        now = self._monotonic()
        self._noted_at.update((node, now) for node in nodes)
