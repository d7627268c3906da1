"""Certificates are renewed in time, with an overlap; what fails leaves the old one as it is."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg.types.json import Jsonb

from downlink.claims import Desk
from downlink.rotation import Rotations
from downlink.settings import DownlinkSettings
from runtime.authority import Authority
from runtime.clock import ManualClock
from runtime.sealing import Sealer
from store import certificate, rotation
from store.pool import make_pool

NODE = "gateway00001"
DAY = timedelta(days=1)


def request():
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


class World:
    """A node with a certificate of a year, and the time."""

    def __init__(self, conn, rotations, desk, clock):
        self.conn, self.rotations, self.desk, self.clock = conn, rotations, desk, clock

    async def certify(self):
        now, life = self.clock.now(), self.desk.certificate_life
        issued = self.desk.authority.sign(NODE, request(), life=life, now=now)
        await certificate.add(
            self.conn,
            serial_number=issued.serial_number,
            node_id=NODE,
            not_before=issued.not_before,
            not_after=issued.not_after,
            now=now,
        )
        return issued

    async def after(self, days):
        self.clock.advance(days * 86_400)
        await self.rotations.round()

    async def asked(self):
        """The commands that wait for the node: id -> arguments."""
        rows = await self.conn.execute(
            "SELECT id, args FROM command WHERE state = 'queued' AND op = 'rotate' ORDER BY id"
        )
        return dict(await rows.fetchall())

    async def answer(self, command_id, state="ok", **out):
        await self.conn.execute(
            "UPDATE command SET state = %s, out = %s WHERE id = %s", (state, Jsonb(out), command_id)
        )
        await self.rotations.round()

    async def standing(self):
        """Of each certificate, the newest first: 'good', 'ends' or 'revoked'."""
        rows = await certificate.of_node(self.conn, NODE)
        return ["revoked" if c.revoked_at else "ends" if c.ends_at else "good" for c in rows]


@pytest.fixture
async def world(conn, database_url, tmp_path):
    clock = ManualClock(datetime(2026, 3, 4, tzinfo=UTC))
    desk = Desk(
        sealer=Sealer(b"k" * 32),
        authority=Authority.prepare(tmp_path / "authority", clock),
        host="hub.lan",
        password_port=1,
        certificate_port=2,
        certificate_life=365 * DAY,
    )
    settings = DownlinkSettings(database_url=database_url, broker_url="mqtt://u:p@127.0.0.1:1")
    await conn.execute("INSERT INTO area (level, name) VALUES ('county', 'x')")
    await conn.execute("INSERT INTO node (id, area_id) SELECT %s, max(id) FROM area", (NODE,))
    async with make_pool(database_url, name="test", size=2) as pool:
        yield World(conn, Rotations(pool, desk, clock, settings), desk, clock)


async def test_at_two_thirds_of_its_life_a_certificate_is_renewed_with_an_overlap(world):
    """Not before; then key, request, certificate, word; the old one ends seven days later."""
    await world.certify()
    await world.after(days=242)
    assert await world.asked() == {}
    await world.after(days=2)
    (first,) = (await world.asked()).items()
    assert first[1] == {}
    await world.answer(first[0], csr=request())
    (second,) = (await world.asked()).items()
    assert set(second[1]) == {"cert", "ca"}
    assert await world.standing() == ["good", "good"]
    await world.answer(second[0])
    assert await world.standing() == ["good", "ends"]
    await world.after(days=6)
    assert await world.standing() == ["good", "ends"]
    await world.after(days=2)
    assert await world.standing() == ["good", "revoked"]
    assert await world.asked() == {}


async def test_asked_to_at_once_there_is_no_overlap(world):
    """`node rotate --now`: the old one is revoked with the node's word, not before."""
    await world.certify()
    now = world.clock.now()
    for at_once in (False, True):  # asked twice: one rotation, the stricter one
        await rotation.ask(world.conn, node_id=NODE, asked_by="t", at_once=at_once, now=now)
    await world.after(days=0)
    (first,) = await world.asked()
    world.clock.advance(60)
    await world.answer(first, csr=request())
    (second,) = await world.asked()
    assert await world.standing() == ["good", "good"]
    await world.answer(second)
    assert await world.standing() == ["good", "revoked"]


@pytest.mark.parametrize("answer", ["error", "unsupported", "expired"])
async def test_without_the_nodes_word_nothing_ends_and_it_is_tried_the_next_day(world, answer):
    """It may not have the new one: both go on, and the new one does not count as the newest."""
    await world.certify()
    await world.after(days=244)
    (first,) = await world.asked()
    await world.answer(first, csr=request())
    (second,) = await world.asked()
    await world.answer(second, answer)
    assert await world.standing() == ["good", "good"]
    assert await world.asked() == {}
    await world.after(days=2)
    assert len(await world.asked()) == 1


@pytest.mark.parametrize("out", [{}, {"csr": 7}, {"csr": "nonsense"}])
async def test_an_answer_without_a_request_ends_it(world, out):
    """Nothing is signed, nothing ends."""
    await world.certify()
    await world.after(days=244)
    (first,) = await world.asked()
    await world.answer(first, **out)
    assert (await world.standing(), await world.asked()) == (["good"], {})


async def test_a_node_that_left_the_hub_is_not_asked(world):
    """Revoked: no renewal."""
    await world.certify()
    await world.conn.execute("UPDATE node SET revoked_at = now()")
    await world.after(days=300)
    assert await world.asked() == {}
