"""The codes of claims: asked over MQTT with the claim code, answered on `res`."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contract.errors import ERRORS
from firmware_sim.robot.access import Access
from firmware_sim.robot.claiming import Claimant, Unit
from firmware_sim.robot.device import Robot
from firmware_sim.robot.encoding import to_bytes
from firmware_sim.robot.line import LineEndedError
from firmware_sim.robot.rotation import make_request
from tests.contract_on_mqtt.conftest import LiveHub, Rows, quick

PROVOKED = ("E4101", "E4102", "E4103", "E4104", "E4105", "E4106", "E4107")
BOTH = pytest.mark.parametrize("encoding", ["json", "cbor"])


async def new_unit(hub: LiveHub, *, bound: bool = True, let_in: bool = False) -> Unit:
    """A unit fresh from the factory, bound to the patient or not; with `let_in` the broker knows
    it already, otherwise it has to ask again until it does."""
    wait = () if let_in else ("--no-wait",)
    words = ("unit", "add", *wait, "--serial", f"SN-{secrets.token_hex(4)}")
    made = await asyncio.to_thread(hub.cli, *words)
    if bound:
        words = ("node", "claim", *wait, "--qr", made["qr"], "--patient", str(hub.patient))
        await asyncio.to_thread(hub.cli, *words)
    return Unit.from_qr(made["qr"], made["secret"])


def door(hub: LiveHub) -> Access:
    """Where a unit asks: the listener with passwords over TLS."""
    port = int(hub.where["mqtt_tls_port"])
    return Access(host=hub.host, port=port, node="", tls=True)


@asynccontextmanager
async def asking(hub: LiveHub, unit: Unit, encoding: str) -> AsyncIterator[Claimant]:
    """The unit on its claim connection."""
    hub_knows = quick(encoding=encoding, reconnect_base_s=0.1)
    async with Claimant(unit, door(hub), hub_knows) as claimant:
        yield claimant


def check(answer: dict[str, Any], unit: Unit, code: str) -> None:
    """A refusal says its code and why, and nothing a unit could use."""
    assert (answer["ok"], answer["code"], answer["serial"]) == (False, code, unit.serial)
    assert answer["msg"]
    assert not {"node", "pass", "cert", "nonce", "proof"} & answer.keys()
    assert ERRORS[code].retry == (code in {"E4101", "E4102", "E4104"})


async def proven(claimant: Claimant, **more: Any) -> dict[str, Any]:
    """Ask for a nonce and prove; some keys changed, `csr` before it is proven."""
    unit = claimant.unit
    nonce = (await claimant.ask({"serial": unit.serial}))["nonce"]
    proof = unit.prove(nonce, more.get("csr"))
    return await claimant.ask({"serial": unit.serial, "nonce": nonce, "proof": proof} | more)


@BOTH
async def test_nobody_has_bound_it(hub: LiveHub, encoding: str) -> None:
    """It may ask again after a pause."""
    unit = await new_unit(hub, bound=False)
    async with asking(hub, unit, encoding) as claimant:
        answer = await claimant.ask({"serial": unit.serial})
    check(answer, unit, "E4101")
    assert answer["after"] >= 1


@BOTH
async def test_what_a_unit_says_wrong(hub: LiveHub, encoding: str) -> None:
    """A nonce nobody gave, a proof used twice, a request that cannot be signed, what is no claim,
    a wrong proof: each has its code, and the right claim still works."""
    unit = await new_unit(hub)
    async with asking(hub, unit, encoding) as claimant:
        made_up = {"serial": unit.serial, "nonce": "0" * 32, "proof": "0" * 64}
        check(await claimant.ask(made_up), unit, "E4102")
        check(await proven(claimant, csr="no request"), unit, "E4105")
        _, request = make_request(unit.serial)
        check(await proven(claimant, csr=request[:-60]), unit, "E4105")
        for payload in (b"", b"[]", b"\xa1", to_bytes({"serial": "SN-other"}, encoding)):
            check(await claimant.ask_raw(payload), unit, "E4107")
        nameless = await claimant.ask_raw(to_bytes({"model": "G2"}, encoding))
        assert nameless["msg"] == "E2102 at '/serial': the key serial is missing"
        check(await proven(claimant, proof="0" * 64), unit, "E4103")
        given = await proven(claimant)
        again = {"serial": unit.serial, "nonce": "0" * 32, "proof": unit.sign(unit.serial, "0")}
        check(await claimant.ask(again), unit, "E4102")
    assert given["ok"], given
    assert given["pass"]


@BOTH
async def test_too_many_wrong_proofs(hub: LiveHub, encoding: str) -> None:
    """After five the unit waits, also with the right one."""
    unit = await new_unit(hub)
    async with asking(hub, unit, encoding) as claimant:
        for _ in range(5):
            check(await proven(claimant, proof="0" * 64), unit, "E4103")
        answer = await claimant.ask({"serial": unit.serial})
    check(answer, unit, "E4104")
    assert 60 <= answer["after"] <= 15 * 60


@BOTH
async def test_it_is_a_node_already(hub: LiveHub, rows: Rows, encoding: str) -> None:
    """Once its node was seen ready its claim opens nothing: it is told so on a line that was open
    before, with and without a proof; then the line is cut, and its code lets nobody in."""
    unit = await new_unit(hub)
    async with asking(hub, unit, encoding) as claimant:
        given = await proven(claimant)
        who = {"node": given["node"], "password": given["pass"], "ca": given["ca"]}
        access = Access(host=given["host"], port=given["port"], tls=True, **who)
        async with Robot(access, habits=quick(encoding=encoding)) as robot:
            nonce = (await claimant.ask({"serial": unit.serial}))["nonce"]
            async with broker_not_following(hub):
                await robot.receipted()
                done = "SELECT 1 FROM claim WHERE serial = %s AND completed_at IS NOT NULL"
                await rows.until(done, unit.serial)
                asked = {"serial": unit.serial, "nonce": nonce, "proof": unit.prove(nonce)}
                for body in ({"serial": unit.serial}, asked):
                    check(await claimant.ask(body), unit, "E4106")
            await asyncio.wait_for(claimant.ended, 10.0)
    with pytest.raises(LineEndedError) as refused:
        async with Claimant(unit, door(hub), quick(refused_s=60.0)):
            pytest.fail("let in")
    assert refused.value.refused


@asynccontextmanager
async def broker_not_following(hub: LiveHub) -> AsyncIterator[None]:
    """What follows the credentials stands still, so the broker works on with what it has: as if it
    were slow to take something over. Broker, database and rooms are processes of their own."""
    hub_itself = int(hub.where["pid"])
    os.kill(hub_itself, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(hub_itself, signal.SIGCONT)
