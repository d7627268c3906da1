"""The knobs of ingest; all from the environment, prefix HEARTHBEAT_INGEST_ for its own."""

from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from contract.codec import MAX_PACKET
from runtime.settings import ServiceSettings


def _own(name: str, default: Any, **limits: Any) -> Any:
    """A knob of this room: HEARTHBEAT_INGEST_<NAME>, or by its name in code."""
    return Field(default, validation_alias=f"HEARTHBEAT_INGEST_{name.upper()}", **limits)


class IngestSettings(ServiceSettings):
    """What ingest needs to know. Durations are seconds."""

    model_config = SettingsConfigDict(
        env_prefix="HEARTHBEAT_", extra="ignore", frozen=True, populate_by_name=True
    )

    # Who we are at the broker; `-data` and `-priority` are appended.
    client_id: str = _own("client_id", "hub-ingest")
    # Messages in hand per connection: the back-pressure. Near 65,535 packet ids collided.
    receive_maximum: int = _own("receive_maximum", 1000, ge=1, le=5000)
    keep_alive_s: int = _own("keep_alive_s", 30, ge=1)
    session_expiry_s: int = _own("session_expiry_s", 7 * 86_400, ge=0)
    connect_timeout_s: float = _own("connect_timeout_s", 10.0, gt=0)
    # The largest packet taken from the broker: the largest payload of a device, and its topic.
    max_packet: int = _own("max_packet", MAX_PACKET + 4096, ge=1024)
    will_delay_s: int = _own("will_delay_s", 10, ge=0)

    # A batch closes when it is full or old.
    batch_messages: int = _own("batch_messages", 500, ge=1)
    batch_age_s: float = _own("batch_age_s", 0.02, ge=0)
    writers: int = _own("writers", 2, ge=1, le=16)

    backoff_base_s: float = _own("backoff_base_s", 0.1, gt=0)
    backoff_cap_s: float = _own("backoff_cap_s", 3.0, gt=0)

    identity_ttl_s: float = _own("identity_ttl_s", 1.0, ge=0)
    receipt_every_s: float = _own("receipt_every_s", 1.0, gt=0)
    merge_rejects_s: float = _own("merge_rejects_s", 10.0, gt=0)
    feedback_expiry_s: int = _own("feedback_expiry_s", 3600, gt=0)

    probe_every_s: float = _own("probe_every_s", 1.0, gt=0)
    degraded_after_s: float = _own("degraded_after_s", 3.0, gt=0)
    status_every_s: float = _own("status_every_s", 300.0, gt=0)
