"""From a printed QR code to the first reading, over TLS, with the whole hub; and back again."""

import asyncio
import json
import os
import queue
import signal
import time
from datetime import UTC, datetime

import psycopg
import pytest

from care.people import claiming
from care.people.claiming import add_unit, make_unit
from contract import claim_code
from runtime.running import wait_until
from runtime.sealing import load_sealer
from store import claim, rotation
from tests.fixtures.fix_hub import _starting
from tests.fixtures.promised import promised
from tests.hub.tls_device import Device, Key, refused, tls

pytestmark = pytest.mark.loop


@pytest.fixture(scope="module")
def hub():
    """A hub with the two rooms that devices meet, for this module."""
    with _starting() as start:
        started = start("claims", rooms=("ingest", "downlink")).wait_up()
        log = started.data / "log" / "downlink.log"
        assert wait_until(lambda: "claims_linked" in log.read_text(), 30.0)
        yield started


class Home:
    """A patient and a unit for them, made like the command line makes them."""

    def __init__(self, hub, serial):
        self.hub, self.where = hub, hub.addresses()
        self.made = make_unit(serial, "Maker", "Model")
        self.sealer = load_sealer(hub.data / "secrets" / "units")
        self.patient_id = self.run(self._prepare)

    def run(self, work):
        async def main():
            url = self.where["database_url"]
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
                return await work(conn)

        return asyncio.run(main())

    def one(self, sql, *values):
        async def ask(conn):
            row = await (await conn.execute(sql, values)).fetchone()
            return row[0] if row else None

        return self.run(ask)

    async def _prepare(self, conn):
        await conn.execute("INSERT INTO area (level, name) VALUES ('county', %s)", (self.serial,))
        row = await conn.execute(
            "INSERT INTO patient (name, area_id, pseudonym)"
            " SELECT 'p', max(id), %s FROM area RETURNING id",
            (f"r:{self.serial.lower().replace('-', ''):0>16}",),
        )
        await add_unit(conn, self.sealer, self.made, by=None, now=datetime.now(UTC))
        return (await row.fetchone())[0]

    @property
    def serial(self):
        return self.made.serial

    def bind(self):
        """Somebody scans the code."""

        async def work(conn):
            place = await claiming.place_of(conn, self.patient_id, "kitchen")
            printed = claim_code.read_qr(self.made.qr)
            return await claiming.open_claim(
                conn, self.sealer, printed, place, by=None, address="x", now=datetime.now(UTC)
            )

        return self.run(work)

    def unit(self):
        """The unit's connection by its claim code; it cannot check the hub's certificate yet."""
        user = claim_code.claim_user(self.serial)
        until = time.monotonic() + promised(5.0)
        while refused(self._unit(user), "localhost", self.where["mqtt_tls_port"]):
            assert time.monotonic() < until, "the unit is not let in"
        return self._unit(user).at("localhost", self.where["mqtt_tls_port"])

    def _unit(self, user):
        return Device(user, user=user, password=self.made.code, context=tls())

    def ask(self, device, body):
        device.say(f"hh/1/claim/{self.serial}/req", body)
        return device.hear(20.0)

    def ask_again(self, device):
        """Ask for a nonce, again when nobody answers, as a unit does: the hub may be starting."""
        for _ in range(10):
            device.say(f"hh/1/claim/{self.serial}/req", {"serial": self.serial})
            try:
                return device.hear(3.0)
            except queue.Empty:
                continue
        raise AssertionError("nobody answers the unit")

    def claim(self, device, request=None):
        """The two steps; checks that the hub proves itself. Returns the answer."""
        device.listen(f"hh/1/claim/{self.serial}/res")
        first = self.ask(device, {"serial": self.serial})
        assert first["ok"], first
        answer = self.ask(device, self.proven(first["nonce"], request))
        if answer["ok"]:
            expected = claim_code.hub_proof(
                bytes.fromhex(self.made.secret),
                serial=self.serial,
                nonce=first["nonce"],
                node=answer["node"],
                ca=answer["ca"],
            )
            assert answer["proof"] == expected, "this is not our hub"
        return answer

    def proven(self, nonce, request=None, secret=None):
        key = bytes.fromhex(secret or self.made.secret)
        proof = claim_code.unit_proof(key, serial=self.serial, nonce=nonce, csr=request)
        body = {"serial": self.serial, "nonce": nonce, "proof": proof, "model": "m", "fw": "1"}
        return body | ({"csr": request} if request else {})

    def until(self, sql, *values, wanted=True, seconds=40.0):
        end = time.monotonic() + seconds
        while (found := self.one(sql, *values)) != wanted:
            assert time.monotonic() < end, f"{sql} is {found}, not {wanted}"
            time.sleep(0.1)


