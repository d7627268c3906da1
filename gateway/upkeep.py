"""What the hub may ask of the machine itself: resend, test, describe, rotate, restart, tell its
log, offer a telephone call. Each answers at once, or says what it began.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, Protocol

import structlog
from msgspec import Struct, structs

from contract.messages import Diag
from gateway.hooks import run_hook
from gateway.identity import Identities
from gateway.reports import Reports
from gateway.spool import Key, Spool
from gateway.storage import Storage, StorageUnavailableError

_LOG = structlog.get_logger()
_NUMBER: Final = re.compile(r"[0-9+][0-9 +-]{1,19}")
_MOST_RANGES: Final = 1000
_PROBE: Final = "selftest"


class Outcome(Struct, frozen=True):
    """The final word on a command."""

    st: str
    out: dict[str, Any] = {}
    msg: str | None = None


# What takes longer: run after the command was accepted and kept.
Begun = Callable[[], Coroutine[Any, Any, Outcome]]
Handler = Callable[[Mapping[str, Any]], "Outcome | Begun"]
UNSUPPORTED: Final = Outcome("unsupported")
BUSY: Final = Outcome("busy")


class Line(Protocol):
    """The way to the hub, as far as the machine's own commands need it."""

    def tell(self, diag: Diag) -> bool:
        """Send diagnostics; whether they went."""

    def again(self, keys: list[Key]) -> None:
        """Send these again."""

    def renew(self) -> None:
        """Connect with the newest credentials."""

    def ask_time(self) -> None:
        """Ask for the time."""

    def say_state(self) -> "asyncio.Future[int] | None":
        """Say `ready`; the future gives the broker's code."""


class Abilities(Struct, frozen=True, kw_only=True):
    """What the rest of the gateway lends to these commands."""

    describe: Callable[[], Key]
    report_configuration: Callable[[], Key]
    links: Callable[[], Mapping[str, str]]
    clock: Callable[[], tuple[str, int]]  # its quality, and how often the hub answered
    busy: Callable[[], bool]
    number: Callable[[], str | None]
    log_lines: Callable[[int], list[Diag]]
    call_command: str | None
    reboot_command: str | None
    selftest_seconds: float


