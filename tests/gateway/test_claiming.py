"""From a printed code to the first reading, over real TLS; nothing kept of a hub that cannot prove
itself, and nothing lost when the power goes at any step."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from typer.testing import CliRunner

from contract.messages import ClaimAnswer, ClaimRequest, Command
from gateway import claiming, trust
from gateway.claiming import ClaimRefusedError, FakeHubError, Order
from gateway.cli import app
from gateway.connection import ConnectionEndedError
from gateway.identity import Identities, Vault
from gateway.settings import GatewaySettings
from runtime.authority import Revoked
from runtime.certificate import fingerprint
from runtime.clock import ManualClock, SystemClock
from tests.gateway.claim_hub import CODE, NODE, PASSWORD, SECRET, SERIAL, ClaimHub, claim_hub
from tests.gateway.conftest import QUICK, Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def standing() -> Iterator[ClaimHub]:
    """One broker for all tests of this file."""
    with claim_hub() as made:
        yield made


@pytest.fixture
def claims(standing: ClaimHub) -> ClaimHub:
    """It answers honestly again."""
    standing.script = lambda _, answer: answer
    standing.asked.clear()
    return standing


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """An empty one."""
    return Vault(tmp_path)


def order(hub: ClaimHub, **different: Any) -> Order:
    """A claim of the unit by its certificate authority."""
    values = {
        "host": "127.0.0.1",
        "port": hub.server.password_port,
        "serial": SERIAL,
        "code": CODE,
        "secret": SECRET,
        "context": lambda: trust.by_authority(hub.ca_file),
        "answer_seconds": 3.0,
        "wait_seconds": 0.05,
        **different,
    }
    return Order(**values)


@pytest.mark.parametrize("password", [False, True])
@pytest.mark.parametrize("version", [4, 5])
async def test_a_unit_becomes_a_node(
    claims: ClaimHub, vault: Vault, password: bool, version: int
) -> None:
    """Nonce, proof, answer; on disk for the owner only; the key never went out."""
    got = await claiming.claim_once(order(claims, password=password, mqtt_version=version), vault)
    assert (got.node, got.host, got.generation) == (NODE, "127.0.0.1", 1)
    assert vault.generations() == [got]
    assert [request.proof is None for request in claims.asked] == [True, False]
    files = [path for path in (got.cert, got.key, got.ca) if path is not None]
    assert len(files) == (1 if password else 3)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert got.password == (PASSWORD if password else None)
    if got.key is not None:
        assert "PRIVATE" not in str(claims.asked)
        assert len(claims.asked[1].csr or "") <= 512


async def test_whom_it_believes(claims: ClaimHub, tmp_path: Path) -> None:
    """An authority, a fingerprint of it or of the server itself, or whoever proves the secret; a
    stranger with another certificate gets not even the claim code."""
    port = claims.server.password_port
    both = [fingerprint(claims.ca_file), fingerprint(claims.server.secured.server.certificate)]
    for number, one in enumerate(both):
        pinned = order(claims, context=lambda one=one: trust.by_fingerprint("127.0.0.1", port, one))
        assert (await claiming.claim_once(pinned, Vault(tmp_path / str(number)))).node == NODE
    anybody = order(claims, context=trust.anybody)
    assert (await claiming.claim_once(anybody, Vault(tmp_path / "first"))).node == NODE
    claims.asked.clear()
    stranger = order(claims, context=lambda: trust.by_authority(None))
    with pytest.raises(ConnectionEndedError, match="CERTIFICATE_VERIFY_FAILED"):
        await claiming.claim_once(stranger, Vault(tmp_path / "none"))
    other = order(claims, context=lambda: trust.by_fingerprint("127.0.0.1", port, "00" * 32))
    with pytest.raises(trust.UntrustedError):
        await claiming.claim_once(other, Vault(tmp_path / "none"))
    assert claims.asked == []


FAKES: list[dict[str, Any]] = [
    {"proof": "0" * 64},
    {"proof": None},
    {"node": "anothernode1"},
    {"ca": "-----BEGIN CERTIFICATE-----\nfake"},
    {"cert": None},
    {"cert": "no certificate"},
    {"host": None},
    {"serial": "HB-0002"},
]


@pytest.mark.parametrize("lie", FAKES, ids="-".join)
async def test_a_hub_that_cannot_prove_itself_gets_nothing(
    claims: ClaimHub, vault: Vault, lie: dict[str, Any]
) -> None:
    """Whatever of its answer is not what the secret vouches for: nothing is kept."""
    claims.script = lambda q, a: a if q.proof is None else structs.replace(a, **lie)
    with pytest.raises(FakeHubError):
        await claiming.claim_once(order(claims), vault)
    assert vault.generations() == []


async def test_only_letters_and_digits_are_signed(claims: ClaimHub, vault: Vault) -> None:
    """A nonce with a line feed would make the proof of a unit without a signing request look like
    one with the request whose digest follows: no proof is given for it."""
    odd = f"{'0' * 32}\n{'a' * 64}"
    claims.script = lambda _, answer: structs.replace(answer, nonce=odd)
    with pytest.raises(ConnectionEndedError, match="does not answer"):
        await claiming.claim_once(order(claims, password=True, answer_seconds=0.5), vault)
    assert [request.proof for request in claims.asked] == [None]


async def test_it_asks_until_somebody_binds_it(claims: ClaimHub, vault: Vault) -> None:
    """Not bound, an old nonce, no answer at all: again. A wrong proof: not again."""
    refusals = ["E4101", "E4101", "E4102", None]

    def script(request: ClaimRequest, answer: ClaimAnswer) -> ClaimAnswer | None:
        if request.proof is None or not refusals:
            return answer
        code = refusals.pop(0)
        return None if code is None else ClaimAnswer(ok=False, serial=SERIAL, code=code)

    claims.script = script
    told: list[str] = []
    patient = order(claims, answer_seconds=0.5)
    got = await claiming.until_bound(patient, vault, forever=False, told=told.append)
    assert got.node == NODE
    assert told == ["E4101", "E4101", "the hub does not answer the claim"]
    wrong = order(claims, secret=bytes(16))
    with pytest.raises(ClaimRefusedError, match="E4103"):
        await claiming.until_bound(wrong, Vault(vault._home), forever=False, told=told.append)


def test_killed_at_every_step_it_goes_on(claims: ClaimHub, tmp_path: Path) -> None:
    """Before each write, sync, rename and removal in turn: run again, it becomes the node, and
    certificate and key belong together."""
    options = [str(tmp_path), str(claims.server.password_port), str(claims.ca_file)]
    done = _run([sys.executable, "-m", "tests.gateway.claim_killed", *options])
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout.split()[-1])
    assert steps > 8, "every step was a moment to die"
    for step in range(1, steps + 1):
        newest = Vault(tmp_path / str(step)).generations()[0]
        assert newest.node == NODE
        assert trust.context_of(newest) is not None
        assert not (tmp_path / str(step) / "identity" / "pending.key").exists()


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=240
    )


def test_the_command_says_why(claims: ClaimHub, tmp_path: Path) -> None:
    """Exit codes and one line: a mistyped code, a wrong secret, a fake hub, nobody there."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET.hex())
    port = claims.server.password_port

    def claim(**different: str) -> tuple[int, str]:
        values = {"host": "127.0.0.1", "port": str(port), "serial": SERIAL, "code": CODE}
        values |= {"secret-file": str(secret), "ca": str(claims.ca_file)} | different
        options = [part for name, value in values.items() for part in (f"--{name}", value)]
        state = ["--state", str(tmp_path / "state")]
        done = CliRunner().invoke(app, ["claim", *options, "--no-wait", *state])
        return done.exit_code, done.output

    code, says = claim(code="AAAAA-AAAAA")
    assert (code, "mistyped" in says) == (2, True)
    wrong = tmp_path / "wrong"
    wrong.write_text("00" * 16)
    code, says = claim(**{"secret-file": str(wrong)})
    assert (code, "E4103" in says) == (4, True)
    code, says = claim(port="1")
    assert (code, "not reached" in says) == (3, True)
    claims.script = lambda q, a: a if q.proof is None else structs.replace(a, proof="0" * 64)
    code, says = claim()
    assert (code, "nothing was kept" in says) == (5, True)
    assert Vault(tmp_path / "state").generations() == []


