"""A signed webhook: a POST with JSON that the receiver can prove to be ours.

`X-Hearthbeat-Signature: t=<unix>,v1=<hex>` is the HMAC-SHA256 of `<t>.` and the body under the
contact's secret; `t` lets the receiver refuse what is old. `Idempotency-Key` is the same in every
attempt. Redirects are not followed: they would carry the message somewhere nobody chose.
"""

import asyncio
import hashlib
import hmac
from datetime import datetime
from typing import Final

import httpx

from alerts.channels.channel import Ending, Message, Outcome

SIGNATURE: Final = "X-Hearthbeat-Signature"
# Answers of a server that may well say yes later.
_LATER: Final = frozenset({408, 425, 429})
_LONGEST_WAIT_S: Final = 60.0


def signature(secret: str, body: bytes, at: datetime) -> str:
    """The value of the signature header."""
    unix = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), unix.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={unix},v1={digest}"


class Webhook:
    """One client for all addresses; each attempt has `timeout_s` from first byte to last."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            timeout=timeout_s,
            # The machine's proxy settings are not the team's choice.
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        )

    async def send(self, message: Message) -> Outcome:
        """Post once. 2xx is delivered; what cannot get better by waiting needs a person."""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message.key,
            "User-Agent": "hearthbeat",
            SIGNATURE: signature(message.secret, message.body, message.sent_at),
        }
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                # Only the head is waited for: what a receiver writes back is not ours to read.
                self._client.stream(
                    "POST", message.address, content=message.body, headers=headers
                ) as answer,
            ):
                return judged(answer.status_code, answer.headers.get("Retry-After"))
        except TimeoutError:
            return Outcome(Ending.TRY_AGAIN, "timeout")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            return Outcome(Ending.NEEDS_PERSON, type(error).__name__)
        except httpx.HTTPError as error:
            return Outcome(Ending.TRY_AGAIN, type(error).__name__)

    async def close(self) -> None:
        """Close the connections that were kept."""
        await self._client.aclose()


def judged(status: int, retry_after: str | None = None) -> Outcome:
    """What a status means for the message."""
    detail = f"HTTP {status}"
    if 200 <= status < 300:
        return Outcome(Ending.DELIVERED, detail)
    if status >= 500 or status in _LATER:
        return Outcome(Ending.TRY_AGAIN, detail, _seconds(retry_after))
    return Outcome(Ending.NEEDS_PERSON, detail)


def _seconds(retry_after: str | None) -> float:
    """A `Retry-After` in seconds, within reason; a date is not followed."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return 0.0
    return min(float(retry_after), _LONGEST_WAIT_S)
