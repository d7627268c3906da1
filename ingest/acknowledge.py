"""Stage: PUBACK, and not a moment before the commit."""

from collections.abc import Iterable

from ingest.entry import Outcome
from ingest.mqtt_session import Session


def acknowledge(session: Session, outcomes: Iterable[Outcome]) -> None:
    """The broker may forget these: they are stored, durably refused, or were before."""
    session.settle(outcome.entry.arrival for outcome in outcomes)