async def test_started_unbound_it_waits_on_its_screen_and_then_works(
    claims: ClaimHub, meter: MeterOnPty, tmp_path: Path, clock: ManualClock
) -> None:
    """From the printed code to the first reading: it says that it waits, in two languages, keeps
    what is measured meanwhile, and brings it with its certificate. Then the certificate is
    rotated, the old one is of no use, and a revoked node stays outside."""
    hub = ScriptedHub(claims.broker, NODE)
    hub.status("ready")
    refused = ClaimAnswer(ok=False, serial=SERIAL, code="E4101")
    claims.script = lambda q, a: a if q.proof is None else refused
    secret = tmp_path / "secret"
    secret.write_text(SECRET.hex())
    values = {
        **QUICK,
        "state": tmp_path / "state",
        "serial": str(meter.link),
        "claim_host": "127.0.0.1",
        "claim_port": claims.server.password_port,
        "claim_serial": SERIAL,
        "claim_code": CODE.lower(),
        "claim_secret_file": secret,
        "claim_ca_file": claims.ca_file,
        "claim_seconds": 0.1,
    }
    running = Running(GatewaySettings(**values), SystemClock())
    try:
        await until(lambda: len(claims.asked) >= 2)
        card = running.robot._panel._card(None)
        assert (card.kind, card.title["zh-CN"], card.title["en"]) == (
            "unbound", "等待绑定", "Waiting to be bound",
        )  # fmt: skip
        meter.measured(frame(138, 86, 72, (2026, 3, 4, 8, 0)))
        await until(lambda: running.gateway.spool.depth() >= 2)
        claims.script = lambda _, a: a
        await until(lambda: hub.of("obs"))
        assert running.robot._panel._card(None) is None
        assert running.gateway.identities.current.cert is not None
        await _rotates(running, hub, claims)
        await _stays_out(running, claims)
    finally:
        await running.stop()
        hub.close()


