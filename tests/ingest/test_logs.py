"""What ingest logs names nodes and codes, never a person, a value or a byte of what was said."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import Device, count, until, until_count
from tests.ingest.processes import several

pytestmark = pytest.mark.loop

# Each of these is somewhere in the database or in a message; none may be in a log.
NAME, PSEUDONYM, WHO = "Canary Zhang", "r:ca11ab1eca11ab1e", "canaryslot"
NOTE, SESSION, TEXT = "canary-note", "canary-session", "canarytext"
VALUES = ("203.517", "117.293", "93.871")
CANARIES = (NAME, "Zhang", PSEUDONYM, WHO, NOTE, SESSION, TEXT, *VALUES)


async def settle_canaries(conn: Connection) -> None:
    """A person whose every word is a canary."""
    await conn.execute(
        "UPDATE patient SET name = %s, pseudonym = %s WHERE id = 1", (NAME, PSEUDONYM)
    )


def say_everything(device: Device) -> None:
    """Good, refused, torn, unstorable, conflicting and unknown: all with canaries in them."""
    parts = {"sys": [float(VALUES[0])], "dia": [float(VALUES[1])]}
    series = {"k": "bp", "o": [0], "c": parts, "who": WHO, "note": NOTE}
    device.send("obs", {"ser": [series]})
    device.send("obs", {"ser": [series | {"k": f"x-{TEXT}"}], "s": SESSION})
    device.send("obs", {"ser": [{"k": "bp", "c": {"sys": TEXT}}]})
    device.send("obs", {"ser": [series | {"dev": TEXT}]})
    device.send("event", {"id": f"e-{TEXT}", "type": TEXT, "who": WHO, "src": {"x": VALUES[2]}})
    device.send("event", {"id": f"n-{TEXT}", "type": "sos", "src": {"x": f"{TEXT}\x00"}})
    device.send("ack", {"id": TEXT, "s": TEXT, "why": NOTE})
    device.send("birth", {"maker": TEXT, "model": TEXT, "devices": NOTE})
    for torn in (b'{"v":0,"sys":203.517', b"\xff\xfe" + TEXT.encode(), TEXT.encode() * 3000):
        for kind in ("obs", "event", "diag", "wave", TEXT):
            device.raw(kind, torn)


# Values that PostgreSQL refuses, with the values in its message.
REFUSING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'refused: %', NEW USING ERRCODE = 'check_violation', CONSTRAINT = 'refuse';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION refuse();
"""


async def test_no_log_says_anything_about_a_person(
    device: Device, people: Connection, broker: LiveBroker, database_url: str, tmp_path: Path
) -> None:
    """At the finest level, through refusals, faults of the database, cut sessions, a broker that
    restarts, a kill and a takeover."""
    await settle_canaries(people)
    url, level = broker.url("hub-ingest"), {"HEARTHBEAT_LOG_LEVEL": "DEBUG"}
    with several(2, database_url, url, tmp_path, **level) as both:
        await until(lambda: "ready" in device.statuses())
        say_everything(device)
        await until_count(people, "reading", 1)
        await until(lambda: len(device.feedback()) > 8)
        await people.execute(REFUSING.encode())
        say_everything(device)
        await asyncio.sleep(2.0)
        await people.execute("DROP TRIGGER refuse ON event")
        await people.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'hearthbeat ingest%'"
        )
        broker.stop()
        broker.start()
        await until(device._client.is_connected)
        say_everything(device)
        both[0].send(signal.SIGKILL)
        stored = await count(people, "reject")
        say_everything(device)
        await until(lambda: len(device.feedback()) > 16)
        assert stored > 0
        said = "".join(one.log.read_text(errors="replace") for one in both)
    assert "set_aside" in said
    assert [canary for canary in CANARIES if canary in said] == []
    assert all(isinstance(json.loads(line), dict) for line in said.splitlines())
