"""Stage: who said it, with which device, about whom. What was understood gets its rows.

The topic names the node, and the broker has proved it; the payload names the device behind it.
Identities are looked up once a batch and believed until they are changed (ingest.identity_watch),
or for a second where that cannot be heard, so that a change by a person counts at once.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from contract import messages, topics
from ingest.entry import Checked, Entry, Outcome
from ingest.identity_watch import DEAF, UNHEARD, IdentityWatch
from ingest.mqtt_session import Arrival
from ingest.owner import PSEUDONYM
from ingest.placing import clears, place
from ingest.ways import Way, way_of
from store import identity
from store.identity import Declared, NodeIdentity
from store.identity_changes import ALL
from store.line import Line

_LIMIT = 50_000


class _Known(NamedTuple):
    """A node as it was looked up, in a session of the watch; holds until then all the same."""

    session: int
    until: float
    node: NodeIdentity | None


class Identifier:
    """Knows the nodes it was asked for."""

    def __init__(
        self,
        line: Line,
        *,
        ttl_s: float,
        monotonic: Callable[[], float],
        watch: IdentityWatch | None = None,
    ) -> None:
        """With a watch of the same `ttl_s` what was looked up is believed until it is changed."""
        self._line = line
        self._ttl_s = ttl_s
        self._monotonic = monotonic
        self._watch = watch
        self._nodes: dict[str, _Known] = {}
        # By topic, the nodes whose usual messages go the short way; as far as `know` was asked.
        self.ways: dict[str, Way] = {}
        self._turn = asyncio.Lock()
        # Changed while they were being looked up: whether before or after is not known.
        self._doubtful: set[str] = set()
        if watch is not None:
            watch.tell(self._drop)

    async def know(self, arrivals: Sequence[Arrival]) -> None:
        """Look up who sent these measurements, where that is not known. Raises UnavailableError."""
        now, ways = self._monotonic(), self.ways
        session = self._session(now)
        stale = {
            arrival.topic
            for arrival in arrivals
            if (way := ways.get(arrival.topic)) is None
            or (way.session != session and way.until <= now)
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
        known = self._nodes.get(node_id)
        way = self.ways.get(topic)
        if known is None or way is None or way.node != known.node:
            way = way_of(known.node, at) if known is not None else None
        if way is not None and known is not None:
            way.session, way.until = known.session, known.until
            self.ways[topic] = way
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
        nodes = await self._look_up(_node_ids(batch))
        missing = _missing_selves(batch, nodes)
        if missing:
            await self._register(missing)
            nodes = await self._look_up(_node_ids(batch))
        people = await self._people(batch)
        return [place(checked, nodes.get(checked.decoded.node or ""), people) for checked in batch]

    def forget(self, outcomes: Iterable[Outcome]) -> None:
        """Nodes that have described themselves anew: what was known of them is outdated."""
        for outcome in outcomes:
            if outcome.entry.birth is not None:
                self._drop(outcome.entry.birth.node_id)

    def _drop(self, node_id: str) -> None:
        self._doubtful.add(node_id)
        if node_id == ALL:
            self._nodes.clear()
            self.ways.clear()
            return
        self._nodes.pop(node_id, None)
        self.ways.pop(topics.up(node_id, "obs"), None)

    def _doubt(self, batch: Iterable[Checked]) -> None:
        """What is retained is cleared the moment a node leaves: too soon to believe what was."""
        for checked in batch:
            if clears(checked.decoded):
                self._drop(checked.decoded.node or "")

    def _session(self, now: float) -> int:
        return DEAF if self._watch is None else self._watch.hearing(now)

    async def _look_up(self, node_ids: set[str]) -> dict[str, NodeIdentity | None]:
        """These nodes, for this batch: who is forgotten meanwhile is looked up for the next one."""
        now = self._monotonic()
        session = self._session(now)
        known = {
            n: held.node
            for n in node_ids
            if (held := self._nodes.get(n)) and (held.session == session or held.until > now)
        }
        wanted = node_ids - known.keys()
        if not wanted:
            return known
        self._doubtful.clear()
        async with self._line.transaction() as conn:
            found = await identity.nodes(conn, wanted)
        if len(self._nodes) > _LIMIT:
            self._nodes.clear()
            self.ways.clear()
        certain = set() if ALL in self._doubtful else wanted - self._doubtful
        heard_in = UNHEARD if session == DEAF else session
        self._nodes.update((n, _Known(heard_in, now + self._ttl_s, found.get(n))) for n in certain)
        return known | {n: found.get(n) for n in wanted}

    async def _register(self, declared: list[Declared]) -> None:
        """Devices are made known before the batch that needs them; doing it twice is harmless."""
        if not declared:
            return
        async with self._line.transaction() as conn:
            await identity.register(conn, declared)
        for device in declared:
            self._drop(device.node_id)

    async def _people(self, batch: Iterable[Checked]) -> dict[str, int]:
        names = {who for checked in batch for who in _whos(checked) if PSEUDONYM.fullmatch(who)}
        if not names:
            return {}
        async with self._line.transaction() as conn:
            return await identity.pseudonyms(conn, names)


def _node_ids(batch: Iterable[Checked]) -> set[str]:
    return {c.decoded.node for c in batch if c.decoded.node is not None}


def _missing_selves(
    batch: Iterable[Checked], nodes: Mapping[str, NodeIdentity | None]
) -> list[Declared]:
    """Nodes that measured with themselves for the first time."""
    measured = {c.decoded.node for c in batch if c.decoded.node is not None and _uses_itself(c)}
    return [
        Declared(node.node_id, "", "node")
        for node in (nodes.get(node_id) for node_id in sorted(measured))
        if node is not None and not node.revoked and "" not in node.devices
    ]


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
