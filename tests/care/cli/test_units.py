"""`hearthbeat unit …` and `node claim|unclaim|rotate|certificate`, as a script runs them."""

import asyncio
from pathlib import Path

import pytest
from cryptography import x509

from contract import claim_code
from runtime.authority import Authority
from runtime.clock import SystemClock
from runtime.sealing import load_sealer, prepare_key
from store import claim, credential, unit
from store.pool import Connection
from tests.care.cli.test_administration import Hearthbeat
from tests.contract_on_mqtt.label import read_label
from tests.hub.tls_device import Key

SERIAL = "HB24-0001"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A hub's directory, as far as keys go."""
    prepare_key(tmp_path / "data" / "secrets" / "units")
    Authority.prepare(tmp_path / "data" / "authority", SystemClock())
    return tmp_path / "data"


@pytest.fixture
def hearthbeat(database_url: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> Hearthbeat:
    """The command line on this test's database and directory."""
    runs = Hearthbeat(database_url)
    runs._set["HEARTHBEAT_DATA"] = str(data)
    return runs


async def test_a_unit_is_added_once_and_its_label_can_be_read(
    hearthbeat: Hearthbeat, conn: Connection, data: Path, tmp_path: Path
) -> None:
    """Code and secret are shown once and not stored in clear; the picture says the QR text."""
    picture = tmp_path / "label.png"
    made = (
        await hearthbeat(
            "unit", "add", "--serial", SERIAL, "--qr", str(picture), "--no-wait", "--json"
        )
    ).json
    assert claim_code.read_qr(made["qr"]) == (SERIAL, made["code"])
    assert read_label(picture) == made["qr"]
    stored = await unit.find(conn, SERIAL)
    assert stored is not None
    assert bytes.fromhex(made["secret"]) not in stored.factory_secret
    sealer = load_sealer(data / "secrets" / "units")
    assert sealer.unseal(stored.factory_secret, about=SERIAL).hex() == made["secret"]
    again = await hearthbeat("unit", "add", "--serial", SERIAL)
    assert (again.code, "serial is known" in again.err) == (1, True)
    listed = await hearthbeat("unit", "list", "--json")
    assert listed.json["units"][0]["state"] == "not bound"
    assert made["code"] not in listed.out
    drawn = await hearthbeat("unit", "qr", "--serial", SERIAL, "--code", made["code"])
    assert (drawn.code, "█" in drawn.out) == (0, True)


async def test_a_batch_is_imported_whole_or_not_at_all(
    hearthbeat: Hearthbeat, conn: Connection, tmp_path: Path
) -> None:
    """Every wrong line is named with its number; no secret is repeated; nothing is half done."""
    file = tmp_path / "batch.csv"
    good = [f"HB24-{n:04},m,x,T60134E6N9,{n:032x}" for n in range(3)]
    head = "serial,maker,model,code,secret"
    secret = "aabbccddeeff00112233445566778899"
    wrong = [
        f"x,m,x,T60134E6N9,{secret}",
        f"HB24-0009,m,x,T60134E6N8,{secret}",
        f"HB24-0010,m,x,T60134E6N9,{secret[:-1]}",
        "HB24-0011,m,x",
        good[0],
    ]
    file.write_text("\n".join([head, *good, *wrong]) + "\n")
    refused = await hearthbeat("unit", "import", str(file))
    assert refused.code == 1
    assert [f"{file}:{n}:" in refused.err for n in range(2, 10)] == [False] * 3 + [True] * 5
    assert secret[:-1] not in refused.err
    assert await unit.every(conn) == []
    file.write_text("\ufeff" + "\n".join([head, *good]) + "\r\n")
    assert (await hearthbeat("unit", "import", str(file), "--no-wait", "--json")).json == {
        "imported": 3
    }
    file.write_text("\n".join([head, "HB24-0077,m,x,T60134E6N9," + secret, good[0]]))
    known = await hearthbeat("unit", "import", str(file))
    assert (known.code, f"{file}:3: HB24-0000" in known.err) == (1, True)
    assert len(await unit.every(conn)) == 3
    file.write_text("a,b\n")
    assert "first line" in (await hearthbeat("unit", "import", str(file))).err


async def test_a_unit_is_bound_and_released(hearthbeat: Hearthbeat, conn: Connection) -> None:
    """By QR text, for a patient; a wrong code is refused, a mistyped one is wrong usage."""
    made = (await hearthbeat("unit", "add", "--serial", SERIAL, "--no-wait", "--json")).json
    patient = (await hearthbeat("patient", "add", "--name", "王桂兰", "--json")).json
    whom = ("--patient", str(patient["patient_id"]), "--json")
    other = "T60134E6N9"
    wrong = await hearthbeat("node", "claim", "--serial", SERIAL, "--code", other, *whom)
    assert (wrong.code, wrong.out) == (1, "")
    mistyped = await hearthbeat("node", "claim", "--serial", SERIAL, "--code", "7KM2P", *whom)
    assert mistyped.code == 2
    bound = (await hearthbeat("node", "claim", "--qr", made["qr"], "--no-wait", *whom)).json
    assert (bound["serial"], bound["patient_id"]) == (SERIAL, patient["patient_id"])
    found = await claim.find(conn, bound["claim_id"])
    assert found is not None
    assert found.household_id is not None
    released = await hearthbeat("node", "unclaim", "--serial", SERIAL, "--no-wait", "--json")
    assert released.json == {"serial": SERIAL, "node": None, "unclaimed": True}
    assert (await hearthbeat("node", "unclaim", "--serial", SERIAL)).code == 1
    retired = await hearthbeat("unit", "retire", "--serial", SERIAL, "--no-wait", "--json")
    assert retired.json["retired"] is True
    assert (await hearthbeat("node", "claim", "--qr", made["qr"], *whom)).code == 1


async def test_retiring_waits_until_the_broker_lets_the_unit_in_no_more(
    hearthbeat: Hearthbeat, conn: Connection
) -> None:
    """With --no-wait it does not wait."""
    for serial in (SERIAL, "HB24-0002"):
        await hearthbeat("unit", "add", "--serial", serial, "--no-wait")
    retire = asyncio.create_task(hearthbeat("unit", "retire", "--serial", SERIAL, "--json"))
    while (found := await unit.find(conn, SERIAL)) is None or found.retired_at is None:  # noqa: ASYNC110 - a database
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    assert not retire.done()
    wanted = (await credential.revision(conn)).wanted
    await credential.note_applied(conn, revision=wanted, now=SystemClock().now())
    done = await retire
    assert (done.json, done.err) == ({"serial": SERIAL, "retired": True}, "")
    quick = await hearthbeat("unit", "retire", "--serial", "HB24-0002", "--no-wait")
    assert (quick.code, quick.err) == (0, "")


async def test_a_nodes_own_request_is_signed_and_listed(
    hearthbeat: Hearthbeat, data: Path, tmp_path: Path
) -> None:
    """For nodes added by hand: the certificate says the node; nonsense is refused."""
    node = (await hearthbeat("node", "add", "--label", "x", "--no-wait", "--json")).json["node"]
    key = Key(tmp_path)
    (tmp_path / "node.csr").write_text(key.request)
    signed = await hearthbeat(
        *("node", "certificate", "--node", node, "--csr", str(tmp_path / "node.csr"), "--json")
    )
    made = x509.load_pem_x509_certificate(signed.json["cert"].encode())
    assert f"CN={node}" in made.subject.rfc4514_string()
    listed = (await hearthbeat("node", "certificate", "--node", node, "--json")).json
    assert [int(c["serial_number"], 16) for c in listed["certificates"]] == [made.serial_number]
    (tmp_path / "bad.csr").write_text("nonsense")
    bad = await hearthbeat(
        "node", "certificate", "--node", node, "--csr", str(tmp_path / "bad.csr")
    )
    assert (bad.code, "PKCS#10" in bad.err) == (1, True)
    asked = (await hearthbeat("node", "rotate", "--node", node, "--now", "--json")).json
    assert (asked["node"], asked["now"]) == (node, True)
    await hearthbeat("node", "revoke", "--node", node, "--no-wait")
    assert (await hearthbeat("node", "rotate", "--node", node)).code == 1


async def test_without_the_hubs_directory_the_commands_say_what_is_missing(
    database_url: str, tmp_path: Path
) -> None:
    """A database alone is not enough: the key is not in it."""
    runs = Hearthbeat(database_url)
    runs._set["HEARTHBEAT_DATA"] = str(tmp_path / "nowhere")
    tried = await runs("unit", "add", "--serial", SERIAL)
    assert (tried.code, "--data" in tried.err) == (1, True)
