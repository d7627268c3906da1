"""What the hub sends, decoded and handed to whom it concerns. Nothing it sends can hurt."""

from typing import Protocol

import structlog

from contract import codec
from contract.errors import Refused
from contract.messages import (
    Command,
    Config,
    Feedback,
    Firmware,
    HubStatus,
    Plan,
    Reminder,
    TimeAnswer,
)

_LOG = structlog.get_logger()


class Hub(Protocol):
    """Who hears of receipts, refusals and the hub's own state."""

    def hub_said(self, status: HubStatus) -> None:
        """The hub is ready, degraded or offline."""

    def take_feedback(self, feedback: Feedback) -> None:
        """A receipt, a refusal, a throttle."""


class Household(Protocol):
    """Who hears of everything that concerns the person."""

    def told(self, message: Plan | Reminder | Command | Feedback) -> None:
        """A plan, a reminder, a command, or how far a call has come."""

    def plan_cleared(self) -> None:
        """The plan was taken from the broker."""


class Machine(Protocol):
    """Who hears of everything that concerns the gateway itself."""

    def learn_time(self, answer: TimeAnswer) -> None:
        """The hub told the time."""

    def configure(self, wanted: Config) -> None:
        """The hub wants it configured so."""

    def offer_firmware(self, notice: Firmware) -> None:
        """There is firmware to fetch."""


class Inbox:
    """Takes payloads by the last word of their topic (`status` for the hub's own)."""

    def __init__(self, household: Household, machine: Machine) -> None:
        self._household = household
        self._machine = machine
        self.hub: Hub | None = None

    def take(self, kind: str, payload: bytes) -> None:
        """Act upon a payload; what cannot be understood is logged and dropped."""
        if not payload:
            if kind == "plan":
                self._household.plan_cleared()
            return
        try:
            message = codec.decode_down(kind, payload)
        except Refused as error:
            _LOG.warning("downlink_refused", kind=kind, code=error.defect.code)
            return
        self._hand_on(message)

    def _hand_on(self, message: codec.Down) -> None:
        if isinstance(message, TimeAnswer):
            self._machine.learn_time(message)
        elif isinstance(message, Config):
            self._machine.configure(message)
        elif isinstance(message, Firmware):
            self._machine.offer_firmware(message)
        elif isinstance(message, HubStatus):
            if self.hub is not None:
                self.hub.hub_said(message)
        else:
            if isinstance(message, Feedback) and self.hub is not None:
                self.hub.take_feedback(message)
            self._household.told(message)
