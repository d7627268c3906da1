"""From what was understood, and who it is about, to the rows of one message. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from contract import messages
from contract.clocks import occurred
from contract.errors import Defect, defect
from contract.instants import from_millis
from contract.topics import RETAINED_UP
from contract.unknown_keys import unknown_keys
from ingest import reporting
from ingest.entry import Checked, Decoded, Entry
from ingest.measurements import with_measurements
from ingest.owner import owner_of_event
from ingest.recording import recorded
from store.event import EventRow
from store.feed import AnswerItem, ResultItem
from store.identity import BirthRow, NodeIdentity, Product
from store.message import Key
from store.node_state import StateRow

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
        boot=said.boot,
        seq=said.seq,
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
        if clears(said):
            return msgspec.structs.replace(entry, defects=(), warnings=(), key=None, let_go=True)
        reason = defect("E4002" if node is None else "E4003", "")
        return msgspec.structs.replace(entry, defects=(reason,), key=None)
    if entry.let_go:
        return entry
    return _understood(entry, checked, node, people)


def clears(said: Decoded) -> bool:
    """Nothing, on a topic whose last word is retained: it takes that word from the broker. The hub
    itself does so when a node leaves it."""
    return not said.arrival.payload and said.kind in RETAINED_UP


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
        return with_measurements(entry, said.message, checked.observation, node, people)
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
        message=result.msg,
    )
