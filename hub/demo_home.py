"""A home of the demo: a simulated cuff on a pseudo-terminal, and a real gateway that reads it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from firmware_sim.household import Household
from firmware_sim.physiology import Person, Pressure
from gateway.help_call import STAGES
from gateway.texts import CALL_STAGES
from hub.demo_village import Home
from hub.robot import Robot
from runtime.account import command_as
from runtime.clock import Clock

_STOP_S: Final = 5.0


class LiveHome:
    """One home for the time of an `async with` block: cuff, gateway, screen."""

    def __init__(
        self,
        home: Home,
        folder: Path,
        clock: Clock,
        *,
        broker: tuple[str, int],
        screen_port: int,
        person: Person | None = None,
        cuff_holds: int = 30,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`cuff_holds` readings fit its memory; `environment` is more of HEARTHBEAT_GATEWAY_…,
        for example shorter times.
        """
        self.home = home
        self.household = Household(clock, people=[person] if person else [], capacity=cuff_holds)
        self.screen_url = f"http://127.0.0.1:{screen_port}"
        self.robot = Robot(self.screen_url)
        self._folder = folder
        host, port = broker
        self._settings = {
            "HEARTHBEAT_GATEWAY_BROKER": f"mqtt://{home.node_id}:{home.password}@{host}:{port}",
            "HEARTHBEAT_GATEWAY_STATE": str(folder / "state"),
            "HEARTHBEAT_GATEWAY_SCREEN_PORT": str(screen_port),
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        """Plug in the cuff and start the gateway; returns at once."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.household.__enter__()
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the gateway and pull the cuff's cable out."""
        await self.robot.close()
        await asyncio.to_thread(self.stop)
        self.household.__exit__(kind, error, trace)

    @property
    def pid(self) -> int | None:
        """The gateway's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def measure(self, sys: int, dia: int, pulse: int) -> None:
        """Somebody measures, and the cuff shows this."""
        self.household.measure(Pressure(sys, dia, pulse))

    def start(self) -> None:
        """Power on: start the gateway where its state was left."""
        settings = self._settings | {"HEARTHBEAT_GATEWAY_SERIAL": str(self.household.cuff.path)}
        line = command_as(None, [sys.executable, "-m", "hub.main", "gateway"], death_signal="KILL")
        log = os.open(self._folder / "gateway.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **settings},
                process_group=0,
            )
        finally:
            os.close(log)

    def cut_power(self) -> None:
        """The power fails: the gateway ends without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the gateway as its owner would."""
        self._end(signal.SIGTERM)

    async def call_stages(self) -> tuple[str, ...]:
        """How far the call for help on the screen has come: the stages it has passed."""
        card = await self.robot.card("call")
        title = card["title"] if card else None
        for stage, words in CALL_STAGES.items():
            if title == dict(words):
                return STAGES[: STAGES.index(stage) + 1]
        return ()

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
