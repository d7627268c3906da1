"""The fixtures themselves: other tests stand on them."""

import os
import subprocess
import sys

from runtime import mqtt_probe
from runtime.running import wait_until
from tests.fixtures import leftovers
from tests.fixtures.fix_place import short_lived_directory


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


def test_who_is_killed_leaves_nothing_behind(monkeypatch):
    """What it had started, in whatever session, ends, and its directories are removed; what is
    another's stays."""
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    monkeypatch.setenv(leftovers.VARIABLE, "of-this-test-" + os.urandom(4).hex())
    mark = os.environ[leftovers.VARIABLE]
    sleeps = [sys.executable, "-c", "import time; time.sleep(3600)"]
    with short_lived_directory("killed") as place, bystander:
        (place / "file").write_text("something")
        orphan = subprocess.Popen(sleeps, start_new_session=True)
        wait_until(lambda: len(leftovers.found(mark)) == 2, 60.0)
        assert leftovers.directories(mark) == [place]
        monkeypatch.undo()
        program = [sys.executable, "-I", "-S", leftovers.__file__, mark]
        subprocess.run(program, stdin=subprocess.DEVNULL, check=True, timeout=90)
        assert orphan.wait(60) == -9
        assert leftovers.found(mark) == []
        assert bystander.poll() is None
        bystander.communicate(b"\n")
