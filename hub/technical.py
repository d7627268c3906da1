"""Technical alarms that need no database: a signed post, a line in a file, standard error.

They say which part is in trouble and since when, and nothing about any person.
"""

import asyncio
import hashlib
import hmac
import json
from pathlib import Path

import httpx
import structlog
from msgspec import Struct

from runtime.backoff import full_jitter
from runtime.clock import Clock

_LOG = structlog.get_logger()
_ATTEMPTS = 3
_TIMEOUT_S = 5.0


class Webhook(Struct, frozen=True):
    """Where technical alarms are posted, and the secret they are signed with."""

    url: str
    secret: str


def signature(secret: str, unix: int, body: bytes) -> str:
    """The value of X-Hearthbeat-Signature: HMAC-SHA256 over `<unix>.<body>`."""
    digest = hmac.new(secret.encode(), f"{unix}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={unix},v1={digest}"


class TechnicalAlarms:
    """Tells technical alarms by every way that is left. Never raises: it is the last resort."""

    def __init__(self, log: Path, webhook: Webhook | None, clock: Clock) -> None:
        """`log` is the file the lines are appended to."""
        self._log = log
        self._webhook = webhook
        self._clock = clock

    async def tell(self, alarm: str, phase: str, text: str) -> bool:
        """Tell one alarm (`phase`: begin, still or over); whether the webhook took it."""
        now = self._clock.now()
        body = {"v": 1, "kind": "technical", "alarm": alarm, "phase": phase, "text": text}
        body["at"] = int(now.timestamp() * 1000)
        (_LOG.info if phase == "over" else _LOG.error)("technical_alarm", alarm=alarm, phase=phase)
        await asyncio.to_thread(self._write, {"time": now.isoformat(), **body})
        if self._webhook is None:
            return False
        return await self._post(self._webhook, json.dumps(body).encode())

    def _write(self, line: dict[str, object]) -> None:
        try:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            _LOG.error("technical_log_failed", reason=str(error))

    async def _post(self, webhook: Webhook, body: bytes) -> bool:
        for attempt in range(_ATTEMPTS):
            unix = int(self._clock.now().timestamp())
            headers = {
                "Content-Type": "application/json",
                "X-Hearthbeat-Signature": signature(webhook.secret, unix, body),
            }
            try:
                async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
                    answer = await client.post(webhook.url, content=body, headers=headers)
                if answer.is_success:
                    return True
                reason = f"HTTP {answer.status_code}"
            except httpx.HTTPError as error:
                reason = type(error).__name__
            _LOG.warning("technical_webhook_failed", reason=reason, attempt=attempt)
            await asyncio.sleep(full_jitter(attempt, base=0.5, cap=5.0))
        return False
