"""Settings of downlink; environment variables HEARTHBEAT_<NAME>. Times are in seconds."""

from datetime import timedelta

from runtime.settings import ServiceSettings


class DownlinkSettings(ServiceSettings):
    """What downlink needs, with the defaults of the safety rules."""

    # Its own client id at the broker; a second process waits for a lock, it does not evict.
    downlink_client_id: str = "hub-downlink"
    # Looking is the truth; notifications only make it faster.
    downlink_poll_s: float = 1.0
    downlink_publish_timeout_s: float = 10.0
    downlink_reconnect_cap_s: float = 5.0

    # A device holds at least 14 days; renewed when the published 15 have shrunk to that.
    plan_days: float = 15.0
    plan_at_least_days: float = 14.0

    # A dose without an answer is missed so long after its window, when the device is there ...
    missed_grace_s: float = 900.0
    # ... and so long after it when the device is not.
    device_away_s: float = 86_400.0

    # How long after its expiry the answer of a command that was sent may still be on its way,
    sent_grace_s: float = 5.0
    # and how long a person may take for what the device has accepted.
    accepted_grace_s: float = 300.0

    @property
    def plan_length(self) -> timedelta:
        """How far a new revision reaches."""
        return timedelta(days=self.plan_days)

    @property
    def renew_below(self) -> timedelta:
        """A plan that reaches less far is renewed."""
        return timedelta(days=self.plan_at_least_days)
