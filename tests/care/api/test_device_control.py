"""Configuration, commands and firmware over HTTP: who may, what is refused, what is told."""

import hashlib
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contract.signing import sign
from runtime.clock import ManualClock
from store import audit, command, configuration, node_config
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.village import Village


def _path(village: Village, what: str) -> str:
    return f"/api/nodes/{village.nodes['zhang']}/{what}"


async def test_desired_stands_beside_reported(
    api: Caller, village: Village, conn: Connection, clock: ManualClock
) -> None:
    """Set, sent, then what the device took and the reason of what it did not."""
    path, node = _path(village, "config"), village.nodes["zhang"]
    assert (await api.get("nurse", path)).json()["standing"] == "none"
    body = {"set": {"volume": 30, "lang": "en", "dev": 1}}
    told = (await api.ask("lead", "PATCH", path, body)).json()
    assert (told["revision"], told["standing"]) == (1, "waiting")
    assert told["dev_until"] is not None
    (row,) = await configuration.waiting(conn)
    await configuration.handed_over(conn, row, now=clock.now())
    async with conn.transaction():
        report = node_config.ReportRow(
            node_id=node,
            revision=1,
            applied={"volume": 70, "lang": "en", "dev": 1},
            errors=[{"path": "/volume", "msg": "this device has no speaker"}],
            boot=1,
            seq=1,
            at=clock.now(),
        )
        await node_config.take_over(conn, [report])
    told = (await api.get("nurse", path)).json()
    lines = {line["key"]: line for line in told["settings"]}
    assert told["standing"] == "refused"
    assert lines["volume"]["state"] == "refused"
    assert lines["volume"]["reason"] == "this device has no speaker"
    assert (lines["volume"]["wanted"], lines["volume"]["applied"]) == (30, 70)
    assert (lines["lang"]["state"], lines["batch_s"]["state"]) == ("applied", "default")
    assert "0 to 100" in lines["volume"]["allowed"]
    told = (await api.ask("lead", "PATCH", path, {"unset": ["dev"]})).json()
    assert (told["revision"], told["dev_until"]) == (2, None)
    noted = await audit.of_subject(conn, subject_kind="node", subject_id=node)
    assert noted[0].action == "node_configured"
    assert noted[0].detail == {"keys": ["dev"], "revision": 2}


async def test_what_cannot_be_set_is_refused_in_words(api: Caller, village: Village) -> None:
    """Each setting by its pointer; by role; by scope."""
    path = _path(village, "config")
    body = {"set": {"volume": 300, "brightness": 1}}
    refused = await api.ask("lead", "PATCH", path, body)
    assert refused.status_code == 422
    errors = {one["path"]: one["message"] for one in refused.json()["errors"]}
    assert errors.keys() == {"/body/set/volume", "/body/set/brightness"}
    assert "whole number from 0 to 100" in errors["/body/set/volume"]
    ok = {"set": {"volume": 30}}
    assert (await api.ask("doctor", "PATCH", path, ok)).status_code == 403
    assert (await api.ask("stranger", "PATCH", path, ok)).status_code in (403, 404)
    assert (await api.get("stranger", path)).status_code == 404


async def test_a_command_from_order_to_answer(
    api: Caller, village: Village, conn: Connection, clock: ManualClock
) -> None:
    """A doctor asks for a reading; the state is there to be read, also the device's answer."""
    path = _path(village, "commands")
    made = await api.post("doctor", path, {"op": "measure_now", "args": {"k": "bp"}})
    assert made.status_code == 201
    body = made.json()
    assert (body["state"], body["op"], body["args"]) == ("queued", "measure_now", {"k": "bp"})
    (row,) = await command.waiting(conn, now=clock.now())
    assert row.expires_at == clock.now() + timedelta(seconds=30)
    at = clock.now()
    await command.answered(conn, row.id, state="ok", out={}, session_id="s1", at=at)
    told = (await api.get("doctor", f"{path}/{body['id']}")).json()
    assert (told["state"], told["session_id"]) == ("ok", "s1")
    listed = (await api.get("doctor", path)).json()["commands"]
    assert [one["id"] for one in listed] == [body["id"]]
    assert (await api.get("stranger", f"{path}/{body['id']}")).status_code == 404
    assert (await api.get("doctor", f"{path}/nothing")).status_code == 404


