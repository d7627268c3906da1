"""Settings of downlink; its own are HEARTHBEAT_DOWNLINK_<NAME>. Times are in seconds."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from runtime.settings import ServiceSettings


def _own(name: str, default: Any, **limits: Any) -> Any:
    """A knob of this room: HEARTHBEAT_DOWNLINK_<NAME>, or by its name in code."""
    return Field(default, validation_alias=f"HEARTHBEAT_DOWNLINK_{name.upper()}", **limits)


class DownlinkSettings(ServiceSettings):
    """What downlink needs, with the defaults of the safety rules."""

    model_config = SettingsConfigDict(
        env_prefix="HEARTHBEAT_", extra="ignore", frozen=True, populate_by_name=True
    )

    # Its own client id at the broker; a second process waits for a lock, it does not evict.
    client_id: str = _own("client_id", "hub-downlink")
    # Looking is the truth; notifications only make it faster.
    poll_s: float = _own("poll_s", 1.0, gt=0)
    publish_timeout_s: float = _own("publish_timeout_s", 10.0, gt=0)
    reconnect_cap_s: float = _own("reconnect_cap_s", 5.0, gt=0)

    # A device holds at least 14 days; renewed when the published 15 have shrunk to that.
    plan_days: float = _own("plan_days", 15.0, gt=0)
    plan_at_least_days: float = _own("plan_at_least_days", 14.0, gt=0)

    # A dose without an answer is missed so long after its window, when the device is there ...
    missed_grace_s: float = _own("missed_grace_s", 900.0, ge=0)
    # ... and so long after it when the device is not.
    device_away_s: float = _own("device_away_s", 86_400.0, ge=0)

    # How long after its expiry the answer of a command that was sent may still be on its way,
    sent_grace_s: float = _own("sent_grace_s", 5.0, ge=0)
    # and how long a person may take for what the device has accepted.
    accepted_grace_s: float = _own("accepted_grace_s", 300.0, ge=0)

    # All nodes together are asked so often a second to send again what is missing of them.
    resends_per_s: int = _own("resends_per_s", 3, ge=1, le=1000)

    # Claims are answered where the hub gave all of these; with a foreign broker it gives none.
    claims_url: str | None = None
    authority: Path | None = None
    unit_key: Path | None = None
    device_mqtt_host: str | None = None
    device_mqtt_tls_port: int | None = None
    device_mqtts_port: int | None = None
    # A node's certificate lives so long; it is renewed at two thirds and overlaps so long.
    certificate_days: float = _own("certificate_days", 365.0, gt=0)
    certificate_overlap_days: float = _own("certificate_overlap_days", 7.0, ge=0)
    rotation_look_s: float = _own("rotation_look_s", 5.0, gt=0)

    @property
    def plan_length(self) -> timedelta:
        """How far a new revision reaches."""
        return timedelta(days=self.plan_days)

    @property
    def renew_below(self) -> timedelta:
        """A plan that reaches less far is renewed."""
        return timedelta(days=self.plan_at_least_days)
