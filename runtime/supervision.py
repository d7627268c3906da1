"""How a service runs: named tasks that end together, signals that end them, an exit code."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from runtime import log

_LOG = structlog.get_logger()


async def run_tasks(tasks: dict[str, Coroutine[Any, Any, Any]]) -> None:
    """Run the tasks until all have ended; one that raises ends all, loudly.

    Raises the ExceptionGroup of what was raised; the name of the task is in the log.
    """
    async with asyncio.TaskGroup() as group:
        for name, work in tasks.items():
            group.create_task(_named(name, work), name=name)


async def _named(name: str, work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except Exception:
        _LOG.exception("task_failed", task=name)
        raise


def run_service(
    room: str, main: Callable[[], Awaitable[None]], *, log_level: str | None = None
) -> int:
    """Run a service until it ends, or SIGTERM or SIGINT asks it to; returns the exit code.

    0: ended or was stopped, 1: failed. `main` is cancelled by the signal and cleans up after
    itself.
    """
    log.configure(room, log_level)
    try:
        asyncio.run(_until_signalled(main))
    except Exception:  # noqa: BLE001 - whatever it was, it is logged and becomes the exit code
        _LOG.exception("service_failed")
        return 1
    return 0


async def _until_signalled(main: Callable[[], Awaitable[None]]) -> None:
    work = asyncio.ensure_future(main())
    stopped = False

    def stop(name: str) -> None:
        nonlocal stopped
        stopped = True
        _LOG.info("stopping", signal=name)
        work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    _LOG.info("started")
    try:
        await work
    except asyncio.CancelledError:
        if not stopped:
            raise
    _LOG.info("stopped")
