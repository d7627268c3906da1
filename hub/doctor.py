"""A doctor at the REST API: what the demo's walk asks and does as a person with a token."""

from typing import Any

import httpx


class Doctor:
    """One signed-in person; every answer is the API's JSON. Raises OSError when it is away."""

    def __init__(self, http_url: str, api_token: str) -> None:
        """Nothing is sent yet."""
        self._client = httpx.AsyncClient(
            base_url=http_url,
            headers={"Authorization": f"Bearer {api_token}"},
            timeout=5.0,
            trust_env=False,
        )

    async def get(self, path: str, **params: Any) -> Any:
        """Read something; LookupError when it is not there (yet)."""
        return await self._send("GET", path, params=params)

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Do something."""
        return await self._send("POST", path, json=body)

    async def close(self) -> None:
        """End the connection."""
        await self._client.aclose()

    async def _send(self, method: str, path: str, **more: Any) -> Any:
        try:
            response = await self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise OSError(f"{method} {path}: {error or type(error).__name__}") from error
        if response.is_error:
            raise LookupError(f"{method} {path}: {response.status_code} {response.text[:200]}")
        return response.json() if response.content else None
