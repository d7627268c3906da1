"""Keeps the log files of the parts from filling the disk."""

import asyncio
import shutil
from pathlib import Path

import structlog

_LOG = structlog.get_logger()
_LIMIT_BYTES = 20 * 1024 * 1024
_LOOK_EVERY_S = 15.0


async def keep_bounded(folder: Path) -> None:
    """Turn over every log that grew too long, until cancelled."""
    while True:
        await asyncio.to_thread(turn_over, folder, _LIMIT_BYTES)
        await asyncio.sleep(_LOOK_EVERY_S)


def turn_over(folder: Path, limit_bytes: int) -> list[str]:
    """Move what stands in each log over the limit to `<name>.1`; returns their names.

    The file itself stays: its writer has it open, appending, and cannot be told.
    """
    turned = []
    for path in sorted(folder.glob("*.log")):
        if path.stat().st_size > limit_bytes:
            try:
                shutil.copy(path, path.with_name(f"{path.name}.1"))
            except OSError as error:
                # A full disk needs the room more than it needs the old lines.
                _LOG.warning("log_not_kept", log=path.name, reason=error.strerror)
            with path.open("r+b") as file:
                file.truncate(0)
            turned.append(path.name)
    return turned
