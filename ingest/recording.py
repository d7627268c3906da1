"""From a checked chunk of a waveform, and who it is about, to its row. Pure."""

from collections.abc import Mapping

import msgspec

from contract import messages
from contract.errors import defect
from contract.wave import Chunk
from ingest.entry import Entry
from ingest.owner import owner
from store.identity import NodeIdentity
from store.message import NOTHING_TAKEN
from store.wave import ChunkRow


def recorded(
    entry: Entry,
    wave: messages.Wave,
    chunk: Chunk,
    node: NodeIdentity,
    people: Mapping[str, int],
) -> Entry:
    """The entry with its chunk; of a device this node never declared: refused, until it is."""
    device = node.devices.get(chunk.dev)
    if device is None:
        reason = defect("E4001", "/dev", got=chunk.dev)
        return msgspec.structs.replace(entry, digest=NOTHING_TAKEN, defects=(reason,), dropped=1)
    row = ChunkRow(
        device_id=device.device_id,
        recording=chunk.recording,
        chunk=chunk.chunk,
        kind=chunk.kind,
        patient_id=owner(node, chunk.dev, None, chunk.started_at, people),
        started_at=chunk.started_at,
        hz=chunk.hz,
        samples=chunk.samples,
        channels=chunk.channels,
        encoding=chunk.encoding,
        scale=chunk.scale,
        zero=chunk.zero,
        unit=chunk.unit,
        last=chunk.last,
        data=chunk.data,
        clock=chunk.clock,
        claimed_at=chunk.claimed_at,
        node_id=node.node_id,
        boot=wave.boot,
        seq=wave.seq,
        received_at=entry.arrival.received_at,
    )
    return msgspec.structs.replace(entry, chunk=row, kept=1, product=node.product_of(chunk.dev))
