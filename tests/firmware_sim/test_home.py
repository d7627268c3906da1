"""A home to play with: what the hand at the controls does is what cuff, network and gateway do."""

import asyncio
import http.server
import json
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from firmware_sim.cli import app, reading
from firmware_sim.control import Control
from firmware_sim.household import Appliance, Household, do_as_the_screen_says
from firmware_sim.network import Network
from firmware_sim.physiology import Person, Pressure
from runtime.clock import ManualClock


def ask(control: Control, path: str = "/", body: Any = None) -> dict[str, Any]:
    """One request to the controls; their answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{control.port}{path}", data=data)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return dict(json.load(answer))


@pytest.fixture
def home(clock: ManualClock, tmp_path: Path) -> Iterator[Household]:
    """A home of two people."""
    people = [Person(seed=1), Person(seed=2, sys=110)]
    with Household(clock, people=people, link=tmp_path / "ttyCUFF") as made:
        yield made


def test_the_next_readings_are_those_chosen(home: Household) -> None:
    """Chosen ones first, one after the other, then the person's own."""
    home.choose([Pressure(190, 115, 88), Pressure(188, 112, 86)])
    shown = [home.measure() for _ in range(3)]
    assert [(s.sys, s.dia) for s in shown[:2]] == [(190, 115), (188, 112)]
    assert 100 < shown[2].sys < 180
    assert home.measure(Pressure(85, 50, 60)).sys == 85


def test_the_controls_say_and_do(home: Household) -> None:
    """Measure, choose, trouble, clock: through HTTP, and the state says so."""
    with Control(home) as control:
        assert ask(control)["memory"] == []
        ask(control, "/next", {"readings": [{"sys": 190, "dia": 115}]})
        state = ask(control, "/measure", {})
        assert state["memory"][0] | {"at": ""} == {"sys": 190, "dia": 115, "pulse": 72, "at": ""}
        ask(control, "/measure", {"sys": 150, "dia": 92, "pulse": 70})
        assert home.cuff.memory[0].sys == 150
        assert ask(control, "/cuff", {"silent": True})["trouble"]["silent"]
        assert ask(control, "/cuff", {"plugged": False})["serial"] is None
        assert ask(control, "/cuff", {"plugged": True})["serial"] == str(home.cuff.path)
        assert ask(control, "/clock", {"reset": True})["cuff_shows"].startswith("2012-01-01")
        assert ask(control, "/clock", {})["cuff_shows"] == "2026-03-04T08:00"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/measure", {"sys": 500, "dia": 90}, 400),
        ("/measure", {"sys": "high"}, 400),
        ("/network", {"cut": "refused"}, 400),
        ("/power", {"on": False}, 400),
        ("/nothing", {}, 404),
    ],
)
def test_what_cannot_be_done_is_said(home: Household, path: str, body: Any, status: int) -> None:
    """A reason, and nothing happens."""
    with Control(home) as control:
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(control, path, body)
        assert refused.value.code == status
        assert json.load(refused.value)["error"]
    assert home.cuff.memory == ()


class Screen(http.server.BaseHTTPRequestHandler):
    """A robot's screen that shows what the test says."""

    view: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        """Only the state."""
        body = json.dumps(self.view).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def screen() -> Iterator[str]:
    """Its address."""
    Screen.view = {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Screen)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_the_person_does_as_the_screen_says(home: Household, screen: str) -> None:
    """No reading while resting or without a session; one for each that is asked for."""
    playing = asyncio.create_task(do_as_the_screen_says(home, screen, after_s=0.02, poll_s=0.02))
    try:
        await asyncio.sleep(0.15)
        Screen.view = {"card": {"kind": "session", "id": "s1", "seconds_left": 40}}
        await asyncio.sleep(0.15)
        assert home.cuff.memory == ()
        Screen.view = {"card": {"kind": "session", "id": "s1", "note": {"en": "1 of 2"}}}
        await asyncio.sleep(0.3)
        assert len(home.cuff.memory) == 1
        Screen.view = {"card": {"kind": "session", "id": "s1", "note": {"en": "2 of 2"}}}
        await asyncio.sleep(0.3)
        assert len(home.cuff.memory) == 2
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)


