"""What a message becomes on its way: each stage takes one of these and gives the next."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from contract.codec import Up
from contract.errors import Defect
from contract.observation import Observation, UnknownSeries
from contract.wave import Chunk
from ingest.mqtt_session import Arrival
from store.block import BlockRow
from store.event import EventRow, Recorded
from store.feed import AnswerItem, ResultItem
from store.identity import BirthRow, Product
from store.message import Key
from store.node_config import ReportRow
from store.node_diag import DiagRow
from store.node_state import StateRow
from store.reading import ReadingRow
from store.wave import ChunkRow


class Decoded(Struct, frozen=True, kw_only=True):
    """Taken apart. `message` None: refused, `defects` say why; the numbers may still be known.

    `loose` is the whole payload as plain values, for what is kept as it was said. `observation`
    is there where decoding already understood the whole (contract.fast_path).
    """

    arrival: Arrival
    node: str | None
    kind: str
    message: Up | None = None
    boot: int | None = None
    seq: int | None = None
    digest: int = 0
    receipt: bool = False
    loose: dict[str, object] | None = None
    observation: Observation | None = None
    defects: tuple[Defect, ...] = ()


class Checked(Struct, frozen=True, kw_only=True):
    """Understood: a batch of measurements has become readings, blocks and defects, a waveform a
    chunk. `after`: its sender is to wait so many seconds. `let_go`: nothing of it is kept."""

    decoded: Decoded
    observation: Observation | None = None
    chunk: Chunk | None = None
    defects: tuple[Defect, ...] = ()
    warnings: tuple[Defect, ...] = ()
    after: int | None = None
    let_go: bool = False


class Entry(Struct, frozen=True, kw_only=True):
    """Everything one message puts into the database, and what its sender is told.

    `key` None: it cannot, or must not, be counted; `boot` and `seq` are what it said all the same,
    so that its sender knows which message is meant. `kept` and `dropped` count series; the number
    of the series behind each reading and block stands beside them. `makers`
    are the products behind its series, in their order; `product` is the node. `replayed`: it was
    refused before. `echoed`: in developer mode, the names of the node's devices; its sender is
    told what became of the message.
    """

    arrival: Arrival
    node: str | None
    kind: str
    key: Key | None = None
    boot: int | None = None
    seq: int | None = None
    digest: int = 0
    receipt: bool = False
    defects: tuple[Defect, ...] = ()
    warnings: tuple[Defect, ...] = ()
    kept: int = 0
    dropped: int = 0
    readings: tuple[ReadingRow, ...] = ()
    blocks: tuple[BlockRow, ...] = ()
    series_of_readings: tuple[int, ...] = ()
    series_of_blocks: tuple[int, ...] = ()
    chunk: ChunkRow | None = None
    unknown: tuple[UnknownSeries, ...] = ()
    event: EventRow | None = None
    birth: BirthRow | None = None
    state: StateRow | None = None
    said: tuple[AnswerItem | ResultItem, ...] = ()
    report: ReportRow | None = None
    diag: DiagRow | None = None
    product: Product = Product()
    makers: tuple[Product, ...] = ()
    after: int | None = None
    let_go: bool = False
    echoed: Mapping[int, str] | None = None
    replayed: bool = False


class Outcome(NamedTuple):
    """What the commit made of an entry. `event` is where it is kept, new or not. `recounts`: the
    node has begun to count its boot from the beginning. `news` counts the rows that are new."""

    entry: Entry
    fresh: bool
    recounts: bool = False
    event: Recorded | None = None
    warnings: tuple[Defect, ...] = ()
    news: int = 0