class Upkeep:
    """The machine's own commands. `handlers` names those that can be done here."""

    def __init__(
        self,
        storage: Storage,
        spool: Spool,
        reports: Reports,
        identities: Identities,
        line: Line,
        abilities: Abilities,
    ) -> None:
        self._storage = storage
        self._spool = spool
        self._reports = reports
        self._identities = identities
        self._line = line
        self._can = abilities
        self.handlers: dict[str, Handler] = {
            "resend": self._resend,
            "selftest": lambda _: self._test,
            "rebirth": self._rebirth,
            "rotate": self._rotate,
            "log": self._tell_log,
        }
        if abilities.call_command is not None:
            self.handlers["call"] = self._call
        if abilities.reboot_command is not None:
            self.handlers["reboot"] = self._reboot

    # --- messages -------------------------------------------------------------------------------

    def _resend(self, args: Mapping[str, Any]) -> Outcome:
        boot, first, last = args["boot"], args["from"], args["to"]
        if boot == self._spool.boot:
            last = min(last, self._spool.last_seq)  # what was never given is not gone
        held = self._spool.held(boot, first, last)
        sent = ranges(held)
        gone = between(sent, first, last)
        self._line.again([(boot, seq) for seq in held])
        if len(sent) > _MOST_RANGES:
            return Outcome("error", msg=f"more than {_MOST_RANGES} gaps: ask for less at once")
        return Outcome("ok", {"sent": sent, "gone": gone})

    def _rebirth(self, _: Mapping[str, Any]) -> Outcome:
        self._can.describe()
        return Outcome("ok")

    def _tell_log(self, args: Mapping[str, Any]) -> Outcome:
        parts = self._can.log_lines(int(args.get("lines", 50)))
        sent = sum(len(part.log) for part in parts if self._line.tell(part))
        return Outcome("ok", {"lines": sent})

    # --- testing itself -------------------------------------------------------------------------

    async def _test(self) -> Outcome:
        """Publish on every topic of ours and wait for the receipts; look at the parts meanwhile."""
        waiting = {
            **self._reports.trial(),
            "birth": self._can.describe(),
            "config": self._can.report_configuration(),
            "res": self._reports.result(f"{_PROBE}:{time.monotonic_ns()}", "ok", out={}),
        }
        state, answers = self._line.say_state(), self._can.clock()[1]
        self._line.ask_time()

        def look() -> dict[str, bool]:
            said = state is not None and state.done() and not state.cancelled()
            return {
                **{kind: not self._spool.waits(key) for kind, key in waiting.items()},
                "state": bool(said and state is not None and state.result() < 0x80),
                "time": self._can.clock()[1] > answers,
            }

        until = time.monotonic() + self._can.selftest_seconds
        while not all(look().values()) and time.monotonic() < until:  # noqa: ASYNC110 - a few s
            await asyncio.sleep(0.1)
        topics = look()
        out = {"topics": topics, **self._parts()}
        worked = all(topics.values()) and bool(out["spool"]["writable"])
        return Outcome("ok" if worked else "error", out, None if worked else "not all worked")

    def _parts(self) -> dict[str, Any]:
        return {
            "ports": dict(self._can.links()),
            "spool": {"writable": self._can_write(), "depth": self._spool.depth()},
            "clock": self._can.clock()[0],
            "broker": {"tls": self._identities.current.tls},
        }

    def _can_write(self) -> bool:
        try:
            with self._storage.transaction():
                self._storage.set_fact(_PROBE, time.monotonic_ns())
        except StorageUnavailableError:
            return False
        return True

    # --- credentials ----------------------------------------------------------------------------

    def _rotate(self, args: Mapping[str, Any]) -> Outcome:
        """A further generation, on disk before it is answered; the older one stays until the new
        one has worked."""
        if not args:
            request = self._identities.vault.signing_request(self._identities.node)
            return Outcome("ok", {"csr": request})
        if "pass" in args:
            return self._take_password(args["pass"])
        return self._take_certificate(args.get("cert", ""), args.get("ca"))

    def _take_password(self, password: str) -> Outcome:
        current = self._identities.current
        if current.cert is not None:
            return Outcome("error", msg="this node has a certificate, no password")
        known = [each.password for each in self._identities.vault.generations()]
        if password not in known[:1]:
            self._identities.vault.keep(
                structs.replace(current, password=password), ca=_ca(current)
            )
            self._identities.read_again()
        return Outcome("ok")

    def _take_certificate(self, cert: str, ca: str | None) -> Outcome:
        vault, current = self._identities.vault, self._identities.current
        newest = next(iter(vault.generations()), None)
        if newest is not None and newest.cert is not None and newest.cert.read_text() == cert:
            return Outcome("ok")
        if not vault.fits(cert):
            return Outcome("error", msg="the certificate is not for the key asked for")
        vault.keep(structs.replace(current, password=None), cert=cert, ca=ca or _ca(current))
        self._identities.read_again()
        self._line.renew()
        return Outcome("ok")

    # --- hooks ----------------------------------------------------------------------------------

    def _call(self, args: Mapping[str, Any]) -> Outcome | Begun:
        number = args.get("number") or self._can.number()
        if not isinstance(number, str) or not _NUMBER.fullmatch(number):
            return UNSUPPORTED
        return lambda: _ended(self._can.call_command or "", number)

    def _reboot(self, _: Mapping[str, Any]) -> Outcome | Begun:
        if self._can.busy():
            return BUSY
        return lambda: _ended(self._can.reboot_command or "")


async def _ended(command: str, *arguments: str) -> Outcome:
    failed = await run_hook(command, *arguments)
    return Outcome("ok") if failed is None else Outcome("error", msg=failed)


def _ca(identity: Any) -> str | None:
    return None if identity.ca is None else identity.ca.read_text(encoding="ascii")


def ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Rising numbers as inclusive ranges."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def between(parts: list[list[int]], first: int, last: int) -> list[list[int]]:
    """What of first..last lies in none of these rising ranges."""
    left, start = [], first
    for begin, end in parts:
        if begin > start:
            left.append([start, begin - 1])
        start = end + 1
    return [*left, [start, last]] if start <= last else left
