"""A hand at a robot's screen: reads what it shows and presses its buttons, over HTTP."""

from typing import Any

import httpx


class Robot:
    """One screen. Raises OSError when it is away, LookupError when a button is not there."""

    def __init__(self, screen_url: str) -> None:
        """Nothing is sent yet."""
        self._client = httpx.AsyncClient(base_url=screen_url, timeout=5.0, trust_env=False)

    async def view(self) -> dict[str, Any]:
        """What the screen shows now."""
        found: dict[str, Any] = (await self._send("GET", "/state")).json()
        return found

    async def card(self, kind: str) -> dict[str, Any] | None:
        """The card of this kind, when it is what the screen shows."""
        view = await self.view()
        for card in (view.get("card"), view.get("call")):
            if card is not None and card["kind"] == kind:
                found: dict[str, Any] = card
                return found
        return None

    async def press(self, do: str, *, id_: str | None = None, value: str | None = None) -> None:
        """Press a button; LookupError when the press changed nothing."""
        token = (await self._send("GET", "/token")).json()["token"]
        body = {"do": do, "id": id_, "value": value}
        headers = {"X-Hearthbeat-Token": token}
        answer = await self._send("POST", "/press", json=body, headers=headers)
        if not answer.json()["ok"]:
            raise LookupError(f"pressing {do} changed nothing")

    async def close(self) -> None:
        """End the connection."""
        await self._client.aclose()

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, **more)
            return answer.raise_for_status()
        except httpx.HTTPError as error:
            raise OSError(f"the screen: {error or type(error).__name__}") from error
