"""The parts of a running hub: the two embedded servers and one process a room."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog

from runtime.account import CannotRunServerError, command_as
from runtime.embedded_server import TRIES, EmbeddedServer
from runtime.running import command_line, end_process

_LOG = structlog.get_logger()


class Part(Protocol):
    """Something that runs as one process, can die and be started again."""

    name: str

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        ...

    @property
    def ended_with(self) -> int | None:
        """Its exit code, minus the signal that killed it; None while it runs."""
        ...

    async def start(self) -> None:
        """Start it; raises CannotRunServerError when it cannot be."""
        ...

    async def stop(self) -> None:
        """End it, cleanly if it goes."""
        ...


class ServerPart:
    """An embedded server as a part: waiting happens in a thread, the fork in the main one."""

    def __init__(self, server: EmbeddedServer) -> None:
        """Nothing starts yet."""
        self.name: str = server.name
        self._server = server

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._server.pid

    @property
    def ended_with(self) -> int | None:
        """Its exit code, minus the signal that killed it; None while it runs."""
        return self._server.ended_with

    async def start(self) -> None:
        """Start it and return when it answers."""
        for _ in range(TRIES):
            await asyncio.to_thread(self._server.prepare)
            self._server.spawn()
            if await asyncio.to_thread(self._server.wait_ready):
                return
            await asyncio.to_thread(self._server.kill)
        raise CannotRunServerError(f"{self.name} does not start: {self._server.last_words()}")

    async def stop(self) -> None:
        """Stop it cleanly."""
        await asyncio.to_thread(self._server.stop)


class RoomPart:
    """One room as a child process: `python -m hub.main <room>`, ended with us whatever happens."""

    def __init__(
        self, name: str, environment: Mapping[str, str], log: Path, *, room: str | None = None
    ) -> None:
        """`environment` is added to our own; what the room says goes to `log`. A second process
        of a `room` has a name of its own."""
        self.name = name
        self._room = room or name
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def ended_with(self) -> int | None:
        """Its exit code, minus the signal that killed it; None while it runs."""
        return self._process.poll() if self._process else None

    async def start(self) -> None:
        """Start the process; its readiness shows elsewhere."""
        self._process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        # Every room is safe to kill at any moment, so the surest signal is the right one.
        # -P: a folder called `hub` or `store` where we were started is none of ours.
        program = [sys.executable, "-P", "-m", "hub.main", self._room]
        line = command_as(None, program, death_signal="KILL")
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env={**os.environ, **self._environment},
                process_group=0,
            )
        finally:
            os.close(descriptor)

    def end_leftover(self, pid: int | None) -> None:
        """End a process of an earlier hub, if this id still is this room's."""
        if pid is not None and command_line(pid)[-2:] == ["hub.main", self._room]:
            _LOG.warning("leftover_room_ended", part=self.name, pid=pid)
            end_process(pid, (signal.SIGKILL, 2.0))

    async def stop(self) -> None:
        """Ask it to end, and insist after four seconds."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._process.send_signal(number)
            try:
                await asyncio.to_thread(self._process.wait, 4.0)
            except subprocess.TimeoutExpired:
                _LOG.warning("room_slow_to_stop", part=self.name, sent=number.name)
                continue
            break
