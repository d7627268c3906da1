"""The fixtures themselves: other tests stand on them."""

from runtime import mqtt_probe


async def test_every_test_has_a_fresh_migrated_database(conn):
    """The database is named as a test's, has the schema and no rows."""
    name, rows = await (
        await conn.execute("SELECT current_database(), (SELECT count(*) FROM reading)")
    ).fetchone()
    assert name.startswith("test_")
    assert rows == 0


def test_a_node_is_let_in_and_shut_out(broker):
    """A node added is accepted at once, one removed refused at once, unknown ones always."""
    broker.add_node("node00000001", "secret")
    assert mqtt_probe.connect_code(broker.host, broker.port, "node00000001", "secret") == 0
    assert mqtt_probe.connect_code(broker.host, broker.port, "node00000001", "wrong") == 5
    broker.remove_node("node00000001")
    assert mqtt_probe.connect_code(broker.host, broker.port, "node00000001", "secret") == 5
