"""Every error code of the table, sent over the broker and read back from `fb`.

After each mistake a good message follows and is stored: no message blocks the next.
"""

import importlib
import time
from typing import Any

import pytest

from contract.errors import ERRORS
from firmware_sim.robot import signals
from firmware_sim.robot.encoding import to_bytes
from tests.contract_on_mqtt.conftest import LiveHub, Rows, StartRobot, next_boot
from tests.contract_on_mqtt.wrongs import ELSEWHERE, ON_THE_WIRE, Wrong

ROWS = [
    pytest.param(wrong, encoding, id="-".join(filter(None, (wrong.code, wrong.name, encoding))))
    for wrong in ON_THE_WIRE
    for encoding in wrong.encodings
]


def bytes_of(wrong: Wrong, encoding: str, boot: int, seq: int = 0) -> bytes:
    """What is published."""
    return wrong.raw.get(encoding) or to_bytes(wrong.message(boot, seq), encoding)


@pytest.mark.parametrize(("wrong", "encoding"), ROWS)
async def test_the_code_is_told_with_all_it_needs(
    start_robot: StartRobot, rows: Rows, table_node: Any, wrong: Wrong, encoding: str
) -> None:
    """Code, name, path, value, rule, hint, documentation, counts; a refusal is kept as it came,
    what was warned of is in the database, and the next good message is stored."""
    robot = await start_robot(table_node, encoding=encoding)
    boot = next_boot()
    robot.received.clear()
    if wrong.raw:
        payload = wrong.raw[encoding]
        robot.raw(wrong.kind, payload)
    else:
        message = wrong.message(boot, 0)
        robot.raw(wrong.kind, payload := to_bytes(message, encoding))
        if wrong.again:
            await settled(robot, boot)
            message |= wrong.second
            message["seq"] = 0 if wrong.code == "W4002" else 1
            robot.raw(wrong.kind, payload := to_bytes(message, encoding))
    told = await robot.heard("fb", lambda fb: fb.get("code") == wrong.code)
    check(told, wrong, encoding)
    seq = robot.observe([signals.pressure(121, 79)])
    await robot.receipted()
    good = "SELECT v0 FROM reading WHERE node_id = %s AND boot = %s AND seq = %s"
    assert await rows.all(good, robot.access.node, robot.outbox.boot, seq) == [(121.0,)]
    if ERRORS[wrong.code].warning:
        await check_kept(rows, robot.access.node, boot, wrong)
    else:
        kept = "SELECT path, got FROM reject WHERE node_id = %s AND payload = %s AND code = %s"
        assert (wrong.path, told.get("got")) in await rows.all(
            kept, robot.access.node, payload, wrong.code
        )


async def settled(robot: Any, boot: int) -> None:
    """Until the first message of this boot is receipted."""
    await robot.heard("fb", lambda fb: fb.get("rcpt", {}).get("boot") == boot)


def check(told: dict[str, Any], wrong: Wrong, encoding: str) -> None:
    """All a maker needs to mend it."""
    known = ERRORS[wrong.code]
    assert told["name"] == known.name
    assert (told["path"], told.get("got")) == (wrong.path, shown(told, wrong, encoding))
    assert (told["ok"], told["retry"]) == (known.warning, known.retry)
    assert (told["hint"], told["doc"]) == (known.en.hint, f"errors#{wrong.code}")
    assert wrong.msg in told["msg"]
    assert len(told["msg"]) > 5
    assert (told.get("kept"), told.get("dropped")) == (wrong.kept, wrong.dropped)
    assert told["n"] == 1
    assert abs(told["t"] - time.time() * 1000) < 60_000
    assert told["ref"]["topic"] == wrong.kind


def shown(told: dict[str, Any], wrong: Wrong, encoding: str) -> Any:
    """What has to be in `got`; what the table leaves open is at most cut to its length."""
    if wrong.got is None:
        return (told.get("got") or "")[:64] or told.get("got")
    return wrong.got


async def check_kept(rows: Rows, node: str, boot: int, wrong: Wrong) -> None:
    """A warning is about data that was kept: as a reading, or aside where nobody knows it."""
    if wrong.code == "W2001":
        aside = "SELECT payload FROM reject WHERE node_id = %s AND boot = %s AND code = 'W2001'"
        assert b"aura" in (await rows.until(aside, node, boot))[0][0]
        return
    stored = (
        "SELECT v0 FROM reading WHERE node_id = %s AND boot = %s"
        " UNION ALL SELECT v0 FROM reading_conflict WHERE node_id = %s AND boot = %s"
    )
    wanted = 2 if wrong.again else 1
    assert len(await rows.all(stored, node, boot, node, boot)) == wanted


def test_every_code_is_provoked() -> None:
    """A code that is new in the table needs a row here, or a test that is named."""
    here = {wrong.code for wrong in ON_THE_WIRE}
    assert here | set(ELSEWHERE) == set(ERRORS)
    assert not here & set(ELSEWHERE)
    for code, module in ELSEWHERE.items():
        names = vars(importlib.import_module(f"tests.contract_on_mqtt.{module}"))["PROVOKED"]
        assert code in names, f"{module} does not provoke {code}"


@pytest.fixture(scope="session")
def table_node(hub: LiveHub) -> Any:
    """The node of the whole table: its messages differ in their boot."""
    return hub.node()
