"""Stage: who said it, with which device, about whom. What was understood gets its rows.

The topic names the node, and the broker has proved it; the payload names the device behind it.
Identities are looked up once a batch and believed for a second, so that a change by a person
counts at once.
"""

from collections.abc import Callable, Iterable, Sequence

from contract import messages
from ingest.entry import Checked, Entry, Outcome
from ingest.owner import PSEUDONYM
from ingest.placing import clears, place
from store import identity
from store.identity import Declared, NodeIdentity
from store.line import Line

_LIMIT = 50_000


class Identifier:
    """Knows the nodes of the last moments."""

    def __init__(self, line: Line, *, ttl_s: float, monotonic: Callable[[], float]) -> None:
        self._line = line
        self._ttl_s = ttl_s
        self._monotonic = monotonic
        self._nodes: dict[str, tuple[float, NodeIdentity | None]] = {}

    async def identify(self, batch: Sequence[Checked]) -> list[Entry]:
        """The entries of a batch, in its order. Raises UnavailableError."""
        births = [c for c in batch if isinstance(c.decoded.message, messages.Birth)]
        await self._register(_declared(births))
        self._doubt(batch)
        await self._look_up(_node_ids(batch))
        await self._register(self._missing_selves(batch))
        await self._look_up(_node_ids(batch))
        people = await self._people(batch)
        return [place(checked, self._node(checked.decoded.node), people) for checked in batch]

    def forget(self, outcomes: Iterable[Outcome]) -> None:
        """Nodes that have described themselves anew: what was known of them is outdated."""
        for outcome in outcomes:
            if outcome.entry.birth is not None:
                self._nodes.pop(outcome.entry.birth.node_id, None)

    def _doubt(self, batch: Iterable[Checked]) -> None:
        """What is retained is cleared the moment a node leaves: too soon to believe what was."""
        for checked in batch:
            if clears(checked.decoded):
                self._nodes.pop(checked.decoded.node or "", None)

    def _node(self, node_id: str | None) -> NodeIdentity | None:
        known = self._nodes.get(node_id or "")
        return known[1] if known else None

    async def _look_up(self, node_ids: set[str]) -> None:
        now = self._monotonic()
        wanted = [n for n in node_ids if n not in self._nodes or self._nodes[n][0] <= now]
        if not wanted:
            return
        async with self._line.transaction() as conn:
            found = await identity.nodes(conn, wanted)
        if len(self._nodes) > _LIMIT:
            self._nodes.clear()
        self._nodes.update((n, (now + self._ttl_s, found.get(n))) for n in wanted)

    async def _register(self, declared: list[Declared]) -> None:
        """Devices are made known before the batch that needs them; doing it twice is harmless."""
        if not declared:
            return
        async with self._line.transaction() as conn:
            await identity.register(conn, declared)
        for device in declared:
            self._nodes.pop(device.node_id, None)

    def _missing_selves(self, batch: Iterable[Checked]) -> list[Declared]:
        """Nodes that measured with themselves for the first time."""
        measured = {c.decoded.node for c in batch if c.decoded.node is not None and _uses_itself(c)}
        nodes = [self._node(node_id) for node_id in sorted(measured)]
        return [
            Declared(node.node_id, "", "node")
            for node in nodes
            if node is not None and not node.revoked and "" not in node.devices
        ]

    async def _people(self, batch: Iterable[Checked]) -> dict[str, int]:
        names = {who for checked in batch for who in _whos(checked) if PSEUDONYM.fullmatch(who)}
        if not names:
            return {}
        async with self._line.transaction() as conn:
            return await identity.pseudonyms(conn, names)


def _node_ids(batch: Iterable[Checked]) -> set[str]:
    return {c.decoded.node for c in batch if c.decoded.node is not None}


def _uses_itself(checked: Checked) -> bool:
    if checked.chunk is not None:
        return not checked.chunk.dev
    observation = checked.observation
    return observation is not None and (
        any(not r.dev for r in observation.readings) or any(not b.dev for b in observation.blocks)
    )


def _whos(checked: Checked) -> list[str]:
    message = checked.decoded.message
    if isinstance(message, messages.Obs):
        return [series.who for series in message.ser if series.who]
    if isinstance(message, messages.Event) and message.who:
        return [message.who]
    return []


def _declared(births: Iterable[Checked]) -> list[Declared]:
    return [
        Declared(checked.decoded.node or "", d.dev, d.type, d.maker, d.model, d.sn, d.link, d.udi)
        for checked in births
        if isinstance(checked.decoded.message, messages.Birth)
        for d in checked.decoded.message.devs
    ]
