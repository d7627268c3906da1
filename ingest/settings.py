"""The knobs of ingest; all from the environment, prefix HEARTHBEAT_INGEST_ for its own."""

from typing import Any, Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from contract.codec import MAX_PACKET
from ingest.rate import Rate
from ingest.throttle import SOFT, Limits
from runtime.settings import ServiceSettings
from store.retention import Kept

_KEPT: Final = Kept()


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
    receive_maximum: int = _own("receive_maximum", 4000, ge=1, le=5000)
    keep_alive_s: int = _own("keep_alive_s", 30, ge=1)
    session_expiry_s: int = _own("session_expiry_s", 7 * 86_400, ge=0)
    connect_timeout_s: float = _own("connect_timeout_s", 10.0, gt=0)
    # The largest packet taken from the broker: the largest payload of a device, and its topic.
    max_packet: int = _own("max_packet", MAX_PACKET + 4096, ge=1024)
    will_delay_s: int = _own("will_delay_s", 10, ge=0)

    # A batch closes when it is full or old; half of what may be in hand is full too, so that the
    # next one fills while this one is written.
    batch_messages: int = _own("batch_messages", 5000, ge=1)
    batch_age_s: float = _own("batch_age_s", 0.02, ge=0)
    writers: int = _own("writers", 2, ge=1, le=16)

    backoff_base_s: float = _own("backoff_base_s", 0.1, gt=0)
    backoff_cap_s: float = _own("backoff_cap_s", 3.0, gt=0)

    identity_ttl_s: float = _own("identity_ttl_s", 1.0, ge=0)
    receipt_every_s: float = _own("receipt_every_s", 1.0, gt=0)
    merge_rejects_s: float = _own("merge_rejects_s", 10.0, gt=0)
    feedback_expiry_s: int = _own("feedback_expiry_s", 3600, gt=0)

    # How often a node may send (docs/adr/0007). Beyond a soft rate everything is kept and the node
    # is asked to slow down; beyond a hard one it has to send again later. Messages of each kind, a
    # second and at once; samples of all kinds.
    soft_samples_per_s: float = _own("soft_samples_per_s", 2_000, gt=0)
    soft_samples_burst: float = _own("soft_samples_burst", 40_000, ge=1)
    hard_per_s: float = _own("hard_per_s", 1_000, gt=0)
    hard_burst: float = _own("hard_burst", 20_000, ge=1)
    hard_samples_per_s: float = _own("hard_samples_per_s", 50_000, gt=0)
    hard_samples_burst: float = _own("hard_samples_burst", 1_000_000, ge=1)
    # The soft rates of the kinds are those of the specification, times this.
    soft_factor: float = _own("soft_factor", 1.0, gt=0)

    # Gaps: between rounds, until what came is looked at, and how long a hole waits for what fills
    # it: a device sends again after a minute, and its backlog comes slowly.
    gap_every_s: float = _own("gap_every_s", 5.0, gt=0)
    gap_after_s: float = _own("gap_after_s", 60.0, ge=0)
    gap_quiet_s: float = _own("gap_quiet_s", 180.0, ge=0)

    replay_every_s: float = _own("replay_every_s", 10.0, gt=0)
    replay_batch: int = _own("replay_batch", 200, ge=1, le=5000)
    deprecations_every_s: float = _own("deprecations_every_s", 60.0, gt=0)
    tidy_every_s: float = _own("tidy_every_s", 60.0, gt=0)

    # One process acts (docs/operations/standby.md). How often the lease is renewed and looked at;
    # after so long without a renewal another one takes over: from a holder that still has sessions
    # at the database (frozen), and from one that has none (killed).
    lease_look_s: float = _own("lease_look_s", 0.5, gt=0)
    lease_silent_s: float = _own("lease_silent_s", 5.0, gt=0)
    lease_gone_s: float = _own("lease_gone_s", 2.0, gt=0)
    # How often the hub publishes a word to itself, to know that what is published arrives.
    flow_every_s: float = _own("flow_every_s", 10.0, gt=0)

    # How often charts' aggregates take in what is new; the last hours are read as they are.
    aggregates_every_s: float = _own("aggregates_every_s", 20.0, gt=0)

    # For how many days what is kept is kept (store/retention.py); readings are kept for ever.
    keep_blocks_days: int = _own("keep_blocks_days", _KEPT.blocks, ge=7)
    keep_waveforms_days: int = _own("keep_waveforms_days", _KEPT.waveforms, ge=7)
    keep_rejects_days: int = _own("keep_rejects_days", _KEPT.rejects, ge=7)
    # By how many days what is forgotten may go on in an hour, whatever the clock says.
    retention_days_an_hour: float = _own("retention_days_an_hour", _KEPT.days_an_hour, ge=0.05)
    # After how many days old stretches become columns, where TimescaleDB is there.
    reading_rows_days: int = _own("reading_rows_days", _KEPT.reading_rows, ge=1)
    block_rows_days: int = _own("block_rows_days", _KEPT.block_rows, ge=1)

    probe_every_s: float = _own("probe_every_s", 1.0, gt=0)
    degraded_after_s: float = _own("degraded_after_s", 3.0, gt=0)
    status_every_s: float = _own("status_every_s", 300.0, gt=0)

    def kept(self) -> Kept:
        """What is kept for how long."""
        return Kept(
            blocks=self.keep_blocks_days,
            waveforms=self.keep_waveforms_days,
            rejects=self.keep_rejects_days,
            reading_rows=self.reading_rows_days,
            block_rows=self.block_rows_days,
            days_an_hour=self.retention_days_an_hour,
        )

    @property
    def batch_size(self) -> int:
        """Messages in a batch, at most."""
        return max(1, min(self.batch_messages, self.receive_maximum // 2))

    def limits(self) -> Limits:
        """The rates in force."""
        soft = {
            kind: Rate(rate.per_s * self.soft_factor, rate.burst * self.soft_factor)
            for kind, rate in SOFT.items()
        }
        return Limits(
            soft=soft,
            hard=Rate(self.hard_per_s, self.hard_burst),
            soft_samples=Rate(self.soft_samples_per_s, self.soft_samples_burst),
            hard_samples=Rate(self.hard_samples_per_s, self.hard_samples_burst),
        )
