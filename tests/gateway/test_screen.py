"""The screen over HTTP: views as they happen, presses only from its own page."""

import asyncio
import http.client
import json
from collections.abc import Callable
from typing import Any

from gateway.screen.server import TOKEN_HEADER
from runtime.clock import ManualClock
from tests.gateway.conftest import Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

Power = Callable[..., Running]


def ask(
    port: int, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request; header names are given with underscores."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        payload = None if body is None else json.dumps(body)
        connection.request(method, path, payload, sent)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


async def asked(*args: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """The same from the event loop's side."""
    return await asyncio.to_thread(lambda: ask(*args, **headers))


async def screen(running: Running) -> int:
    """The port, once it listens."""
    await until(lambda: running.port)
    return running.port


async def test_page_has_no_other_sources_and_a_token(power: Power) -> None:
    """One page, its own script and style, a policy that allows nothing else, and a token."""
    running = power()
    port = await screen(running)
    status, headers, page = await asked(port, "GET", "/")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert running.gateway.screen.token.encode() in page
    assert b"http://" not in page
    assert b"https://" not in page
    for path in ("/screen.css", "/screen.js", "/words.js"):
        assert (await asked(port, "GET", path))[0] == 200
    for path in ("/../settings.py", "/gateway.db", "/screen/view.py", "/nothing"):
        assert (await asked(port, "GET", path))[0] == 404


async def test_a_press_with_the_token_acts(power: Power) -> None:
    """What the page sends is done, and the answer says whether it changed anything."""
    running = power()
    port = await screen(running)
    token = json.loads((await asked(port, "GET", "/token"))[2])["token"]
    body = {"do": "language", "value": "en"}
    headers = {TOKEN_HEADER.replace("-", "_"): token}
    status, _, answer = await asked(port, "POST", "/press", body, **headers)
    assert (status, json.loads(answer)) == (200, {"ok": True})
    status, _, answer = await asked(port, "POST", "/press", body, **headers)
    assert (status, json.loads(answer)) == (200, {"ok": False})
    assert json.loads((await asked(port, "GET", "/state"))[2])["language"] == "en"


STRANGERS: list[tuple[dict[str, str], int]] = [
    ({}, 403),
    ({"X_Hearthbeat_Token": "wrong"}, 403),
    ({"X_Hearthbeat_Token": "TOKEN", "Origin": "https://evil.example"}, 403),
    ({"X_Hearthbeat_Token": "TOKEN", "Sec_Fetch_Site": "cross-site"}, 403),
    ({"X_Hearthbeat_Token": "TOKEN", "Host": "evil.example"}, 403),
    ({"X_Hearthbeat_Token": "TOKEN", "Content_Length": "999999"}, 400),
]


async def test_no_other_page_can_press(power: Power) -> None:
    """Without the token, from another site, under another name, or too long: refused."""
    running = power()
    port = await screen(running)
    token = running.gateway.screen.token
    for headers, status in STRANGERS:
        sent = {name: value.replace("TOKEN", token) for name, value in headers.items()}
        found, _, _ = await asked(port, "POST", "/press", {"do": "call"}, **sent)
        assert found == status, headers
    assert running.robot.help.current is None


async def test_another_host_name_sees_nothing(power: Power) -> None:
    """A page under somebody else's name that resolves to this machine reads no view, no token."""
    running = power()
    port = await screen(running)
    for path in ("/", "/state", "/token", "/events"):
        assert (await asked(port, "GET", path, None, Host="evil.example"))[0] == 421


async def test_nonsense_is_refused_and_unknown_buttons_do_nothing(power: Power) -> None:
    """A broken press is 400; a button that does not exist changes nothing."""
    running = power()
    port = await screen(running)

    def send(payload: bytes) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        headers = {TOKEN_HEADER: running.gateway.screen.token}
        connection.request("POST", "/press", payload, headers)
        return connection.getresponse().status

    for body in (b"", b"{", b"[]", b'{"do":1}', b'{"no":"do"}', b"\xff" * 50):
        assert await asyncio.to_thread(send, body) == 400, body
    assert await asyncio.to_thread(send, b'{"do":"format_disk"}') == 200


async def test_views_come_by_themselves(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, clock: ManualClock
) -> None:
    """Server-sent events: the present view at once, a new one within a second of a reading."""
    running = power()
    port = await screen(running)
    await until(lambda: running.gateway.collector.link == "ready")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    async def view() -> dict[str, Any]:
        while True:
            line = await asyncio.wait_for(reader.readline(), 5)
            if line.startswith(b"data: "):
                return json.loads(line[6:])

    first = await view()
    assert first["last"] is None
    meter.measured(frame(151, 92, 66, (2026, 3, 4, 8, 0)))
    while (seen := await view())["last"] is None:
        pass
    assert (seen["last"]["sys"], seen["last"]["dia"], seen["last"]["pr"]) == (151, 92, 66)
    writer.close()
    await running.stop()
    running.start()
    assert running.robot._last.sys == 151, "the last reading is shown after a restart, too"


async def test_too_many_screens_are_turned_away(power: Power) -> None:
    """Streams are limited; the others go on, and a closed one makes room."""
    running = power()
    port = await screen(running)
    streams = []
    for _ in range(16):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        streams.append(writer)
    await until(lambda: running.gateway.screen._streams._value == 0)
    assert (await asked(port, "GET", "/events"))[0] == 503
    for writer in streams:
        writer.close()
    assert (await asked(port, "GET", "/state"))[0] == 200
