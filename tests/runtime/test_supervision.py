"""How a service lives and ends: one failing task ends all, signals end it cleanly."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.supervision import run_tasks

_SERVICE = """
import asyncio, os, sys
from runtime.supervision import run_service

async def main():
    try:
        if sys.argv[1] == "fail":
            raise RuntimeError("broken")
        if sys.argv[1] == "end":
            return
        print("ready", flush=True)
        await asyncio.sleep(60)
    finally:
        print("cleaned", flush=True)

sys.exit(run_service("test", main))
"""


def service(how):
    return subprocess.Popen(
        [sys.executable, "-c", _SERVICE, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


async def test_one_failing_task_ends_all():
    """The others are cancelled and may clean up; the failure is raised."""
    ended = []

    async def lasting():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("lasting")

    async def failing():
        raise RuntimeError("broken")

    with pytest.raises(ExceptionGroup) as raised:
        await run_tasks({"lasting": lasting(), "failing": failing()})
    assert raised.group_contains(RuntimeError, match="broken")
    assert ended == ["lasting"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_service_cleanly(number):
    """Cancelled, cleaned up, exit code 0."""
    process = service("wait")
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, number)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "cleaned\n")


@pytest.mark.parametrize(("how", "code"), [("end", 0), ("fail", 1)])
def test_the_exit_code_says_how_it_ended(how, code):
    """0 when it ended by itself, 1 when it failed, with the reason in a JSON line."""
    out, err = (process := service(how)).communicate(timeout=30)
    assert (process.returncode, out) == (code, "cleaned\n")
    events = [json.loads(line) for line in err.splitlines()]
    assert {event["room"] for event in events} == {"test"}
    assert ("service_failed" in {event["event"] for event in events}) is (how == "fail")
