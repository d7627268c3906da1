"""The voice: espeak-ng where it is installed, else the browser's, else none.

Saying something is never waited for and never fails anybody: a robot without a voice still shows
every word.
"""

import asyncio
import shutil
from typing import Final, Protocol

import structlog

from gateway.texts import Text, words

_LOG = structlog.get_logger()
_PROGRAM: Final = "espeak-ng"
_VOICES: Final = {"zh-CN": "cmn", "en": "en"}
_WORDS_A_MINUTE: Final = 130  # slow, for old ears
_LONGEST_SECONDS: Final = 60.0
USUAL: Final = 70  # percent, as the configuration has it
_USUAL_AMPLITUDE: Final = 100  # espeak's own


class Voice(Protocol):
    """Somebody who can say something. While it does not work, the browser speaks."""

    works: bool

    def say(self, text: Text, language: str, volume: int = USUAL) -> None:
        """Say it, after what is being said; `volume` in percent."""

    async def run(self) -> None:
        """Speak until cancelled."""


class NoVoice:
    """Says nothing: the screen shows it, and the browser may speak."""

    works = False

    def say(self, text: Text, language: str, volume: int = USUAL) -> None:
        """Nothing to do."""

    async def run(self) -> None:
        """Nothing to do."""


class Espeak:
    """Speaks with espeak-ng, one sentence after another."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._waiting: asyncio.Queue[tuple[str, str, int]] = asyncio.Queue(maxsize=20)
        self.works = True

    def say(self, text: Text, language: str, volume: int = USUAL) -> None:
        """Say it, after what is being said; dropped when too much waits already."""
        if not self._waiting.full():
            self._waiting.put_nowait((words(text, language), language, volume))

    async def run(self) -> None:
        """Speak until cancelled."""
        while True:
            sentence, language, volume = await self._waiting.get()
            if volume == 0:
                continue
            worked = await self._speak(sentence, language, volume)
            if worked != self.works:
                self.works = worked
                _LOG.info("voice", works=worked)

    async def _speak(self, sentence: str, language: str, volume: int) -> bool:
        voice = _VOICES.get(language, "en")
        amplitude = str(volume * _USUAL_AMPLITUDE // USUAL)
        try:
            process = await asyncio.create_subprocess_exec(
                *(self._program, "-v", voice, "-s", str(_WORDS_A_MINUTE)),
                *("-a", amplitude, "--stdin"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return False
        try:
            await asyncio.wait_for(process.communicate(sentence.encode()), _LONGEST_SECONDS)
        except TimeoutError:
            return False
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode == 0


def choose_voice(wanted: str) -> Voice:
    """The voice for a setting: `auto` and `espeak` use espeak-ng where it is installed."""
    program = shutil.which(_PROGRAM) if wanted in {"auto", "espeak"} else None
    if wanted == "espeak" and program is None:
        _LOG.warning("no_voice", program=_PROGRAM)
    return NoVoice() if program is None else Espeak(program)
