"""Developer mode: a maker sees what became of every message, normalised, and never a name."""

import asyncio
import json
from typing import Any

import pytest

from store.pool import Connection
from tests.contract.corpus import golden
from tests.ingest.conftest import Device, now_ms, until


@pytest.fixture
async def developing(ingest: None, device: Device, people: Connection) -> None:
    """The node is in developer mode, and the hub has noticed."""
    await people.execute(
        "INSERT INTO node_config (node_id, dev_until) VALUES ('testnode1', now() + interval '1 h')"
    )


def echoes(device: Device) -> list[dict[str, Any]]:
    """Every echo so far."""
    return [fb for fb in device.feedback() if "echo" in fb]


async def test_an_accepted_batch_is_echoed_normalised(
    developing: None, device: Device, people: Connection
) -> None:
    """Canonical units, flags by name, the time as it was placed, whether a patient is known."""
    sugar = {"k": "glu", "o": [0], "u": "mg/dL", "y": [104], "fl": ["lowbat"]}
    dense = {"k": "spo2", "dt": 1000, "y": [None, 97.5]}
    slot = {"k": "bp", "dev": "cuff1", "o": [5], "c": {"sys": [148], "dia": [91]}, "who": "C"}
    sent = device.send("obs", {"ser": [sugar, dense, slot]})
    (told,) = await until(lambda: echoes(device))
    assert (told["ok"], told["st"]) == (True, "stored")
    assert told["ref"] == {"topic": "obs", "boot": 1, "seq": 0}
    first, second = told["echo"]["readings"]
    example = json.loads(golden("fb_echo.json"))["echo"]["readings"][0]
    assert set(example) | {"fl"} == set(first), "the example of the specification"
    assert example["values"] == pytest.approx(first["values"], abs=1e-4)
    assert first.pop("values") == {"glu": pytest.approx(104 / 18.016)}
    assert first == {
        "k": "glu", "dev": "", "at": sent["t"], "u": "mmol/L", "clk": "ntp", "fl": ["lowbat"],
        "patient": True,
    }  # fmt: skip
    assert (second["dev"], second["who"], second["patient"]) == ("cuff1", "C", False)
    (block,) = told["echo"]["blocks"]
    assert (block["n"], block["dt"], block["first"], block["u"]) == (2, 1000, 97.5, "%")
    assert "patient 1" not in json.dumps(told)


async def test_every_kind_is_echoed(developing: None, device: Device, people: Connection) -> None:
    """States, births, answers, results, reports, waveforms, events: half a second apart."""
    wave = {
        "k": "ecg",
        "ch": ["I"],
        "hz": 250,
        "n": 1,
        "enc": "i8",
        "ep": "e",
        "cs": 0,
        "d": "AA==",
    }
    for kind, body, name in (
        ("state", {"s": "ready", "con": 1}, "states"),
        ("birth", {"maker": "acme", "model": "G2"}, "births"),
        ("ack", {"acks": [{"id": "x", "st": "shown"}]}, "answers"),
        ("res", {"id": "c1", "st": "ok"}, "results"),
        ("config", {"rev": 1, "applied": {"dev": 1}}, "reports"),
        ("wave", wave, "waves"),
        ("event", {"id": "e1", "type": "clock_step"}, "events"),
    ):
        device.send(kind, body)
        await until(lambda name=name: any(name in fb["echo"] for fb in echoes(device)))
        await asyncio.sleep(0.5)


async def test_a_resend_is_echoed_as_known(
    developing: None, device: Device, people: Connection
) -> None:
    """The maker sees that the same message came twice."""
    sent = device.pressure(140)
    device.send("obs", sent)
    await until(lambda: [fb["st"] for fb in echoes(device)] == ["stored", "known"])


async def test_echoes_are_few_and_short(
    developing: None, device: Device, people: Connection
) -> None:
    """A hundred messages at once bring two or three echoes; a thousand readings, twenty lines."""
    for n in range(100):
        device.pressure(120 + n % 50)
    many = {"k": "wt", "o": list(range(1000)), "y": [70.5] * 1000}
    await until(lambda: any(r["upto"] == 99 for r in device.receipts()))
    assert 2 <= len(echoes(device)) <= 6
    await asyncio.sleep(1.1)
    device.heard.clear()
    device.send("obs", {"t": now_ms() - 5000, "ser": [many]})
    (told,) = await until(lambda: echoes(device))
    assert (len(told["echo"]["readings"]), told["echo"]["more"]) == (20, 980)
    assert len(json.dumps(told)) < 8192


async def test_what_is_refused_is_not_echoed(
    developing: None, device: Device, people: Connection
) -> None:
    """It is told why, as ever; of a batch taken in part the good part is echoed."""
    device.raw("obs", b"{")
    bad = {"k": "wt", "o": [0], "y": [7000]}
    device.send("obs", {"ser": [bad]})
    await until(lambda: len([fb for fb in device.feedback() if "code" in fb]) == 2)
    device.send("obs", {"ser": [bad, {"k": "wt", "o": [0], "y": [70]}]})
    (told,) = await until(lambda: echoes(device))
    assert [one["values"] for one in told["echo"]["readings"]] == [{"wt": 70.0}]


async def test_misspelt_keys_are_named(
    developing: None, device: Device, people: Connection
) -> None:
    """Also in what is refused: there the misspelling is the reason. A maker's own keys are fine."""
    series = {"k": "wt", "o": [0], "y": [70], "flags": ["demo"], "x_lamp": 1}
    device.send("obs", {"ser": [series], "sequence": 5})
    device.send("birth", {"maker": "acme", "modle": "G2"})
    await until(lambda: len([fb for fb in device.feedback() if "code" in fb]) == 4)
    told = {(fb["code"], fb["path"], fb["ok"]) for fb in device.feedback() if "code" in fb}
    assert told == {
        ("W2003", "/ser/0/flags", True),
        ("W2003", "/sequence", True),
        ("W2003", "/modle", True),
        ("E2102", "/model", False),
    }
    cursor = await people.execute("SELECT context FROM reading")
    assert await cursor.fetchall() == [({"x": {"x_lamp": 1}},)]


async def test_it_ends_by_itself(ingest: None, device: Device, people: Connection) -> None:
    """After its day the node hears what everybody hears."""
    await people.execute(
        "INSERT INTO node_config (node_id, dev_until) VALUES ('testnode1', now() - interval '1 s')"
    )
    device.pressure(140)
    await until(device.receipts)
    assert echoes(device) == []
