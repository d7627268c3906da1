"""The failing network, with real sockets: what passes, what is held up, what is lost."""

import asyncio
import contextlib
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from firmware_sim.fleet.proxy import KINDS, Proxy, apply, troubles

_LONG_S = 20.0


class Target:
    """A server that answers every byte with itself, and remembers what it got."""

    def __init__(self) -> None:
        self.got = b""
        self.ends = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.got += data
                writer.write(data)
        self.ends += 1
        writer.close()


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    """A server that echoes."""
    made = Target()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
async def proxy(target: Target) -> AsyncIterator[Proxy]:
    """A proxy in front of it."""
    async with Proxy(0, "127.0.0.1", target.port) as made:
        yield made


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(proxy: Proxy) -> Streams:
    """A client whose connection reaches the target."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"?")
    assert await asyncio.wait_for(reader.readexactly(1), _LONG_S) == b"?"
    return reader, writer


async def until(condition: Callable[[], object]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + _LONG_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes before the end of a connection, however it ends."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(-1), _LONG_S)
    return b""


async def within(work: Awaitable[bytes], seconds: float) -> bytes | None:
    """What comes in so many seconds, None when nothing does."""
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError:
        return None


async def test_everything_passes_both_ways_in_order(proxy: Proxy, target: Target) -> None:
    """Much more than any buffer holds comes back as it was sent."""
    reader, writer = await connected(proxy)
    sent = bytes(range(256)) * 8192
    writer.write(sent)
    assert await asyncio.wait_for(reader.readexactly(len(sent)), _LONG_S) == sent
    writer.close()
    await until(lambda: target.ends == 1 and proxy.connections == 0)


async def test_a_cut_ends_both_sides_and_lets_new_ones_in(proxy: Proxy, target: Target) -> None:
    """The client sees a reset, the server an end, and coming back works."""
    reader, _ = await connected(proxy)
    assert proxy.cut() == 1
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(reader.readexactly(1), _LONG_S)
    await until(lambda: target.ends == 1)
    assert proxy.connections == 0
    await connected(proxy)


async def test_a_share_of_the_connections_is_hit(proxy: Proxy) -> None:
    """Half of ten, and at least one."""
    clients = [await connected(proxy) for _ in range(10)]
    assert proxy.cut(0.5) == 5
    assert proxy.connections == 5
    assert proxy.cut(0.01) == 1
    assert proxy.cut(0.0) == 0
    await until(lambda: sum(reader.at_eof() or reader.exception() is not None
                            for reader, _ in clients) == 6)  # fmt: skip


async def test_a_cut_in_mid_packet_lets_exactly_so_many_bytes_through(
    proxy: Proxy, target: Target
) -> None:
    """The server gets the beginning of the packet and then the end of the connection."""
    reader, writer = await connected(proxy)
    assert proxy.cut_after(7) == 1
    writer.write(b"0123456789")
    await ended(reader)
    await until(lambda: target.ends == 1)
    assert target.got == b"?0123456"


async def test_a_stall_holds_everything_up_and_loses_nothing(proxy: Proxy) -> None:
    """Nothing comes while it lasts; afterwards all of it, in order."""
    reader, writer = await connected(proxy)
    proxy.stall(3600.0)
    writer.write(b"first ")
    writer.write(b"second")
    assert await within(reader.readexactly(1), 0.3) is None
    proxy.heal()
    assert await asyncio.wait_for(reader.readexactly(12), _LONG_S) == b"first second"


async def test_half_open_swallows_and_closes_nothing(proxy: Proxy, target: Target) -> None:
    """Neither side notices; what was sent is lost, and healing cuts the connection."""
    reader, writer = await connected(proxy)
    assert proxy.half_open() == 1
    writer.write(b"lost")
    assert await within(reader.readexactly(1), 0.3) is None
    assert (target.got, target.ends, proxy.connections) == (b"?", 0, 1)
    proxy.heal()
    await ended(reader)
    await until(lambda: target.ends == 1)
    assert target.got == b"?"


async def test_a_client_that_gives_up_is_not_told_to_the_server(
    proxy: Proxy, target: Target
) -> None:
    """Into the black hole goes also the end of the connection."""
    _, writer = await connected(proxy)
    proxy.half_open()
    writer.transport.abort()
    await asyncio.sleep(0.3)
    assert (target.ends, proxy.connections) == (0, 1)


async def test_a_delay_holds_every_byte_up(proxy: Proxy) -> None:
    """There and back takes at least twice the delay, and healing ends it."""
    reader, writer = await connected(proxy)
    proxy.delay(150)
    began = time.monotonic()
    writer.write(b"abc")
    assert await asyncio.wait_for(reader.readexactly(3), _LONG_S) == b"abc"
    assert time.monotonic() - began >= 0.3
    proxy.heal()
    writer.write(b"d")
    assert await asyncio.wait_for(reader.readexactly(1), _LONG_S) == b"d"


async def test_bandwidth_limits_a_connection(proxy: Proxy) -> None:
    """20,000 bytes at 20,000 bytes a second take about a second, never much less."""
    reader, writer = await connected(proxy)
    proxy.bandwidth(20_000)
    began = time.monotonic()
    writer.write(b"x" * 20_000)
    assert await asyncio.wait_for(reader.readexactly(20_000), _LONG_S) == b"x" * 20_000
    assert time.monotonic() - began >= 0.9


async def test_who_is_refused_never_reaches_the_target(proxy: Proxy, target: Target) -> None:
    """New ones are reset, those that are there go on."""
    reader, writer = await connected(proxy)
    proxy.refuse()
    with contextlib.suppress(ConnectionError):
        late, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await ended(late) == b""
    writer.write(b"!")
    assert await asyncio.wait_for(reader.readexactly(1), _LONG_S) == b"!"
    assert proxy.connections == 1
    proxy.refuse(False)
    await connected(proxy)


async def test_a_target_that_is_away_ends_the_connection() -> None:
    """The client sees an end, not a hang."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Proxy(0, "127.0.0.1", port) as proxy:
        reader, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await ended(reader) == b""
        await until(lambda: proxy.connections == 0)


async def test_troubles_come_by_seed_and_all_can_be_applied(proxy: Proxy) -> None:
    """The same seed, the same troubles; every kind comes, and is over after healing."""
    some = list(itertools.islice(troubles(7, every_s=0.1), 60))
    assert some == list(itertools.islice(troubles(7, every_s=0.1), 60))
    assert some != list(itertools.islice(troubles(8, every_s=0.1), 60))
    assert {one.kind for one in some} == set(KINDS)
    for trouble in {one.kind: one for one in some}.values():
        reader, writer = await connected(proxy)
        assert apply(proxy, trouble) == 1
        proxy.heal()
        writer.close()
        await ended(reader)
        await until(lambda: proxy.connections == 0)


async def test_the_command_forwards_and_ends_by_itself(target: Target) -> None:
    """One line says where it listens; after its minutes it exits with 0."""
    command = [sys.executable, "-m", "firmware_sim.fleet.proxy", "--minutes", "0.05"]
    process = await asyncio.create_subprocess_exec(
        *command, "--target", f"127.0.0.1:{target.port}", stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), _LONG_S)).decode()
    assert f'"target": "127.0.0.1:{target.port}"' in line
    assert await asyncio.wait_for(process.wait(), _LONG_S * 2) == 0
