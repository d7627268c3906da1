"""The knobs of the alert engine, in seconds. None of them can lengthen a hard floor (rule 13)."""

from datetime import timedelta

from pydantic import Field

from alerts.drafts import Timing
from runtime.settings import ServiceSettings


class AlertsSettings(ServiceSettings):
    """From the environment: `HEARTHBEAT_ALERTS_POLL_S` and so on, beside the common ones."""

    model_config = ServiceSettings.model_config | {"populate_by_name": True}

    broker_url: str = ""  # the engine speaks to no broker
    console_url: str = "http://127.0.0.1:8080"
    # Shown and said when nobody answers; the one of the country.
    emergency_number: str = "120"

    # Polling is the truth; a NOTIFY only wakes earlier.
    alerts_poll_s: float = Field(1.0, gt=0)
    alerts_feed_batches: int = Field(50, gt=0)
    # How often the timers look: silence, plans, faults to try again.
    alerts_silence_every_s: float = Field(60.0, ge=0)
    alerts_plans_every_s: float = Field(10.0, ge=0)
    alerts_faults_every_s: float = Field(60.0, ge=0)

    # Safety rule 6: 60 s of rest and a window of 5 min.
    alerts_rest_s: int = Field(60, ge=0)
    alerts_confirm_s: float = Field(360.0, ge=0, le=600)
    alerts_late_settle_s: float = Field(5.0, ge=0, le=600)
    alerts_renew_after_s: float = Field(14_400.0, ge=0)
    # Safety rule 12: the ladder starts again.
    alerts_restart_after_s: int = Field(600, gt=0, le=600)

    # The outbox.
    alerts_senders: int = Field(16, gt=0)
    alerts_senders_each: int = Field(2, gt=0)
    alerts_webhook_timeout_s: float = Field(10.0, gt=0)
    alerts_lease_s: float = Field(30.0, gt=0)
    alerts_retry_base_s: float = Field(1.0, gt=0)
    alerts_retry_cap_s: float = Field(60.0, gt=0)
    alerts_give_up_after_s: float = Field(86_400.0, gt=0)
    # A step that cannot be reached for so long makes the next one due.
    alerts_fail_over_after_s: float = Field(30.0, ge=0)

    def timing(self) -> Timing:
        """What the pure part needs of these."""
        return Timing(
            confirm_within=timedelta(seconds=self.alerts_confirm_s),
            late_settle=timedelta(seconds=self.alerts_late_settle_s),
            renew_after=timedelta(seconds=self.alerts_renew_after_s),
        )
