"""From a printed QR code to credentials: the claim over MQTT, seen from the unit."""

import asyncio
import contextlib
import hashlib
import hmac
import time
from typing import Any, Final

from msgspec import Struct, structs

from firmware_sim.robot.access import Access, Habits
from firmware_sim.robot.encoding import to_bytes, to_values
from firmware_sim.robot.line import Line, LineEndedError
from firmware_sim.robot.rotation import make_request

_ANSWER_S: Final = 15.0
_PATIENCE_S: Final = 15.0
_ASK_AGAIN_S: Final = 4.0
_TIMES: Final = 3


class Unit(Struct, frozen=True, kw_only=True):
    """A device as it left the factory: its serial, the printed code, the secret (hex) inside."""

    serial: str
    code: str
    secret: str

    @classmethod
    def from_qr(cls, text: str, secret: str) -> "Unit":
        """From what the printed code says; raises ValueError."""
        parts = text.strip().split(":")
        if len(parts) != 3 or parts[0] != "HH1" or not all(parts):
            raise ValueError("a claim code reads HH1:SERIAL:CODE")
        return cls(serial=parts[1], code=parts[2], secret=secret)

    def sign(self, *lines: str) -> str:
        """HMAC-SHA256, hex, with the factory secret over these lines."""
        said = "\n".join(lines).encode()
        return hmac.new(bytes.fromhex(self.secret), said, hashlib.sha256).hexdigest()

    def prove(self, nonce: str, request: str | None = None) -> str:
        """The unit's proof, which covers the signing request where one is sent."""
        digest = [] if request is None else [hashlib.sha256(request.encode()).hexdigest()]
        return self.sign(self.serial, nonce, *digest)


class ClaimRefusedError(Exception):
    """The hub said no; `answer` is what it said."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer.get('code')}: {answer.get('msg')}")
        self.answer = answer


class Claimant:
    """One connection with the claim code, for the time of an `async with` block.

    `answers` holds everything the hub said; `ask` sends any request and waits for its answer.
    """

    def __init__(self, unit: Unit, at: Access, habits: Habits) -> None:
        self.unit = unit
        self._habits = habits
        self.answers: list[dict[str, Any]] = []
        self._at = structs.replace(at, node=f"claim-{unit.serial}", password=unit.code)
        self._came = asyncio.Event()

    async def __aenter__(self) -> "Claimant":
        # Subscribed before anything is published: the answer would be gone.
        topic = f"hh/1/claim/{self.unit.serial}/res"
        until = time.monotonic() + _PATIENCE_S
        while True:
            self._line = Line(self._at, self._habits, self._take)
            try:
                await self._line.open([topic])
            except LineEndedError as error:
                # A unit just made known is let in a moment later.
                if not error.refused or time.monotonic() + self._habits.refused_s > until:
                    raise
                await self._line.close(clean=False)
                await asyncio.sleep(self._habits.refused_s)
            else:
                return self

    async def __aexit__(self, *_: object) -> None:
        await self._line.close()

    @property
    def ended(self) -> asyncio.Future[LineEndedError]:
        """Done when the connection is over."""
        return self._line.ended

    async def ask(self, body: dict[str, Any], timeout_s: float = _ANSWER_S) -> dict[str, Any]:
        """Publish a request; the next answer. Raises TimeoutError."""
        return await self.ask_raw(to_bytes(body, self._habits.encoding), timeout_s)

    async def ask_raw(self, payload: bytes, timeout_s: float = _ANSWER_S) -> dict[str, Any]:
        """The same with bytes as they are."""
        before = len(self.answers)
        self._line.publish(f"hh/1/claim/{self.unit.serial}/req", payload)
        return await self._answer(before, timeout_s)

    async def answer_after(
        self, earlier: dict[str, Any], timeout_s: float = _ANSWER_S
    ) -> dict[str, Any]:
        """The answer that came, or comes, after this one; nothing asked. Raises TimeoutError."""
        return await self._answer(self.answers.index(earlier) + 1, timeout_s)

    async def _answer(self, before: int, timeout_s: float) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            while len(self.answers) <= before:
                self._came.clear()
                await self._came.wait()
        return self.answers[before]

    def _take(self, _topic: str, payload: bytes, _retained: bool) -> None:
        if payload:
            self.answers.append(to_values(payload))
            self._came.set()


async def claim(
    unit: Unit, at: Access, *, habits: Habits | None = None, certificate: bool = False
) -> Access:
    """Become a node: `at` says where the broker is. Raises ClaimRefusedError, TimeoutError,
    LineEndedError, and ValueError when the hub could not prove itself."""
    habits = habits or Habits()
    async with Claimant(unit, at, habits) as claimant:
        nonce = _nonce(_granted(await _first_answer(claimant)))
        key, request = make_request(unit.serial) if certificate else (None, None)
        proof = unit.prove(nonce, request)
        body = {"v": 0, "serial": unit.serial, "nonce": nonce, "proof": proof}
        body |= {"model": "simulated-robot", "fw": "1.0.0"} | ({"csr": request} if request else {})
        answer = await claimant.ask(body)
        while "nonce" in answer:  # a late answer to a question that was asked again
            answer = await claimant.answer_after(answer)
        answer = _granted(answer)
    _check_hub(unit, nonce, answer)
    return Access(
        host=answer.get("host") or at.host,
        port=answer.get("port") or at.port,
        node=answer.get("user") or answer["node"],
        password=answer.get("pass"),
        certificate=answer.get("cert"),
        key=key,
        ca=answer.get("ca") or at.ca,
        tls=at.tls or "cert" in answer,
    )


async def _first_answer(claimant: Claimant) -> dict[str, Any]:
    """The answer to asking for a nonce; a question that got lost is asked again."""
    body = {"v": 0, "serial": claimant.unit.serial}
    for _ in range(_TIMES - 1):
        with contextlib.suppress(TimeoutError):
            return await claimant.ask(body, _ASK_AGAIN_S)
    return await claimant.ask(body)


def _granted(answer: dict[str, Any]) -> dict[str, Any]:
    if not answer.get("ok"):
        raise ClaimRefusedError(answer)
    return answer


def _nonce(answer: dict[str, Any]) -> str:
    """What is signed is lines: a line feed in one of them would make it say something else."""
    nonce = answer.get("nonce")
    if not isinstance(nonce, str) or not nonce.isalnum():
        raise ValueError("the hub gave no nonce of letters and digits: nothing is proven to it")
    return nonce


def _check_hub(unit: Unit, nonce: str, answer: dict[str, Any]) -> None:
    """Only who knows the factory secret can have said this; else nothing of it is used."""
    fingerprint = hashlib.sha256((answer.get("ca") or "").encode()).hexdigest()
    own = unit.sign("hub", unit.serial, nonce, answer["node"], fingerprint)
    if not hmac.compare_digest(own, answer.get("proof") or ""):
        raise ValueError("the hub did not prove itself: its answer is not used")