async def test_what_cannot_be_told_is_refused(api: Caller, village: Village) -> None:
    """An unknown op, wrong arguments, the hub's own op, another's role."""
    path = _path(village, "commands")
    for body, where in (
        ({"op": "inflate"}, "/body/op"),
        ({"op": "rotate"}, "/body/op"),
        ({"op": "speak"}, "/body/args/text"),
    ):
        refused = await api.post("lead", path, body)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["path"] == where
    assert (await api.post("doctor", path, {"op": "reboot"})).status_code == 403
    hour = (await api.post("lead", path, {"op": "rebirth"})).json()
    assert hour["expires_at"] > hour["created_at"]


async def test_what_the_hub_itself_gave_shows_no_secret(
    api: Caller, village: Village, conn: Connection, clock: ManualClock
) -> None:
    """A rotation carries a password: nobody reads it here."""
    await command.request(
        conn,
        command_id="c-rotate",
        node_id=village.nodes["zhang"],
        op="rotate",
        args={"pass": "a-secret-of-a-node"},
        episode_id=None,
        created_by="hub",
        now=clock.now(),
        expires_at=clock.now() + timedelta(hours=1),
    )
    for path in ("commands", "commands/c-rotate"):
        told = await api.get("lead", _path(village, path))
        assert told.status_code == 200
        assert "a-secret-of-a-node" not in told.text


def _firmware(key: Ed25519PrivateKey, **more: object) -> dict[str, object]:
    digest = hashlib.sha256(b"firmware").hexdigest()
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "maker": "acme",
        "model": "G2",
        "version": "2.5.0",
        "url": "https://fw.example/g2.bin",
        "sha256": digest,
        "size": 8,
        "signature": sign(key, "2.5.0", digest),
        "public_key": pem.decode(),
        "window": [2, 5],
    } | more


async def test_firmware_is_announced_listed_and_withdrawn(api: Caller, village: Village) -> None:
    """By an administrator, once a version; what does not hold is refused by its part."""
    key = Ed25519PrivateKey.generate()
    for more, where in (
        ({"url": "http://fw.example/g2.bin"}, "/body/url"),
        ({"url": "https://me:pw@fw.example/g2.bin"}, "/body/url"),
        ({"version": "2.5.1"}, "/body/signature"),
        ({"sha256": "b" * 64}, "/body/signature"),
        ({"sha256": "B" * 64}, "/body/sha256"),
        ({"size": 0}, "/body/size"),
        ({"window": [5, 30]}, "/body/window"),
        ({"maker": ""}, "/body/maker"),
        ({"public_key": "no key"}, "/body/public_key"),
    ):
        refused = await api.post("admin", "/api/firmware", _firmware(key, **more))
        assert refused.status_code == 422, more
        assert refused.json()["errors"][0]["path"] == where
    assert (await api.post("lead", "/api/firmware", _firmware(key))).status_code == 403
    made = await api.post("admin", "/api/firmware", _firmware(key))
    assert made.status_code == 201
    assert (await api.post("admin", "/api/firmware", _firmware(key))).status_code == 409
    (listed,) = (await api.get("lead", "/api/firmware")).json()["firmware"]
    assert (listed["version"], listed["told"], listed["withdrawn_at"]) == ("2.5.0", 0, None)
    path = f"/api/firmware/{made.json()['id']}"
    assert (await api.post("admin", f"{path}/withdraw", {})).json()["done"] is True
    assert (await api.post("admin", f"{path}/withdraw", {})).json()["done"] is False
    assert (await api.post("admin", "/api/firmware/999/withdraw", {})).status_code == 404
    assert (await api.get("admin", f"{path}/notices")).json() == {"notices": []}
    assert (await api.get("nurse", _path(village, "firmware"))).json() == {"notices": []}