async def _rotates(running: Running, hub: ScriptedHub, claims: ClaimHub) -> None:
    exp = 2**52
    hub.publish("cmd", Command(v=0, id="r1", op="rotate", exp=exp))
    await until(lambda: hub.results("r1"))
    new = claims.sign(hub.results("r1")[0]["out"]["csr"])
    args = {"cert": new, "ca": claims.authority.pem}
    hub.publish("cmd", Command(v=0, id="r2", op="rotate", args=args, exp=exp))
    await until(lambda: hub.results("r2"))
    assert hub.results("r2")[-1]["st"] == "ok"
    vault = running.gateway.identities.vault
    await until(lambda: [each.generation for each in vault.generations()] == [2])
    (kept,) = vault.generations()
    assert kept.cert is not None
    assert kept.cert.read_text() == new
    await until(lambda: running.gateway.uplink.online)


async def _stays_out(running: Running, claims: ClaimHub) -> None:
    """TLS 1.3 says it by hanging up: seen as refused, tried slowly."""
    from cryptography import x509

    cert = running.gateway.identities.current.cert
    number = x509.load_pem_x509_certificate(cert.read_bytes()).serial_number
    claims.revoked.append(Revoked(f"{number:x}", SystemClock().now()))
    claims.apply()
    assert claims.server.evict(NODE)
    await until(lambda: not running.gateway.uplink.online)
    tried = running.gateway.uplink.connects
    await asyncio.sleep(1.2)
    assert not running.gateway.uplink.online
    assert running.gateway.uplink.connects - tried <= 3


async def test_a_password_is_rotated_with_both_at_hand(
    claims: ClaimHub, tmp_path: Path, clock: ManualClock
) -> None:
    """The new one is kept beside the old one and answered; before the broker changes over the old
    one still works, after it the new one does, and only that is left."""
    hub = ScriptedHub(claims.broker, NODE)
    hub.status("ready")
    url = f"mqtts://{NODE}:{PASSWORD}@127.0.0.1:{claims.server.password_port}"
    values = {**QUICK, "state": tmp_path / "s", "broker": url, "ca_file": claims.ca_file}
    running = Running(GatewaySettings(**values), SystemClock())
    try:
        await until(lambda: running.gateway.uplink.online)
        hub.publish("cmd", Command(v=0, id="p1", op="rotate", args={"pass": "second"}, exp=2**52))
        await until(lambda: hub.results("p1"))
        assert hub.results("p1")[0]["st"] == "ok"
        row = running.storage.row("SELECT args FROM command WHERE id = 'p1'")
        assert b"second" not in row["args"]
        await running.stop()
        running.start()
        await until(lambda: running.gateway.uplink.online)
        assert running.gateway.identities.current.password == PASSWORD
        claims.users[NODE] = "second"
        claims.apply()
        await until(lambda: running.gateway.identities.current.password == "second")
        await until(lambda: running.gateway.uplink.online)
        assert len(running.gateway.identities.vault.generations()) == 1
    finally:
        claims.users[NODE] = PASSWORD
        claims.apply()
        await running.stop()
        hub.close()


def test_without_identity_or_claim_nothing_starts(tmp_path: Path) -> None:
    """It says what to do; a password is not given to whoever answers."""
    with pytest.raises(ValueError, match="claim this unit first"):
        GatewaySettings(state=tmp_path)
    claim = {"claim_host": "h", "claim_serial": SERIAL, "claim_code": CODE}
    with pytest.raises(ValueError, match="all four"):
        GatewaySettings(state=tmp_path, **claim)
    whole = {**claim, "claim_secret_file": tmp_path / "x"}
    assert GatewaySettings(state=tmp_path, **whole).claim_port == 8884
    with pytest.raises(ValueError, match="whoever answers"):
        GatewaySettings(state=tmp_path, **whole, claim_trust_on_first_use=True, claim_password=True)


def test_half_a_generation_is_none(vault: Vault) -> None:
    """What was being written when the power went is not seen, and swept away later."""
    half = vault._home / ".abcd"
    half.mkdir(parents=True)
    (half / "node.json").write_text("{")
    assert vault.generations() == []
    assert not Identities(vault, None).known
