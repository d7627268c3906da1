"""One turn of the engine: what every module of it gets to work with."""

from datetime import datetime

from msgspec import Struct

from alerts.settings import AlertsSettings
from store.pool import Pool


class Turn(Struct, frozen=True, kw_only=True):
    """The database, the knobs, and what time it is in this turn."""

    pool: Pool
    settings: AlertsSettings
    now: datetime
