"""What browsers may run, and the door while the database is away; without a browser."""

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import HTMLResponse, PlainTextResponse

from care.console import security, sign_in, visitor
from care.console.live import Live
from care.console.security import PagePolicy
from care.console.visitor import Console
from care.people.sign_in import USUAL
from runtime.clock import ManualClock
from store.pool import make_pool

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub")


@pytest.fixture
def app() -> FastAPI:
    """A page of NiceGUI's kind and one that is not."""
    made = FastAPI()
    made.add_middleware(PagePolicy)

    @made.get("/page")
    async def page() -> HTMLResponse:
        body = "<style>a{}</style><script>1</script>&lt;script>data&lt;/script>"
        return HTMLResponse(body, headers={"X-NiceGUI-Content": "page"})

    @made.get("/file")
    async def file() -> PlainTextResponse:
        return PlainTextResponse("<script>")

    return made


async def test_every_tag_of_a_page_has_the_nonce_of_its_response(app: FastAPI) -> None:
    """The nonce is new each time, stands in the policy, and data gets none."""
    async with _client(app) as client:
        first, second = await client.get("/page"), await client.get("/page")
    policy = first.headers["content-security-policy"]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert first.text.count(f'nonce="{nonce}"') == 2
    assert "&lt;script>data" in first.text
    assert int(first.headers["content-length"]) == len(first.content)
    assert nonce not in second.text
    assert "unsafe-inline" not in policy.replace("style-src-attr 'unsafe-inline'", "")


async def test_other_responses_stay_as_they_are(app: FastAPI) -> None:
    """Files and answers of the API pass untouched."""
    async with _client(app) as client:
        answer = await client.get("/file")
    assert answer.text == "<script>"
    assert "content-security-policy" not in answer.headers


async def test_without_a_database_the_door_says_so(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody sees an error of the machine: the sign-in asks to try again shortly."""
    monkeypatch.setattr(visitor, "WAIT_S", 0.2)
    app = FastAPI()
    async with make_pool(NOWHERE, name="nowhere") as pool:
        app.include_router(sign_in.routes(Console(pool, clock, Live(NOWHERE), USUAL)))
        async with _client(app) as client:
            shown = await client.get("/sign-in")
            tried = await client.post("/sign-in", data={"user_name": "a", "password": "b"})
    assert shown.status_code == 200
    assert tried.status_code == 503
    assert "系统暂时不可用" in tried.text
    assert "script-src" not in tried.headers["content-security-policy"]
    assert tried.headers["cache-control"] == "no-store"


def test_no_page_takes_html() -> None:
    """The elements that would parse text as markup are not used anywhere in the console."""
    console = Path(security.__file__).parent
    used = [
        path.name
        for path in console.glob("*.py")
        if re.search(r"ui\.(html|markdown|add_body_html|mermaid|editor)\(", path.read_text())
    ]
    assert used == []
