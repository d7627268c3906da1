"""The pages for makers, done as they say, against one hub with real tools."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.desk import DOCS, Desk, blocks, until
from tests.fixtures.promised import promised

PAGE = "quickstart.md"
HEX = re.compile(r"```hex (send|answer) ([^\n]+)\n(.*?)```", re.DOTALL)
DUMPS = {
    name: bytes.fromhex("".join(line.partition("|")[0] for line in dump.splitlines()))
    for _, name, dump in HEX.findall((DOCS / "embedded.md").read_text(encoding="utf-8"))
}

pytestmark = pytest.mark.loop


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A hub with a node, as the quickstart leaves it after its step 2."""
    sitting = Desk(tmp_path_factory.mktemp("desk"))
    try:
        sitting.wait_up()
        for block in blocks("quickstart.md", "sh")[:2]:
            sitting.run(block)
        yield sitting
    finally:
        sitting.leave()


def readings(desk: Desk) -> list[dict[str, object]]:
    """What the API says of the patient, newest first."""
    said = desk.run(blocks("python.md", "sh")[1])
    return list(json.loads(said)["readings"])


def test_the_quickstart_does_what_it_says(desk: Desk) -> None:
    """Every block in its order: the reading is readable within 2 s of being published, and the
    three mistakes are answered with the codes, places and values the page shows."""
    _, _, say, birth, reading, back, *mistakes, rejects, lint, event, dev, tls = blocks(PAGE, "sh")
    for block in (say, birth):
        desk.run(block)
    published = time.monotonic()
    receipt = json.loads(desk.run(reading))["rcpt"]
    assert receipt["upto"] == json.loads(blocks(PAGE, "json rcpt")[0])["rcpt"]["upto"]
    (stored,) = json.loads(desk.run(back))["readings"]
    assert time.monotonic() - published < promised(2)
    assert stored["values"] == {"sys": 128, "dia": 79, "pr": 66}
    assert (stored["kind"], stored["device"], stored["clock"]) == ("bp", "cuff1", "ntp")
    for block, shown in zip(mistakes, blocks(PAGE, "json fb"), strict=True):
        wanted, feedback = json.loads(shown), json.loads(desk.run(block))
        for key in ("ok", "code", "name", "path", "got", "msg", "doc", "kept", "dropped", "retry"):
            assert feedback.get(key) == wanted.get(key), (key, feedback)
        assert feedback["ref"].get("seq") == wanted["ref"].get("seq")
        assert feedback["hint"]
    refused = json.loads(desk.run(rejects))["rejects"]
    assert {r["code"] for r in refused} == {json.loads(s)["code"] for s in blocks(PAGE, "json fb")}
    assert len(json.loads(desk.run(back))["readings"]) == 1
    linted = desk.run(lint).splitlines()
    assert set(blocks(PAGE, "text lint")[0].splitlines()) <= set(linted)
    answer, shown = json.loads(desk.run(event)), json.loads(blocks(PAGE, "json fb event")[0])
    assert (answer["st"], answer["say"]) == (shown["st"], shown["say"])
    echoed = json.loads(desk.run(dev))
    assert (echoed["st"], echoed["ref"]["seq"]) == ("stored", 6)
    assert "71" in json.dumps(echoed["echo"])
    assert json.loads(desk.run(tls))["ref"]["seq"] == 7


def test_the_python_device_does_what_its_page_says(desk: Desk) -> None:
    """One reading, one call for help, both receipted; nothing is left in its memory."""
    printed = desk.run(blocks("python.md", "sh")[0].replace("pip install -q paho-mqtt\n", ""))
    assert blocks("python.md", "text")[0].strip() in printed
    stored = readings(desk)[0]
    assert stored["values"] == {"sys": 128, "dia": 79, "pr": 66}
    assert stored["clock"] in {"ntp", "hub"}
    left = desk.run("sqlite3 memory.db 'SELECT count(*) FROM kept' 2>/dev/null || echo 0")
    assert left.strip() == "0"


