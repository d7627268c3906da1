"""Stage: who said it, with which device, about whom. What was understood gets its rows.

The topic names the node, and the broker has proved it; the payload names the device behind it.
Identities are looked up once a batch and believed for a second, so that a change by a person
counts at once.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from contract import messages, topics
from ingest.entry import Checked, Entry, Outcome
from ingest.mqtt_session import Arrival
from ingest.owner import PSEUDONYM
from ingest.placing import clears, place
from ingest.ways import Way, way_of
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
        # By topic, the nodes whose usual messages go the short way; as far as `know` was asked.
        self.ways: dict[str, Way] = {}
        self._turn = asyncio.Lock()

    async def know(self, arrivals: Sequence[Arrival]) -> None:
        """Look up who sent these measurements, where that is not known. Raises UnavailableError."""
        now, ways = self._monotonic(), self.ways
        stale = {
            arrival.topic
            for arrival in arrivals
            if (way := ways.get(arrival.topic)) is None or way.until <= now
        }
        parsed = ((topic, topics.parse(topic)) for topic in stale)
        nodes = {topic: of.node for topic, of in parsed if of is not None and of.kind == "obs"}
        if not nodes:
            return
        async with self._turn:
            await self._look_up(set(nodes.values()))
        for topic, node_id in nodes.items():
            self._renew(topic, node_id, arrivals[-1].received_at)

    def _renew(self, topic: str, node_id: str, at: datetime) -> None:
        until, node = self._nodes.get(node_id, (0.0, None))
        way = self.ways.get(topic)
        if way is not None and way.node == node:
            way.until = until
            return
        made = way_of(node, at, until)
        if made is not None:
            self.ways[topic] = made
        else:
            self.ways.pop(topic, None)

    async def identify(self, batch: Sequence[Checked]) -> list[Entry]:
        """The entries of a batch, in its order. Raises UnavailableError."""
        if not batch:
            return []
        async with self._turn:
            return await self._identify(batch)

    async def _identify(self, batch: Sequence[Checked]) -> list[Entry]:
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
                self._drop(outcome.entry.birth.node_id)

    def _drop(self, node_id: str) -> None:
        self._nodes.pop(node_id, None)
        self.ways.pop(topics.up(node_id, "obs"), None)

    def _doubt(self, batch: Iterable[Checked]) -> None:
        """What is retained is cleared the moment a node leaves: too soon to believe what was."""
        for checked in batch:
            if clears(checked.decoded):
                self._drop(checked.decoded.node or "")

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
            self.ways.clear()
        self._nodes.update((n, (now + self._ttl_s, found.get(n))) for n in wanted)

    async def _register(self, declared: list[Declared]) -> None:
        """Devices are made known before the batch that needs them; doing it twice is harmless."""
        if not declared:
            return
        async with self._line.transaction() as conn:
            await identity.register(conn, declared)
        for device in declared:
            self._drop(device.node_id)

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
