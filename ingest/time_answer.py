"""What time is it? Answered at once, from the hub's clock, without the database."""

from typing import Final

from contract import codec, messages, topics
from contract.errors import Refused
from contract.instants import to_millis
from ingest.mqtt_session import Arrival
from runtime.clock import Clock

# A time that comes late is wrong: the broker drops it.
TIME_HOLDS_S: Final = 10


def time_answer(arrival: Arrival, clock: Clock) -> tuple[str, bytes] | None:
    """The answer to a time request as (topic, payload); None: it is no valid request."""
    topic = topics.parse(arrival.topic)
    if topic is None or topic.kind != "time":
        return None
    try:
        request = codec.decode("time", arrival.payload)
    except Refused:
        return None
    if not isinstance(request, messages.TimeRequest):
        return None
    answer = messages.TimeAnswer(
        t1=request.t1, t2=to_millis(arrival.received_at), t3=to_millis(clock.now())
    )
    return topics.dn(topic.node, "time"), codec.encode(answer)