def ready(device, node, con=1):
    now = int(time.time() * 1000)
    device.say(f"hh/1/up/{node}/state", {"v": 0, "s": "ready", "con": con, "boot": 1, "t": now},
               retain=True)  # fmt: skip


def measure(device, node, seq):
    series = {"k": "bp", "o": [0], "c": {"sys": [128], "dia": [79], "pr": [70]}}
    now = int(time.time() * 1000)
    body = {"v": 0, "boot": 1, "seq": seq, "t": now, "clk": "ntp", "ser": [series]}
    device.say(f"hh/1/up/{node}/obs", body)


COMPLETED = "SELECT completed_at IS NOT NULL FROM claim WHERE serial = %s AND ended_at IS NULL"
READINGS = "SELECT count(*) FROM reading WHERE node_id = %s AND patient_id = %s"


def test_from_the_qr_code_to_the_first_reading_with_a_certificate(hub, tmp_path):
    """Not bound, bound, certified, ready, measured; then the code opens nothing; then released."""
    home = Home(hub, "HB24-CERT")
    key = Key(tmp_path)
    with home.unit() as unit:
        unit.listen(f"hh/1/claim/{home.serial}/res")
        assert home.ask_again(unit)["code"] == "E4101"
        home.bind()
        answer = home.claim(unit, key.request)
        assert (answer["port"], "pass" in answer) == (home.where["mqtts_port"], False)
    node = answer["node"]
    context = tls(answer["ca"], key.certified(answer["cert"]), key.file)
    with Device(node, context=context).at("localhost", answer["port"]) as device:
        device.listen(f"hh/1/dn/{node}/+")
        ready(device, node)
        measure(device, node, 0)
        home.until(READINGS, node, home.patient_id, wanted=1)
        home.until(COMPLETED, home.serial)
        _code_opens_nothing(home)
        _release(home, node, device)
    assert refused(Device(node, context=context), "localhost", answer["port"])


def _code_opens_nothing(home):
    user = claim_code.claim_user(home.serial)
    end = time.monotonic() + 10.0
    while not refused(home._unit(user), "localhost", home.where["mqtt_tls_port"]):
        assert time.monotonic() < end, "the claim code still opens something"
        time.sleep(0.2)


def _release(home, node, device):
    """Unclaimed: cut within 10 s, retained topics cleared, the unit may be bound as another."""

    async def work(conn):
        found = await claim.of_node(conn, node)
        return await claiming.end_claim(conn, found, by=None, now=datetime.now(UTC))

    began = time.monotonic()
    assert home.run(work)
    assert device.is_cut_within(promised(10.0))
    assert time.monotonic() - began < promised(10.0)
    home.bind()
    with home.unit() as unit:
        again = home.claim(unit)
    assert again["ok"]
    assert again["node"] != node


def test_with_a_password_and_a_lost_answer(hub):
    """Asked twice: the same node, another password, the first ends; then it measures."""
    home = Home(hub, "HB24-PASS")
    home.bind()
    with home.unit() as unit:
        first = home.claim(unit)
        second = home.claim(unit)
    assert first["node"] == second["node"]
    assert first["pass"] != second["pass"]
    node, port = second["node"], second["port"]
    assert port == home.where["mqtt_tls_port"]
    context = tls(second["ca"])
    lost = Device(node, user=node, password=first["pass"], context=context)
    assert refused(lost, "localhost", port)
    device = Device(node, user=node, password=second["pass"], context=context)
    with device.at("localhost", port):
        ready(device, node)
        measure(device, node, 0)
        home.until(READINGS, node, home.patient_id, wanted=1)
        home.until(COMPLETED, home.serial)
        _rotate_password(home, device, node, second["pass"])


