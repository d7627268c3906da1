"""Ingest in a process of its own: what it costs is its own, and whoever sends is not in its way."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from contract.acl import INGEST_USER
from tests.fixtures.fix_broker import LiveBroker


@contextlib.contextmanager
def ingest_process(url: str, broker: LiveBroker, log: Path) -> Iterator[int]:
    """Ingest as a process of its own, without limits of rate; its pid."""
    rates = ("HARD_PER_S", "HARD_BURST", "HARD_SAMPLES_PER_S", "HARD_SAMPLES_BURST")
    free = {f"HEARTHBEAT_INGEST_{name}": "1e9" for name in rates}
    started = subprocess.Popen(
        [sys.executable, "-m", "hub.main", "ingest"],
        env=os.environ
        | free
        | {"HEARTHBEAT_DATABASE_URL": url, "HEARTHBEAT_BROKER_URL": broker.url(INGEST_USER)},
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        yield started.pid
    finally:
        started.terminate()
        started.wait(20)
