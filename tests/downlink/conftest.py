"""A home whose node may connect to a real broker."""

import pytest

from store.pool import Connection
from tests.downlink.home import NODE, Home, build
from tests.downlink.live import PASSWORD
from tests.fixtures.fix_broker import LiveBroker


@pytest.fixture
async def home(conn: Connection, broker: LiveBroker) -> Home:
    """A home whose node may connect."""
    broker.add_node(NODE, PASSWORD)
    return await build(conn)