def _rotate_password(home, device, node, old):
    """The node gets the new one, keeps it, says so; only then the old one ends."""
    device.listen(f"hh/1/dn/{node}/cmd")
    home.run(
        lambda conn: rotation.ask(
            conn, node_id=node, asked_by="test", at_once=False, now=datetime.now(UTC)
        )
    )
    asked = device.hear(15.0)
    assert (asked["op"], list(asked["args"])) == ("rotate", ["pass"])
    assert device.heard.empty()
    result = {"v": 0, "boot": 1, "seq": 1, "id": asked["id"], "st": "ok", "t": asked["exp"]}
    device.say(f"hh/1/up/{node}/res", result | {"clk": "ntp"})
    assert device.is_cut_within(15.0), "the old password still holds a session"
    context, port = tls(), home.where["mqtt_tls_port"]
    new = Device(node, user=node, password=asked["args"]["pass"], context=context)
    assert not refused(new, "localhost", port)
    assert refused(Device(node, user=node, password=old, context=context), "localhost", port)
    left = home.one("SELECT count(*) FROM command WHERE args ? 'pass' AND node_id = %s", node)
    assert left == 0


def test_what_is_no_claim_is_said_or_dropped(hub, tmp_path):
    """Bad JSON, another serial, too much, bad requests, used and unknown nonces; it goes on."""
    home = Home(hub, "HB24-ODD")
    home.bind()
    res, req = f"hh/1/claim/{home.serial}/res", f"hh/1/claim/{home.serial}/req"
    with home.unit() as unit:
        unit.listen(res)
        bad = [b"{", b"\xff\xfe", b"[" * 5000, b"", b"{}", b"\xa1a", b'{"serial":7}']
        bad += [b'{"serial":"HB24-CERT"}']
        bad += [json.dumps({"serial": home.serial, "csr": "x" * 100_000}).encode()]
        for payload in bad:
            unit.say(req, payload)
            assert unit.hear()["code"] == "E4107", payload[:40]
        assert home.ask(unit, home.proven("0" * 32))["code"] == "E4102"
        nonce = home.ask(unit, {"serial": home.serial})["nonce"]
        assert home.ask(unit, home.proven(nonce, "no request"))["code"] == "E4105"
        assert home.ask(unit, home.proven(nonce))["code"] == "E4102", "a nonce is for once"
        assert home.claim(unit)["ok"]


def test_whoever_relays_a_claim_cannot_change_its_request(hub, tmp_path):
    """A signing request put in place of the unit's, left out, added, or longer by a line feed:
    E4103, and no node is made. What the unit itself sends is answered."""
    home = Home(hub, "HB24-RELAY")
    home.bind()
    own, other = Key(tmp_path, "own").request, Key(tmp_path, "other").request
    with home.unit() as unit:
        unit.listen(f"hh/1/claim/{home.serial}/res")
        codes = []
        for sent, relayed in [(own, other), (own, None), (own, f"{own}\n"), (None, other)]:
            nonce = home.ask(unit, {"serial": home.serial})["nonce"]
            changed = home.proven(nonce, sent) | {"csr": relayed}
            codes.append(home.ask(unit, changed).get("code"))
        assert codes == ["E4103"] * 4
        assert home.one("SELECT node_id FROM claim WHERE serial = %s", home.serial) is None
        assert "cert" in home.claim(unit, own)


def test_wrong_proofs_lock_the_code_and_a_restart_does_not_open_it(hub):
    """Five wrong ones: E4104 with the time to wait, kept in the database."""
    home = Home(hub, "HB24-WRONG")
    home.bind()
    with home.unit() as unit:
        unit.listen(f"hh/1/claim/{home.serial}/res")
        for _ in range(5):
            nonce = home.ask(unit, {"serial": home.serial})["nonce"]
            wrong = home.proven(nonce, secret="00" * 16)
            assert home.ask(unit, wrong)["code"] == "E4103"
        locked = home.ask(unit, {"serial": home.serial})
        assert locked["code"] == "E4104"
        assert 800 < locked["after"] <= 900
        old = hub.pid("downlink")
        os.kill(old, signal.SIGKILL)
        assert wait_until(lambda: hub.pid("downlink") not in (0, old), 30.0)
        assert home.ask_again(unit)["code"] == "E4104"


def test_nothing_private_is_in_the_logs(hub):
    """Codes, factory secrets, passwords and keys stay out of every log."""
    home = Home(hub, "HB24-QUIET")
    home.bind()
    with home.unit() as unit:
        answer = home.claim(unit)
    logs = "".join(f.read_text(errors="replace") for f in (hub.data / "log").iterdir()) + hub.said()
    assert home.serial in logs, "the claim was not noted at all"
    for secret in (home.made.code, home.made.secret, answer["pass"], "PRIVATE KEY"):
        assert secret not in logs
