"""The hand that plays with a home: JSON over HTTP, on loopback only.

GET  /            what is going on
POST /measure     {}  or {"sys": 190, "dia": 115, "pulse": 88}   somebody measures, now
POST /next        {"readings": [{"sys": 190, "dia": 115}, ...]}  what they will show
POST /network     {"cut": "refused" | "silent" | null}
POST /power       {"on": false}                                  of the gateway
POST /cuff        {"plugged": false} and any of {"silent": true, "noise": 0.01,
                  "cut_after": 5, "delay_s": 2}; what is left out is well again
POST /clock       {"offset_s": -3600} or {"reset": true}         of the cuff
"""

import asyncio
import http.server
import threading
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import msgspec
from msgspec import Struct

from firmware_sim.household import Appliance, Household
from firmware_sim.network import How, Network
from firmware_sim.physiology import Pressure
from firmware_sim.serial_line import Trouble

_LARGEST: Final = 65_536


class Chosen(Struct, frozen=True, omit_defaults=True):
    """A reading somebody chose."""

    sys: int
    dia: int
    pulse: int = 72

    def pressure(self) -> Pressure:
        """As the home takes it."""
        return Pressure(self.sys, self.dia, self.pulse)


class Next(Struct, frozen=True):
    """The readings to come."""

    readings: list[Chosen]


class Cut(Struct, frozen=True):
    """The network: how it is cut, None for not."""

    cut: How | None


class Power(Struct, frozen=True):
    """The gateway's plug."""

    on: bool


class Cable(Struct, frozen=True, kw_only=True):
    """The cuff's cable and its troubles."""

    plugged: bool = True
    silent: bool = False
    noise: float = 0.0
    cut_after: int | None = None
    delay_s: float = 0.0


class MeterClock(Struct, frozen=True, kw_only=True):
    """The cuff's clock: off by so many seconds, or back at its factory date."""

    offset_s: float = 0.0
    reset: bool = False


class Control:
    """Controls of one home, served on a thread for the time of a `with` block."""

    def __init__(
        self,
        home: Household,
        *,
        port: int = 0,
        network: Network | None = None,
        gateway: Appliance | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`network` needs the loop it lives on."""
        self._home = home
        self._network = network
        self._gateway = gateway
        self._loop = loop
        handler = type("Handler", (_Handler,), {"control": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="control"
        )
        self._doors: dict[str, Callable[[bytes], None]] = {
            "/measure": self._measure,
            "/next": self._choose,
            "/network": self._cut,
            "/power": self._power,
            "/cuff": self._cable,
            "/clock": self._clock,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def state(self) -> dict[str, Any]:
        """What is going on, as JSON values."""
        line = self._home.cuff.line
        return {
            "serial": str(line.path) if line.slave is not None else None,
            "cuff_shows": self._home.cuff.shows().isoformat(timespec="minutes"),
            "memory": [msgspec.to_builtins(stored) for stored in self._home.cuff.memory],
            "next": [msgspec.to_builtins(each) for each in self._home.next_readings],
            "trouble": msgspec.to_builtins(line.trouble),
            "network": None if self._network is None else self._network.cut_as or "up",
            "gateway": None if self._gateway is None else "on" if self._gateway.on else "off",
        }

    def do(self, path: str, body: bytes) -> bool:
        """Act; False for an unknown path. Raises ValueError for what cannot be done."""
        door = self._doors.get(path)
        if door is not None:
            door(body or b"{}")
        return door is not None

    def _measure(self, body: bytes) -> None:
        chosen = msgspec.json.decode(body, type=dict[str, Any])
        shown = msgspec.convert(chosen, Chosen).pressure() if chosen else None
        self._home.measure(shown)

    def _choose(self, body: bytes) -> None:
        wanted = msgspec.json.decode(body, type=Next)
        self._home.choose([each.pressure() for each in wanted.readings])

    def _cut(self, body: bytes) -> None:
        how = msgspec.json.decode(body, type=Cut).cut
        if self._network is None or self._loop is None:
            raise ValueError("this home has no network to cut")
        work = self._network.restore() if how is None else self._network.cut(how)
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=5)

    def _power(self, body: bytes) -> None:
        if self._gateway is None:
            raise ValueError("this home has no gateway of its own")
        self._gateway.power(on=msgspec.json.decode(body, type=Power).on)

    def _cable(self, body: bytes) -> None:
        cable = msgspec.json.decode(body, type=Cable)
        line = self._home.cuff.line
        line.trouble = Trouble(
            silent=cable.silent,
            noise=cable.noise,
            cut_after=cable.cut_after,
            delay_s=cable.delay_s,
        )
        if cable.plugged:
            line.plug_in()
        else:
            line.pull_out()

    def _clock(self, body: bytes) -> None:
        clock = msgspec.json.decode(body, type=MeterClock)
        cuff = self._home.cuff
        if clock.reset:
            cuff.change_batteries()
        else:
            cuff.set_right(timedelta(seconds=clock.offset_s))


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    control: ClassVar[Control]
    server_version = "Hearthbeat"
    sys_version = ""
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """What happens is logged by the home."""

    def do_GET(self) -> None:
        """What is going on."""
        self._answer(HTTPStatus.OK, self.control.state())

    def do_POST(self) -> None:
        """Do something; the answer is what is going on then."""
        length = self.headers.get("Content-Length", "0")
        body = b""
        if length.isdecimal() and int(length) <= _LARGEST:
            body = self.rfile.read(int(length))
        try:
            known = self.control.do(self.path, body)
        except (ValueError, msgspec.MsgspecError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        if known:
            self._answer(HTTPStatus.OK, self.control.state())
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "see GET /"})

    def _answer(self, status: HTTPStatus, what: dict[str, Any]) -> None:
        body = msgspec.json.encode(what)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