def test_the_gateway_has_a_plug(tmp_path: Path) -> None:
    """Power cut is kill -9: no chance to say good-bye; power back starts it again."""
    said = tmp_path / "said"
    program = (
        "import sys, time, pathlib, atexit\n"
        f"p = pathlib.Path({str(said)!r})\n"
        "atexit.register(lambda: p.open('a').write('good-bye\\n'))\n"
        "p.open('a').write('hello\\n')\n"
        "time.sleep(60)\n"
    )
    gateway = Appliance([sys.executable, "-c", program])
    for lines in (1, 2):
        gateway.power(on=True)
        for _ in range(200):
            if said.exists() and said.read_text().count("hello") == lines:
                break
            threading.Event().wait(0.02)
        assert gateway.on
        gateway.power(on=False)
        assert not gateway.on
    assert said.read_text() == "hello\nhello\n"
    gateway.stop()


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that answers what it hears; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1024):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def say(network: Network, words: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect through the network and say something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", network.port)
    writer.write(words)
    return reader, writer


async def test_the_network_passes_everything_on(echo: int) -> None:
    """Both ways, also a lot, and both ends see the other's end."""
    async with Network("127.0.0.1", echo) as network:
        lot = bytes(range(256)) * 4000
        reader, writer = await say(network, lot)
        assert await asyncio.wait_for(reader.readexactly(len(lot)), 5) == lot
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert network.bytes_up == len(lot)
        writer.close()


async def test_a_refused_network_breaks_and_comes_back_on_its_port(echo: int) -> None:
    """Cut: live connections break, new ones are refused; restored: the same port answers."""
    async with Network("127.0.0.1", echo) as network:
        reader, writer = await say(network, b"one")
        assert await asyncio.wait_for(reader.readexactly(3), 5) == b"one"
        await network.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()
        with pytest.raises(OSError, match="111"):
            await say(network, b"two")
        await network.restore()
        reader, writer = await say(network, b"three")
        assert await asyncio.wait_for(reader.readexactly(5), 5) == b"three"
        writer.close()


async def test_a_silent_network_keeps_connections_and_loses_nothing_once_back(echo: int) -> None:
    """The far end is only not heard; what was said in between arrives later, in order."""
    async with Network("127.0.0.1", echo) as network:
        reader, writer = await say(network, b"one")
        assert await asyncio.wait_for(reader.readexactly(3), 5) == b"one"
        await network.cut("silent")
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(3), 0.3)
        await network.restore()
        assert await asyncio.wait_for(reader.readexactly(3), 5) == b"two"
        writer.close()


async def test_without_a_broker_behind_it_a_connection_ends(free_port: int) -> None:
    """The proxy does not pretend that somebody is there."""
    async with Network("127.0.0.1", free_port) as network:
        reader, writer = await say(network, b"one")
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


async def test_the_controls_cut_the_network(home: Household, echo: int) -> None:
    """The hand at the controls unplugs the home."""
    async with Network("127.0.0.1", echo) as network:
        loop = asyncio.get_running_loop()
        with Control(home, network=network, loop=loop) as control:
            assert (await asyncio.to_thread(ask, control))["network"] == "up"
            state = await asyncio.to_thread(ask, control, "/network", {"cut": "refused"})
            assert state["network"] == "refused"
            assert network.cut_as == "refused"
            await asyncio.to_thread(ask, control, "/network", {"cut": None})
            assert network.cut_as is None


@pytest.mark.parametrize("text", ["190", "190/x", "190/115/88/1", "-1/2"])
def test_a_reading_is_written_like_on_a_card(text: str) -> None:
    """150/92 or 150/92/70; anything else is refused on the command line."""
    assert reading("150/92/70") == Pressure(150, 92, 70)
    refused = CliRunner().invoke(app, ["cuff", "--next", text])
    assert refused.exit_code == 2


def test_a_running_cuff_is_told_what_comes_next(home: Household) -> None:
    """`sim tell` speaks to the controls and says what is going on."""
    with Control(home) as control:
        address = f"http://127.0.0.1:{control.port}"
        told = CliRunner().invoke(app, ["tell", address, "next", "190/115"])
        assert told.exit_code == 0
        assert json.loads(told.output)["next"][0]["sys"] == 190
        told = CliRunner().invoke(app, ["tell", address, "measure", "185/111/90"])
        assert home.cuff.memory[0].pulse == 90
        assert CliRunner().invoke(app, ["tell", address, "dance"]).exit_code == 1
