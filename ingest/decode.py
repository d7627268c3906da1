"""Stage: bytes into messages. What is no message keeps its reason, and its numbers if readable."""

import structlog

from contract import codec, fast_path, messages, topics
from contract.codec import Up
from contract.errors import Defect, Refused, defect
from ingest import rescue
from ingest.entry import Decoded
from ingest.fault import fault
from ingest.mqtt_session import Arrival
from ingest.numbers import digest_of, digest_of_payload, numbers_of

_LOG = structlog.get_logger()

HUB_FAULT = "E9001"


def decode(arrival: Arrival) -> Decoded:
    """Take one message apart; never raises."""
    topic = topics.parse(arrival.topic)
    if topic is None or topic.direction != "up":
        return _refused(arrival, None, "", defect("E1001", "", got=arrival.topic))
    try:
        if topic.kind == "obs":
            proven = fast_path.prove(arrival.payload, arrival.received_at)
            if proven is not None:
                return _proven(arrival, topic.node, proven)
        message = codec.decode(topic.kind, arrival.payload)
        return _taken(arrival, topic.node, topic.kind, message)
    except Refused as error:
        reason = error.defect
    except Exception as error:  # noqa: BLE001 - one message must not stop all the others
        _LOG.error("decode_failed", node=topic.node, kind=topic.kind, **fault(error))
        reason = defect(HUB_FAULT, "")
    if topic.kind == "event":
        return _rescued(arrival, topic.node, reason)
    return _refused(arrival, topic.node, topic.kind, reason)


def _proven(arrival: Arrival, node: str, proven: fast_path.Proven) -> Decoded:
    return Decoded(
        arrival=arrival,
        node=node,
        kind="obs",
        message=proven.obs,
        boot=proven.obs.boot,
        seq=proven.obs.seq,
        digest=digest_of(proven.obs),
        receipt=bool(proven.obs.rc),
        observation=proven.observation(),
    )


def _taken(arrival: Arrival, node: str, kind: str, message: Up) -> Decoded:
    boot = seq = None
    receipt = False
    if isinstance(message, messages.Envelope):
        boot, seq, receipt = message.boot, message.seq, bool(message.rc)
    kept_whole = isinstance(message, messages.Event | messages.Birth)
    return Decoded(
        arrival=arrival,
        node=node,
        kind=kind,
        message=message,
        boot=boot,
        seq=seq,
        digest=digest_of(message),
        receipt=receipt or kind == "event",
        loose=rescue.loose(arrival.payload) if kept_whole else None,
    )


def _rescued(arrival: Arrival, node: str, reason: Defect) -> Decoded:
    said = rescue.loose(arrival.payload)
    boot, seq = rescue.counted(said)
    event = rescue.as_event(said, arrival)
    return Decoded(
        arrival=arrival,
        node=node,
        kind="event",
        message=event,
        boot=boot,
        seq=seq,
        digest=digest_of(event) if event.id else digest_of_payload(arrival.payload),
        receipt=True,
        loose=said,
        defects=(reason,),
    )


def _refused(arrival: Arrival, node: str | None, kind: str, reason: Defect) -> Decoded:
    numbers = numbers_of(arrival.payload)
    return Decoded(
        arrival=arrival,
        node=node,
        kind=kind,
        boot=numbers.boot,
        seq=numbers.seq,
        digest=digest_of_payload(arrival.payload),
        receipt=bool(numbers.rc),
        defects=(reason,),
    )
