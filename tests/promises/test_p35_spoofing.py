"""Promise 35: who has the credentials of one device is that device, whatever it says it is.

By certificate or password: the common name (or the user), the client id, the topic and the device
in the payload agree, or nothing is stored; and the one it plays at goes on undisturbed.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from contract.acl import INGEST_USER
from ingest.settings import IngestSettings
from runtime.mosquitto_password import hash_password
from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.hub.test_tls import ONE, TWO, Place, place
from tests.hub.tls_device import Device, refused, tls
from tests.ingest.conftest import count, now_ms, quick, running, until_count

__all__ = ["place"]
Connect = Callable[[str, str | None], Any]
HOMES = """
INSERT INTO area (level, name) VALUES ('village', 'a village');
INSERT INTO patient (name, area_id, pseudonym)
    SELECT 'p', 1, 'r:000000000000000' || n FROM generate_series(1, 2) AS n;
INSERT INTO node (id, area_id) VALUES ('nodeaaaa0001', 1), ('nodebbbb0002', 1);
INSERT INTO device (node_id, dev) VALUES ('nodeaaaa0001', 'cuffa'), ('nodebbbb0002', 'cuffb');
INSERT INTO device_binding (device_id, patient_id, during)
    VALUES (1, 1, '[2020-01-01,)'), (2, 2, '[2020-01-01,)');
"""


def reading(seq: int, dev: str) -> dict[str, Any]:
    """A severe pressure of this cuff."""
    series = {"k": "bp", "dev": dev, "o": [0], "c": {"sys": [212], "dia": [126]}}
    return {"v": 0, "boot": 1, "seq": seq, "t": now_ms() + seq, "clk": "ntp", "ser": [series]}


@pytest.fixture
async def settings(place: Place, database_url: str, conn: Connection) -> IngestSettings:
    """Ingest behind a broker with certificates, and two homes."""
    await conn.execute(HOMES.encode())
    place.server.write_users({node: hash_password(node) for node in (ONE, TWO)})
    place.server.reload()
    chosen = quick(database_url, LiveBroker(place.server))
    return chosen.model_copy(update={"broker_url": place.server.service_url(INGEST_USER)})


def by_certificate(place: Place) -> Connect:
    """With the first node's certificate, under any client id and user name."""
    context, _ = place.context(ONE)

    def connect(client_id: str, user: str | None) -> Any:
        device = Device(client_id, user=user, password="x" if user else None, context=context)
        return device.at("localhost", place.certificates)

    return connect


def by_password(place: Place) -> Connect:
    """With the first node's password, under any client id."""

    def connect(client_id: str, user: str | None) -> Any:
        context = tls(place.authority.pem)
        device = Device(client_id, user=user or ONE, password=ONE, context=context)
        return device.at("localhost", place.passwords)

    return connect


@pytest.mark.parametrize("how", [by_certificate, by_password])
async def test_p35_only_what_agrees_is_stored(
    place: Place, conn: Connection, settings: IngestSettings, how: Callable[[Place], Connect]
) -> None:
    """Every combination of client id, topic and device of either node, with the credentials of the
    first: what is stored is the first node's own reading, of its own patient; the rest is refused
    at the broker or kept as a reject; the second node stays connected, and is not spoken for."""
    connect, numbers = how(place), itertools.count()
    expected, strangers = 0, 0
    victim, _ = place.context(TWO)
    async with running(settings):
        with Device(TWO, context=victim).at("localhost", place.certificates) as two:
            two.listen("hh/1/hub/status")
            while (await asyncio.to_thread(two.hear, 30.0))["s"] != "ready":
                pass
            two.listen(f"hh/1/dn/{TWO}/+")
            for client_id, topic, dev in itertools.product((ONE, TWO), (ONE, TWO), "ab"):
                with connect(client_id, None) as one:
                    code = one.say(f"hh/1/up/{topic}/obs", reading(next(numbers), f"cuff{dev}"))
                assert (code.value == 0x87) is (topic == TWO), (client_id, topic, dev)
                expected += topic == ONE and dev == "a"
                strangers += topic == ONE and dev == "b"
            await until_count(conn, "reading", expected)
            await until_count(conn, "reject", strangers)
            assert not two.is_cut_within(0.2)
            assert two.heard.empty()
            assert two.say(f"hh/1/up/{TWO}/obs", reading(next(numbers), "cuffb")).value == 0
            await until_count(conn, "reading", expected + 1)
    rows = "SELECT DISTINCT node_id, patient_id FROM reading ORDER BY 1"
    assert await (await conn.execute(rows.encode())).fetchall() == [(ONE, 1), (TWO, 2)]
    assert await count(conn, "reject", f"code = 'E4001' AND node_id = '{ONE}'") == strangers == 2


async def test_p35_a_name_without_its_own_secret_opens_nothing(
    place: Place, settings: IngestSettings
) -> None:
    """The second node's name with the first one's password, or with the first one's certificate
    where a password is asked; no password; the hub's own names from the devices' side."""
    secret, _ = place.context(ONE)
    by_authority = tls(place.authority.pem)
    for user, password, context in (
        (TWO, ONE, by_authority),
        (TWO, ONE, secret),
        (TWO, None, by_authority),
        (INGEST_USER, ONE, by_authority),
        ("#", ONE, by_authority),
        ("+", "+", by_authority),
        ("", "", by_authority),
    ):
        device = Device(user or ONE, user=user, password=password, context=context)
        assert refused(device, "localhost", place.passwords), (user, password)
    assert not refused(
        Device(ONE, user=ONE, password=ONE, context=by_authority), "localhost", place.passwords
    )
