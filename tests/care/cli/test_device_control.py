"""`node config`, `node command` and `firmware …`, as a script runs them."""

import asyncio
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from store import command
from store.pool import Connection
from tests.care.cli.test_administration import Hearthbeat


@pytest.fixture
def hub(database_url: str) -> Hearthbeat:
    """Commands on this test's database."""
    return Hearthbeat(database_url)


async def _node(hub: Hearthbeat) -> str:
    return str((await hub("node", "add", "--no-wait", "--json")).json["node"])


async def test_config_is_set_shown_and_refused(hub: Hearthbeat) -> None:
    """Values by their type; what cannot be is exit code 1 with what it may be."""
    node = ("--node", await _node(hub))
    config = ("node", "config", *node)
    told = (await hub(*config, "--set", "volume=30", "--set", "help_number=120", "--json")).json
    assert told["wanted"] == {"volume": 30, "help_number": "120"}
    assert (told["revision"], told["standing"]) == (1, "waiting")
    refused = await hub(*config, "--set", "volume=300", "--set", "brightness=1")
    assert refused.code == 1
    assert "volume: expected a whole number from 0 to 100, got 300" in refused.err
    assert "unknown setting" in refused.err
    shown = await hub(*config, "--set", "dev=1", "--unset", "help_number")
    assert shown.code == 0
    assert "revision 2: not at the broker yet" in shown.out
    assert "developer mode ends by itself" in shown.out
    assert (await hub(*config, "--set", "volume")).code == 2
    unknown = await hub("node", "config", "--node", "nothing00001")
    assert unknown.code == 1
    assert "hearthbeat node list" in unknown.err


async def test_a_command_is_waited_for(hub: Hearthbeat, conn: Connection) -> None:
    """Its answer is printed and is the exit code."""
    node = await _node(hub)
    order = ("node", "command", "--node", node, "--json", "--wait", "--op")

    async def answer(state: str) -> None:
        now = datetime.now(UTC)
        while not (waiting := await command.waiting(conn, now=now)):  # noqa: ASYNC110 - a database
            await asyncio.sleep(0.05)
        out = {"lines": 3}
        await command.answered(
            conn,
            waiting[0].id,
            state=state,
            out=out,
            message="the cuff is loose",
            session_id=None,
            at=datetime.now(UTC),
        )

    for state, code in (("ok", 0), ("error", 4), ("busy", 5), ("unsupported", 6), ("expired", 7)):
        ran, _ = await asyncio.gather(hub(*order, "log", "--arg", "lines=3"), answer(state))
        assert ran.code == code
        assert f'"state": "{state}"' in ran.out
        assert '"out": {"lines": 3}' in ran.out
        assert '"message": "the cuff is loose"' in ran.out


async def test_a_command_that_cannot_be_is_refused(hub: Hearthbeat) -> None:
    """Unknown op, wrong argument, the hub's own op, wrong usage."""
    order = ("node", "command", "--node", await _node(hub))
    for more, says in (
        (("--op", "inflate"), "no such op; known: measure_now"),
        (("--op", "rebirth", "--arg", "now=1"), "/now rebirth takes no arguments"),
        (("--op", "rotate"), "given by the hub itself"),
        (("--op", "speak"), "/text missing"),
    ):
        refused = await hub(*order, *more)
        assert refused.code == 1
        assert says in refused.err
    assert (await hub(*order, "--op", "rebirth", "--arg", "now")).code == 2
    queued = await hub(*order, "--op", "speak", "--arg", "text=120")
    assert queued.code == 0
    assert "is queued" in queued.out


async def test_firmware_from_a_key_to_a_withdrawal(hub: Hearthbeat, tmp_path: Path) -> None:
    """A key only its owner reads; hash, size and signature from the file; listed; withdrawn."""
    key, file = tmp_path / "acme.pem", tmp_path / "g2.bin"
    file.write_bytes(b"firmware")
    made = (await hub("firmware", "keygen", "--out", str(key), "--json")).json
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "BEGIN PUBLIC KEY" in made["pem"]
    assert (await hub("firmware", "keygen", "--out", str(key))).code == 1
    product = ("--maker", "acme", "--model", "G2", "--version", "2.5.0")
    announce = ("firmware", "announce", *product, "--url", "https://fw.example/g2.bin")
    signed = ("--file", str(file), "--sign-key", str(key))
    plain = await hub(*announce[:-1], "http://fw.example/g2.bin", *signed)
    assert (plain.code, "https://" in plain.err) == (1, True)
    told = (await hub(*announce, *signed, "--window", "2-5", "--json")).json
    assert (told["size"], told["window"]) == (8, [2, 5])
    assert (await hub(*announce, *signed)).code == 1
    (listed,) = (await hub("firmware", "list", "--json")).json["firmware"]
    assert listed["sha256"] == told["sha256"]
    assert (await hub("firmware", "progress", "--id", str(told["id"]), "--json")).json == {
        "notices": []
    }
    assert (await hub("firmware", "withdraw", "--id", str(told["id"]))).code == 0
    given = ("--sha256", told["sha256"], "--size", "8", "--sig", told["signature"])
    public = ("--public-key", made["public_key"])
    assert (await hub(*announce, *given)).code == 2, "a signature needs the key that checks it"
    assert (await hub(*announce, *given, *public, "--json")).json["id"] == told["id"]
    wrong = await hub(*announce[:-2], "--url", "https://a.example/b", *given[:-1], "AAAA", *public)
    assert (wrong.code, "the signature does not fit" in wrong.err) == (1, True)
