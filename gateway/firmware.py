"""A firmware notice: check who signed it, fetch it, check what came, wait for the window, hand it
to the owner's program. Whatever fails, nothing is installed and the hub hears why.

The signature is checked before a byte is fetched. A notice is carried out once, however often it
comes; a power cut in the middle of fetching goes on where it stopped.
"""

import asyncio
import shutil
import ssl
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct, structs

from contract.messages import Firmware
from gateway import keys
from gateway.download import DownloadError, fetch
from gateway.hooks import run_hook
from gateway.reports import Reports
from gateway.storage import Storage, StorageUnavailableError

_LOG = structlog.get_logger()
_FACT: Final = "firmware"
_LARGEST: Final = 512 * 1024 * 1024
_TRIES: Final = 8
_BUSY_SECONDS: Final = 30.0


class Job(Struct, frozen=True, kw_only=True):
    """What became of the last notice: `st` is fetching, installing, or a final word."""

    notice: Firmware
    st: str
    why: str | None = None


class Means(Struct, frozen=True, kw_only=True):
    """What the owner gave: the maker's public key, the program that installs, whom to trust over
    HTTPS beside the system's authorities, and the version that runs now."""

    key_file: Path | None
    command: str | None
    ca_file: Path | None
    running: str
    retry_seconds: float = 60.0


