"""The configuration the hub gave: taken once a revision, kept through a restart, reported.

What changes how this node speaks is on trial: the report itself goes out in the new encoding and
everything else in the old one, until the hub has receipted the report. Refused or unanswered, the
last good configuration is back, and the report says so.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from contract import configuration
from contract.messages import Config, ConfigError
from gateway.reports import Reports
from gateway.spool import Key
from gateway.storage import Storage, StorageUnavailableError

_LOG = structlog.get_logger()
_FACT: Final = "configuration"
# A reject comes at once and a receipt at most a second later; then nothing more is to come.
_GRACE_SECONDS: Final = 2.0


class Kept(Struct, kw_only=True):
    """What is on disk. `good` is the last configuration that was not on trial."""

    rev: int | None = None
    applied: dict[str, Any] = {}
    errors: list[ConfigError] = []
    good: dict[str, Any] | None = None


class Configured:
    """The settings in force. `own` are those of this gateway where the hub says nothing."""

    def __init__(
        self,
        storage: Storage,
        reports: Reports,
        own: Mapping[str, Any],
        *,
        waits: Callable[[Key], bool],
        trial_seconds: float,
        on_change: Callable[[Mapping[str, Any]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._reports = reports
        self._own = {**configuration.DEFAULTS, **own}
        self._waits = waits
        self._trial_seconds = trial_seconds
        self._on_change = on_change
        self._monotonic = monotonic
        self._kept = _kept(storage.fact(_FACT))
        self._probe: Key | None = None
        self._deadline: float | None = None
        self._receipted: float | None = None

    def start(self) -> None:
        """Go on with a trial that a restart interrupted."""
        if self._kept.good is not None:
            self._begin_trial()

    # --- what holds -----------------------------------------------------------------------------

    @property
    def rev(self) -> int | None:
        """The revision this node works with."""
        return self._kept.rev

    def value(self, key: str) -> Any:
        """The setting in force."""
        return self._kept.applied.get(key, self._own[key])

    def given(self, key: str) -> Any:
        """The setting in force if the hub set it to something else than our own; else None."""
        value = self.value(key)
        return None if value == self._own[key] else value

    def encoding(self, key: Key | None) -> str:
        """In which encoding a message goes out; None stands for those without a number."""
        good = self._kept.good
        if good is not None and (key is None or key != self._probe):
            return str(good.get("enc", self._own["enc"]))
        return str(self.value("enc"))

    # --- what comes down ------------------------------------------------------------------------

    def accept(self, wanted: Config) -> bool:
        """Take a revision over, unless it is older or the same; then report."""
        kept = self._kept
        if kept.rev is not None and wanted.rev <= kept.rev:
            return False
        standing = {**self._own, **kept.applied}
        checked = configuration.settle(wanted.set, standing, self._own)
        good = kept.good or standing
        on_trial = checked.applied.get("enc") != good.get("enc", self._own["enc"])
        self._put(
            Kept(
                rev=wanted.rev,
                applied=checked.applied,
                errors=checked.errors,
                good=good if on_trial else None,
            )
        )
        _LOG.info("configured", rev=wanted.rev, errors=len(checked.errors), on_trial=on_trial)
        return True

    def roll_back(self, why: str) -> bool:
        """What is on trial, or turned out later not to be understood, is taken back."""
        kept = self._kept
        standing = {**self._own, **kept.applied}
        if kept.good is None and standing["enc"] == "json":
            return False
        good = kept.good or {**standing, "enc": "json"}
        errors = [*kept.errors, ConfigError(path="/enc", msg=f"taken back: {why}")]
        self._put(Kept(rev=kept.rev or 0, applied=good, errors=errors))
        _LOG.warning("configuration_taken_back", rev=kept.rev, why=why)
        return True

    def _put(self, kept: Kept) -> None:
        before, self._kept = self._kept, kept
        try:
            with self._storage.transaction():
                self._storage.set_fact(_FACT, msgspec.json.encode(kept))
                self._begin_trial()
        except StorageUnavailableError as error:
            # Works until the power goes; the retained message comes again after that.
            _LOG.error("configuration_not_stored", error=str(error))
            self._begin_trial()
        self._on_change(before.applied)

    # --- the trial ------------------------------------------------------------------------------

    def _begin_trial(self) -> None:
        self._deadline = self._receipted = None
        self._probe = self.report()

    def report(self) -> Key:
        """Say to the hub what holds."""
        kept = self._kept
        return self._reports.configured(kept.rev or 0, {**self._own, **kept.applied}, kept.errors)

    def is_probe(self, key: Key) -> bool:
        """Whether a message is the one on which a trial hangs."""
        return self._kept.good is not None and key == self._probe

    def tick(self, *, reachable: bool) -> None:
        """Time passes; `reachable`: connected, and the hub says it is ready."""
        if self._kept.good is None or self._probe is None:
            return
        now = self._monotonic()
        if not self._waits(self._probe):
            self._receipted = self._receipted or now
            if now - self._receipted >= _GRACE_SECONDS:
                self._pass()
        elif not reachable:
            self._deadline = None
        elif self._deadline is None:
            self._deadline = now + self._trial_seconds
        elif now >= self._deadline:
            self.roll_back("no receipt")

    def _pass(self) -> None:
        kept = self._kept
        self._kept = Kept(rev=kept.rev, applied=kept.applied, errors=kept.errors)
        try:
            with self._storage.transaction():
                self._storage.set_fact(_FACT, msgspec.json.encode(self._kept))
        except StorageUnavailableError as error:
            _LOG.warning("configuration_not_stored", error=str(error))
        _LOG.info("configuration_proved", rev=kept.rev)


def _kept(stored: Any) -> Kept:
    if stored is None:
        return Kept()
    try:
        return msgspec.json.decode(stored, type=Kept)
    except msgspec.MsgspecError:
        # Written by another version: the hub's retained message says it all again.
        return Kept()
