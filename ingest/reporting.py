"""What a node tells of itself, as rows: what it is set to, and its diagnostics. Pure."""

import msgspec

from contract import messages
from contract.clocks import EARLIEST_MS, FUTURE_MS
from contract.instants import from_millis, to_millis
from ingest.entry import Decoded
from store.node_config import ReportRow
from store.node_diag import DiagRow


def report(said: Decoded, config: messages.ConfigReport) -> ReportRow:
    """The report. A time ahead of the hub's is none: it would outdo every later report."""
    received_at = said.arrival.received_at
    possible = config.t is not None and EARLIEST_MS <= config.t <= to_millis(received_at)
    return ReportRow(
        node_id=said.node or "",
        revision=config.rev,
        applied=config.applied,
        errors=[msgspec.structs.asdict(error) for error in config.errors],
        boot=config.boot,
        seq=config.seq,
        at=from_millis(config.t) if possible and config.t is not None else received_at,
    )


def diag(said: Decoded, message: messages.Diag) -> DiagRow:
    """The diagnostics, with the device's time where it can be true."""
    received_at = said.arrival.received_at
    latest = to_millis(received_at) + FUTURE_MS
    possible = message.t is not None and EARLIEST_MS <= message.t <= latest
    return DiagRow(
        node_id=said.node or "",
        received_at=received_at,
        at=from_millis(message.t) if possible and message.t is not None else None,
        boot=message.boot,
        metrics=message.m,
        log=[msgspec.structs.asdict(line) for line in message.log],
    )