def test_the_python_device_keeps_what_it_could_not_send(desk: Desk) -> None:
    """Measured without a network and then killed, it sends the reading when it is back."""
    device = 'python3 "$DOCS/device.py" m2.db'
    desk.run("export NODE PASSWORD HOST PORT")
    desk.run(f"printf '141 90 70\\n' | PORT=9 timeout 2 {device} 2>&1 || true")
    desk.run(f"{device} </dev/null")
    values = [r["values"] for r in readings(desk)]
    assert values.count({"sys": 141, "dia": 90, "pr": 70}) == 1


def test_a_command_is_carried_out_once(desk: Desk) -> None:
    """Asked to measure, the device asks the person; the result names its session."""
    device = subprocess.Popen(
        ["bash", "-c", f"cd {desk.where}; exec python3 $DOCS/device.py m3.db"],
        env=desk.path | _names(desk),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert device.stdin is not None
        assert device.stdout is not None
        device.stdin.write("120 70 60\n")
        device.stdin.flush()
        until(lambda: '"sys": 120' in json.dumps(readings(desk)), 20, "it is there")
        desk.run("hearthbeat node command --node $NODE --op measure_now --arg k=bp >/dev/null")
        assert "measure" in device.stdout.readline()
        desk.run("hearthbeat node command --node $NODE --op speak --arg text=Hello >/dev/null")
        assert device.stdout.readline() == "Hello\n"
        device.stdin.write("133 81 72\n")
        device.stdin.close()
        assert device.wait(30) == 0
    finally:
        device.kill()
    newest = readings(desk)[0]
    assert newest["values"] == {"sys": 133, "dia": 81, "pr": 72}


def _names(desk: Desk) -> dict[str, str]:
    said = desk.run('echo "$NODE $PASSWORD $HOST $PORT"').split()
    return dict(zip(("NODE", "PASSWORD", "HOST", "PORT"), said, strict=True))


def test_every_byte_of_the_embedded_page_is_answered_as_shown(desk: Desk) -> None:
    """The dumps, with this node's name in them, sent one by one; both pressures are stored."""
    printed = desk.run(blocks("embedded.md", "sh")[0])
    assert len(re.findall(r"^(send|answer)", printed, re.MULTILINE)) == len(DUMPS)
    values = [(r["values"], r["clock"]) for r in readings(desk)]
    assert ({"sys": 128, "dia": 79, "pr": 66}, "derived") in values
    assert ({"sys": 131, "dia": 82, "pr": 68}, "derived") in values


def test_a_unit_goes_from_the_factory_into_a_home(desk: Desk) -> None:
    """With a password and with a certificate, over TLS, from its QR code to a receipt; released."""
    printed = [desk.run(block) for block in blocks("provisioning.md", "sh")]
    assert "this is the hub" in "".join(printed)
    receipts = [line for text in printed for line in text.splitlines() if '"rcpt"' in line]
    assert [json.loads(one)["rcpt"]["upto"] for one in receipts] == [0, 0]
    assert "can be bound again" in printed[-1]
    wanted = set(json.loads(blocks("provisioning.md", "json claimed")[0]))
    assert wanted <= set(json.loads((desk.where / "answer.json").read_text())) | {"pass"}


def test_the_c_of_the_embedded_page_makes_the_dumps(tmp_path: Path) -> None:
    """Compiled with a main of four lines, its packets are the ones shown."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    source = (
        blocks("embedded.md", "c")[0]
        + """
static void show(const uint8_t *p, size_t l) { while (l--) printf("%02X", *p++); printf("\\n"); }
int main(void) {
    size_t l; const uint8_t *p;
    p = connect_packet(1, &l); show(p, l);
    p = subscribe_packet(1, &l); show(p, l);
    p = pressure_json(4, 795775428, 1, 61000, 60500, 128, 79, 66, &l); show(p, l);
    p = pressure_cbor(5, 795775428, 2, 95000, 94000, 131, 82, 68, &l); show(p, l);
}
"""
    )
    (tmp_path / "chip.c").write_text(source)
    build = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-sign-compare"]
    subprocess.run([*build, "-o", "chip", "chip.c"], cwd=tmp_path, check=True, timeout=30)
    made = subprocess.run(["./chip"], cwd=tmp_path, check=True, capture_output=True, timeout=5)
    names = ("connect", "subscribe", "obs json", "obs cbor")
    assert made.stdout.decode().split() == [DUMPS[name].hex().upper() for name in names]
