"""From what was understood, and who it is about, to the rows of one message. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from contract import messages
from contract.clocks import occurred
from contract.errors import Defect, defect
from contract.instants import from_millis
from contract.observation import Block, Observation, Reading
from contract.pointer import pointer
from contract.unknown_keys import unknown_keys
from ingest import reporting
from ingest.entry import Checked, Decoded, Entry
from ingest.owner import owner, owner_of_event
from ingest.recording import recorded
from store.block import BlockRow
from store.event import EventRow
from store.feed import AnswerItem, ResultItem
from store.identity import BirthRow, NodeIdentity, Product
from store.message import NOTHING_TAKEN, Key
from store.node_state import StateRow
from store.reading import ReadingRow, Values

NOBODY: Final = Product()
_UNTRUSTED: Final = "untrusted"
_HINTS: Final = 16


def place(checked: Checked, node: NodeIdentity | None, people: Mapping[str, int]) -> Entry:
    """The entry of a message. Only an event lands without a node of ours in use (rule 4)."""
    said = checked.decoded
    entry = Entry(
        arrival=said.arrival,
        node=said.node,
        kind=said.kind,
        key=_key(said, checked.defects),
        digest=said.digest,
        receipt=said.receipt,
        defects=checked.defects,
        warnings=(*checked.warnings, *_hints(said, node)),
        after=checked.after,
        let_go=checked.let_go,
        product=node.product if node is not None else NOBODY,
        echoed=_names_to_echo(said, node),
    )
    if isinstance(said.message, messages.Event):
        return _event(entry, said, said.message, node, people)
    if said.node is None:
        return entry
    if node is None or node.revoked:
        reason = defect("E4002" if node is None else "E4003", "")
        return msgspec.structs.replace(entry, defects=(reason,), key=None)
    if entry.let_go:
        return entry
    return _understood(entry, checked, node, people)


def _developing(said: Decoded, node: NodeIdentity | None) -> bool:
    until = node.dev_until if node is not None else None
    return until is not None and said.arrival.received_at < until


def _names_to_echo(said: Decoded, node: NodeIdentity | None) -> dict[int, str] | None:
    """The devices by their name on the wire, while the node is in developer mode."""
    if node is None or not _developing(said, node):
        return None
    return {device.device_id: name for name, device in node.devices.items()}


def _hints(said: Decoded, node: NodeIdentity | None) -> list[Defect]:
    """Keys that nobody knows, told in developer mode: most of them are misspelt."""
    if not _developing(said, node):
        return []
    paths = unknown_keys(said.kind, said.loose or said.arrival.payload)
    return [defect("W2003", path, got=path.rpartition("/")[2]) for path in paths[:_HINTS]]


def _key(said: Decoded, defects: tuple[Defect, ...]) -> Key | None:
    if said.node is None or said.boot is None or said.seq is None:
        return None
    if any(reason.retry for reason in defects):
        return None  # it is to come again: neither counted nor receipted
    return Key(said.node, said.boot, said.seq)


def _understood(
    entry: Entry, checked: Checked, node: NodeIdentity, people: Mapping[str, int]
) -> Entry:
    said = checked.decoded
    if isinstance(said.message, messages.Obs) and checked.observation is not None:
        return _observed(entry, said.message, checked.observation, node, people)
    if isinstance(said.message, messages.Wave) and checked.chunk is not None:
        return recorded(entry, said.message, checked.chunk, node, people)
    return msgspec.structs.replace(entry, **_of_the_node(said))


def _of_the_node(said: Decoded) -> dict[str, Any]:
    """What a node says of itself and of what it was asked to do, by the field of the entry."""
    fields: dict[str, Any] = {}
    match said.message:
        case messages.Birth():
            fields["birth"] = _birth(said, said.message)
        case messages.State():
            fields["state"] = _state(said, said.message)
        case messages.Ack():
            fields["said"] = tuple(_answers(said, said.message))
        case messages.Result():
            fields["said"] = (_result(said, said.message),)
        case messages.ConfigReport():
            fields["report"] = reporting.report(said, said.message)
        case messages.Diag():
            fields["diag"] = reporting.diag(said, said.message)
    return fields


# --- measurements -------------------------------------------------------------------------------


def _observed(
    entry: Entry,
    obs: messages.Obs,
    observation: Observation,
    node: NodeIdentity,
    people: Mapping[str, int],
) -> Entry:
    strangers = _strangers(obs, observation, node)
    nothing_taken = bool(strangers) and observation.kept == len(strangers)
    of = (obs, entry, node, people)
    return msgspec.structs.replace(
        entry,
        # Once the device is declared, the same message is to be taken.
        digest=NOTHING_TAKEN if nothing_taken else entry.digest,
        readings=tuple(_reading(r, *of) for r in observation.readings if r.dev in node.devices),
        blocks=tuple(_block(b, *of) for b in observation.blocks if b.dev in node.devices),
        unknown=tuple(observation.unknown),
        defects=(*observation.defects, *strangers),
        warnings=(*entry.warnings, *observation.warnings),
        makers=_makers(obs, node) if observation.defects or observation.unknown else (),
        kept=observation.kept - len(strangers),
        dropped=observation.dropped + len(strangers),
    )


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
        who=b.who,
        context=b.context,
        node_id=node.node_id,
        boot=obs.boot,
        seq=obs.seq,
        received_at=entry.arrival.received_at,
    )


# --- everything else ------------------------------------------------------------------------------


def _event(
    entry: Entry,
    said: Decoded,
    event: messages.Event,
    node: NodeIdentity | None,
    people: Mapping[str, int],
) -> Entry:
    received_at = said.arrival.received_at
    at, clock = occurred(event, received_at)
    if clock == _UNTRUSTED:
        # What it claims stays in the body; an emergency is never old because a clock is wrong.
        at = received_at
    dev = event.src.get("dev")
    patient = (
        owner_of_event(node, dev if isinstance(dev, str) else "", event.who, at, people)
        if node is not None
        else None
    )
    body = msgspec.json.encode(said.loose or {}).decode()
    row = EventRow(
        node_id=said.node or "",
        event_id=_event_id(said, event),
        type=event.type,
        severity=event.sev,
        patient_id=patient,
        occurred_at=at,
        clock=clock,
        received_at=received_at,
        ref=event.ref,
        body=body,
        attempt=event.attempt or 1,
    )
    return msgspec.structs.replace(entry, event=row, kept=1)


def _event_id(said: Decoded, event: messages.Event) -> str:
    """Its own id, else its numbers, else what it says: the same for every resend."""
    if event.id:
        return event.id
    if said.boot is not None and said.seq is not None:
        return f"{said.boot}-{said.seq}"
    return f"{said.digest & (2**64 - 1):016x}"


def _birth(said: Decoded, birth: messages.Birth) -> BirthRow:
    return BirthRow(
        node_id=said.node or "",
        maker=birth.maker,
        model=birth.model,
        hardware=birth.hw,
        firmware=birth.fw,
        body=msgspec.json.encode(said.loose or {}).decode(),
        at=said.arrival.received_at,
    )


def _state(said: Decoded, state: messages.State) -> StateRow:
    received_at = said.arrival.received_at
    return StateRow(
        node_id=said.node or "",
        state=state.s,
        con=state.con,
        boot=state.boot,
        battery=state.bat,
        subs=state.subs,
        plan_revision=state.plan,
        state_at=from_millis(state.t) if state.t is not None else received_at,
        seen_at=received_at,
        live=said.arrival.live,
    )


def _answers(said: Decoded, ack: messages.Ack) -> list[AnswerItem]:
    sent_at = from_millis(ack.t) if ack.t is not None else said.arrival.received_at
    return [
        AnswerItem(
            node_id=said.node or "",
            id=answer.id,
            state=answer.st,
            at=from_millis(answer.at) if answer.at is not None else sent_at,
            by=answer.by,
            why=answer.why,
            received_at=said.arrival.received_at,
        )
        for answer in ack.acks
    ]


def _result(said: Decoded, result: messages.Result) -> ResultItem:
    return ResultItem(
        node_id=said.node or "",
        command_id=result.id,
        state=result.st,
        out=result.out,
        session_id=result.ses,
        received_at=said.arrival.received_at,
    )
