"""Promise 34: whatever topic a device publishes to, nothing of it is stored and nobody else hears
it; a payload that names a device not bound to its node is refused and kept as evidence."""

import json

from store.pool import Connection
from tests.fixtures.fix_broker import LiveBroker
from tests.ingest.conftest import NODE, OTHER, Device, count, until, until_count
from tests.promises.wire import Wire, raw_publish

READING = json.dumps(
    {"v": 0, "boot": 9, "seq": 0, "t": 1_795_354_700_000, "clk": "ntp",
     "ser": [{"k": "bp", "o": [0], "c": {"sys": [212], "dia": [126]}}]}
).encode()  # fmt: skip
NOT_ITS_OWN = [
    f"hh/1/up/{OTHER}/obs",
    f"hh/1/up/{OTHER}/event",
    f"hh/1/dn/{OTHER}/cmd",
    f"hh/1/dn/{OTHER}/plan",
    f"hh/1/dn/{NODE}/cmd",
    f"hh/1/dn/{NODE}/fb",
    "hh/1/hub/status",
    "hh/1/claim/12345678/res",
    "hh/2/up/testnode1/obs",
    f"hh/1/up/{NODE}/../{OTHER}/obs",
    f"hh/1/up/../up/{OTHER}/obs",
    f"hh/1/up/{NODE}/obs/x",
    f"hh/1/up/{NODE}",
    f"/hh/1/up/{OTHER}/obs",
    f"HH/1/UP/{OTHER}/obs",
    f"hh/1/up/{OTHER}//obs",
    "$SYS/broker/uptime",
    "$SYS/hh/1/up/testnode2/obs",
    f"$share/hub/hh/1/up/{OTHER}/obs",
    f"hh/1/up/{OTHER}\u200b/obs",
    "x",
    "a" * 60_000,
]
MALFORMED = [
    b"#",
    b"+",
    b"hh/1/up/#",
    b"hh/1/up/+/obs",
    b"hh/1/+/testnode2/obs",
    b"hh/1/up/testnode2/obs\x00",
    b"hh/1/up/testnode2\x00/obs",
    b"hh/1/up/testnode2/\xff\xfe",
    b"hh/1/up/\xc0\xaf/obs",  # overlong
    b"hh/1/up/\xed\xa0\x80/obs",  # half of a surrogate pair
    b"",
]


def heard_of(*devices: Device) -> list[tuple[str, str]]:
    """What devices heard beside the hub's own status and answers to themselves."""
    return [
        (device.node, kind)
        for device in devices
        for kind, body in device.heard
        if kind not in ("status", "fb") or (body.get("v") == 0 and "ser" in body)
    ]


async def stored(conn: Connection) -> dict[str, int]:
    """How many rows of everything that a message can make."""
    tables = ("reading", "block", "event", "message", "node_state", "wave_chunk", "command")
    return {table: await count(conn, table) for table in tables}


async def test_p34_no_topic_but_its_own(
    broker: LiveBroker, ingest: None, device: Device, people: Connection
) -> None:
    """Another node's path, the hub's topics, `$SYS`, `$share`, `../`, other versions, wildcards
    and bytes that are no text: no row, nobody hears it, and everybody else goes on."""
    broker.add_node(OTHER, OTHER)
    broker.add_node("intruder01", "intruder01")
    neighbour = Device(broker, OTHER)
    nothing = await stored(people)
    for topic in [t for t in NOT_ITS_OWN if NODE not in t] + [f"hh/1/up/{NODE}/obs"]:
        with Wire(broker, "intruder01") as wire:
            assert wire.acknowledged(topic, READING) in ("NOT_AUTHORIZED", "CLOSED"), topic
    for topic in NOT_ITS_OWN:
        with Wire(broker, NODE) as wire:
            wire.acknowledged(topic, READING)
    for name in MALFORMED:
        with Wire(broker, NODE) as wire:
            wire.send(raw_publish(name, READING))
            answer = wire.read()
            assert answer is None or type(answer).__name__ == "DisconnectPacket", name
    assert await stored(people) == nothing
    neighbour.pressure(120)
    await until_count(people, "reading", 1)
    assert heard_of(device, neighbour) == []
    assert "offline" not in neighbour.statuses()
    neighbour.close()


async def test_p34_a_device_of_another_node_is_refused_and_kept_as_evidence(
    broker: LiveBroker, ingest: None, device: Device, people: Connection
) -> None:
    """The cuff of one home named by another: E4001 at its place, the payload kept with who sent
    it; also as a waveform and in CBOR-like names, and nothing of it is anybody's reading."""
    broker.add_node(OTHER, OTHER)
    neighbour = Device(broker, OTHER)
    names = ["cuff1", "CUFF1", "cuff1 ", f"{NODE}/cuff1", "../testnode1/cuff1", "1", "\u200bcuff1"]
    for name in names:
        series = {"k": "bp", "dev": name, "o": [0], "c": {"sys": [212], "dia": [126]}}
        neighbour.send("obs", {"ser": [series]})
    neighbour.send(
        "wave",
        {"k": "ecg", "dev": "cuff1", "ch": ["I"], "hz": 250, "n": 1, "enc": "i16le", "ep": "e",
         "cs": 0, "d": "AAA="},
    )  # fmt: skip
    await until_count(people, "reject", len(names) + 1)
    cursor = await people.execute("SELECT DISTINCT code, node_id, path FROM reject ORDER BY path")
    assert await cursor.fetchall() == [("E4001", OTHER, "/dev"), ("E4001", OTHER, "/ser/0/dev")]
    cursor = await people.execute("SELECT got, payload FROM reject ORDER BY id LIMIT 1")
    ((got, payload),) = await cursor.fetchall()
    assert (got, json.loads(payload)["ser"][0]["dev"]) == ("cuff1", "cuff1")
    assert await count(people, "reading") == await count(people, "wave_chunk") == 0
    await until(lambda: any(fb.get("code") == "E4001" for fb in neighbour.feedback()))
    assert device.feedback() == []
    neighbour.close()
