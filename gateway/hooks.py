"""Programs of the owner that the gateway runs for what it cannot do itself: dial, restart,
install. Each is one command line of the settings; nothing from the network becomes a part of it
but as a whole argument at its end."""

import asyncio
import shlex
from typing import Final

import structlog

_LOG = structlog.get_logger()
_LONGEST_SECONDS: Final = 900.0


async def run_hook(command: str, *arguments: str, seconds: float = _LONGEST_SECONDS) -> str | None:
    """Run it to its end; None when it went well, else in a few words why not."""
    words = [*shlex.split(command), *arguments]
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
        )
    except OSError as error:
        return f"{type(error).__name__}: {words[0]}"
    try:
        code = await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return f"not done after {seconds:.0f} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    _LOG.info("hook_ended", code=code)
    return None if code == 0 else f"exit code {code}"