class FirmwareDesk:
    """Takes notices, one at a time."""

    def __init__(
        self,
        storage: Storage,
        reports: Reports,
        state: Path,
        means: Means,
        *,
        local_now: Callable[[], datetime],
        busy: Callable[[], bool],
    ) -> None:
        self._storage = storage
        self._reports = reports
        self._place = state / "firmware"
        self._means = means
        self._local_now = local_now
        self._busy = busy
        self._new = asyncio.Event()
        self._job = _stored(storage.fact(_FACT))

    def accept(self, notice: Firmware) -> bool:
        """Take a notice over, unless it is the last one again; `run` carries it out."""
        if self._job is not None and self._job.notice == notice:
            return False
        if self._means.key_file is None or self._means.command is None:
            self._settle(Job(notice=notice, st="unsupported"))
            return True
        self._put(Job(notice=notice, st="fetching"))
        self._report("accepted", {"progress": 0})
        self._new.set()
        return True

    async def run(self) -> None:
        """Carry out notices until cancelled; first what a restart interrupted."""
        job = self._job
        if job is not None and job.st == "installing":
            self._after_restart(job)
        while True:
            self._new.clear()
            job = self._job
            if job is None or job.st != "fetching":
                await self._new.wait()
            else:
                await self._carry_out(job)

    def _after_restart(self, job: Job) -> None:
        """The program that installs may end this process: what runs now tells how it went."""
        runs = self._means.running == job.notice.ver
        why = None if runs else f"version {self._means.running} runs"
        self._settle(structs.replace(job, st="ok" if runs else "error", why=why))

    async def _carry_out(self, job: Job) -> None:
        try:
            target = await self._fetched(job.notice)
            await self._window(job)
            if self._is_current(job):
                await self._install(job, target)
        except DownloadError as error:
            self._fail(job, str(error))
        except Exception as error:  # noqa: BLE001 - see below
            # An unreadable key, a full disk: the hub hears of it, and the gateway goes on.
            _LOG.exception("firmware_failed")
            self._fail(job, type(error).__name__)

    def _is_current(self, job: Job) -> bool:
        """Unless another notice has taken its place."""
        return self._job is not None and self._job.notice == job.notice

    def _fail(self, job: Job, why: str) -> None:
        if self._is_current(job):
            self._settle(structs.replace(job, st="error", why=why))

    async def _fetched(self, notice: Firmware) -> Path:
        """The file, checked. Raises DownloadError."""
        if not await asyncio.to_thread(self._is_signed, notice):
            raise DownloadError("the signature is not by the maker's key")
        if not 0 < notice.size <= _LARGEST:
            raise DownloadError("the size announced is out of bounds")
        self._place.mkdir(mode=0o700, exist_ok=True)
        self._clear_others(notice)
        if shutil.disk_usage(self._place).free < 2 * notice.size:
            raise DownloadError("not enough room on the disk")
        target = self._place / notice.sha256
        for attempt in range(_TRIES):
            try:
                await self._fetch_once(notice, target)
            except DownloadError as error:
                if error.final or attempt == _TRIES - 1:
                    raise
                _LOG.warning("firmware_interrupted", reason=str(error), attempt=attempt)
                await asyncio.sleep(self._means.retry_seconds)
            else:
                break
        return target

    async def _fetch_once(self, notice: Firmware, target: Path) -> None:
        loop = asyncio.get_running_loop()

        def progress(percent: int) -> None:
            loop.call_soon_threadsafe(self._report, "accepted", {"progress": percent}, notice)

        trust = ssl.create_default_context()
        if self._means.ca_file is not None:
            trust.load_verify_locations(self._means.ca_file)
        stopped = threading.Event()
        try:
            await asyncio.to_thread(
                fetch,
                notice.url,
                target,
                size=notice.size,
                sha256=notice.sha256,
                trust=trust,
                progress=progress,
                stopped=stopped.is_set,
            )
        finally:
            stopped.set()  # the thread outlives a cancelled task

    def _is_signed(self, notice: Firmware) -> bool:
        key = self._means.key_file or Path()
        try:
            return keys.is_signed(key, ver=notice.ver, sha256=notice.sha256, sig=notice.sig)
        except keys.KeyWorkError as error:
            raise DownloadError(f"the maker's key cannot be used ({error})") from None

    async def _window(self, job: Job) -> None:
        """Until the hours allow it and nobody measures or calls."""
        told = False
        while self._is_current(job):
            if in_window(self._local_now().hour, job.notice.window) and not self._busy():
                return
            if not told:
                self._report("accepted", {"progress": 100, "why": "waits for its hours"})
                told = True
            await asyncio.sleep(min(_BUSY_SECONDS, self._means.retry_seconds))

    async def _install(self, job: Job, target: Path) -> None:
        # On disk first: the program may end us.
        self._put(structs.replace(job, st="installing"))
        failed = await run_hook(self._means.command or "", str(target), job.notice.ver)
        await asyncio.to_thread(target.unlink, missing_ok=True)
        if self._is_current(job):
            st = "ok" if failed is None else "error"
            self._settle(structs.replace(job, st=st, why=failed))

    def _clear_others(self, notice: Firmware) -> None:
        for left in self._place.iterdir():
            if not left.name.startswith(notice.sha256):
                left.unlink()

    def _settle(self, job: Job) -> None:
        self._put(job)
        done = {"progress": 100} if job.st == "ok" else {}
        self._report(job.st, done if job.why is None else {**done, "why": job.why})

    def _put(self, job: Job) -> None:
        self._job = job
        try:
            with self._storage.transaction():
                self._storage.set_fact(_FACT, msgspec.json.encode(job))
        except StorageUnavailableError as error:
            _LOG.error("firmware_not_stored", error=str(error))
        _LOG.info("firmware", ver=job.notice.ver, st=job.st, why=job.why)

    def _report(self, st: str, out: dict[str, Any], notice: Firmware | None = None) -> None:
        if self._job is None or (notice is not None and notice != self._job.notice):
            return
        self._reports.result(f"fw:{self._job.notice.ver}", st, out=out)


def in_window(hour: int, window: tuple[int, int] | None) -> bool:
    """Whether the local hour lies in [from, to); one that ends before it begins goes over
    midnight, and one that ends where it begins is the whole day."""
    if window is None or window[0] == window[1]:
        return True
    begin, end = window
    return begin <= hour < end if begin < end else hour >= begin or hour < end


def _stored(fact: Any) -> Job | None:
    if fact is None:
        return None
    try:
        return msgspec.json.decode(fact, type=Job)
    except msgspec.MsgspecError:
        return None
