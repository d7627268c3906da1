"""A broker, a database, a running ingest and devices, as in the tests of ingest."""

from tests.ingest.conftest import device, ingest, people, settings

__all__ = ["device", "ingest", "people", "settings"]
