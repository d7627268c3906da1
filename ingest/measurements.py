"""From a batch of measurements, and who it is about, to the rows of its message. Pure."""

from collections.abc import Mapping

import msgspec

from contract import messages
from contract.errors import Defect, defect
from contract.observation import Block, Observation, Reading
from contract.pointer import pointer
from ingest.entry import Entry
from ingest.owner import owner
from store.block import BlockRow
from store.identity import NodeIdentity, Product
from store.message import NOTHING_TAKEN
from store.reading import ReadingRow, Values


def with_measurements(
    entry: Entry,
    obs: messages.Obs,
    observation: Observation,
    node: NodeIdentity,
    people: Mapping[str, int],
) -> Entry:
    """The entry with its readings and blocks; series of devices this node never declared are
    refused."""
    strangers = _strangers(obs, observation, node)
    nothing_taken = bool(strangers) and observation.kept == len(strangers)
    of = (obs, entry, node, people)
    readings = [r for r in observation.readings if r.dev in node.devices]
    blocks = [b for b in observation.blocks if b.dev in node.devices]
    return msgspec.structs.replace(
        entry,
        # Once the device is declared, the same message is to be taken.
        digest=NOTHING_TAKEN if nothing_taken else entry.digest,
        readings=tuple(_reading(r, *of) for r in readings),
        blocks=tuple(_block(b, *of) for b in blocks),
        series_of_readings=tuple(r.series for r in readings),
        series_of_blocks=tuple(b.series for b in blocks),
        unknown=tuple(observation.unknown),
        defects=(*observation.defects, *strangers),
        warnings=(*entry.warnings, *observation.warnings),
        makers=_makers(obs, node) if _told(observation) else (),
        kept=observation.kept - len(strangers),
        dropped=observation.dropped + len(strangers),
    )


def _told(observation: Observation) -> bool:
    return bool(observation.defects or observation.unknown or observation.warnings)


def _makers(obs: messages.Obs, node: NodeIdentity) -> tuple[Product, ...]:
    return tuple(node.product_of(series.dev or "") for series in obs.ser)


def _strangers(
    obs: messages.Obs, observation: Observation, node: NodeIdentity
) -> tuple[Defect, ...]:
    """One defect for each good series of a device that this node never declared."""
    used = {r.series for r in observation.readings} | {b.series for b in observation.blocks}
    return tuple(
        defect("E4001", pointer(["ser", at, "dev"]), got=obs.ser[at].dev)
        for at in sorted(used)
        if (obs.ser[at].dev or "") not in node.devices
    )


def _reading(
    r: Reading, obs: messages.Obs, entry: Entry, node: NodeIdentity, people: Mapping[str, int]
) -> ReadingRow:
    values: Values = (r.values[0], r.values[1], r.values[2], r.values[3])
    return ReadingRow(
        device_id=node.devices[r.dev].device_id,
        kind=r.kind,
        measured_at=r.measured_at,
        ordinal=r.ordinal,
        patient_id=owner(node, r.dev, r.who, r.measured_at, people),
        values=values,
        flags=r.flags,
        clock=r.clock,
        claimed_at=r.claimed_at,
        who=r.who,
        session_id=r.session_id,
        context=r.context,
        original=r.original,
        fix=r.fix,
        node_id=node.node_id,
        boot=obs.boot,
        seq=obs.seq,
        sent_at=r.sent_at,
        received_at=entry.arrival.received_at,
    )


def _block(
    b: Block, obs: messages.Obs, entry: Entry, node: NodeIdentity, people: Mapping[str, int]
) -> BlockRow:
    return BlockRow(
        device_id=node.devices[b.dev].device_id,
        kind=b.kind,
        start_at=b.start_at,
        part=b.part,
        step_ms=b.step_ms,
        samples=b.samples,
        quality=b.quality,
        patient_id=owner(node, b.dev, b.who, b.start_at, people),
        flags=b.flags,
        clock=b.clock,
        claimed_at=b.claimed_at,
        who=b.who,
        context=b.context,
        node_id=node.node_id,
        boot=obs.boot,
        seq=obs.seq,
        received_at=entry.arrival.received_at,
    )
