"""Signing in over HTTP: the cookie, forged requests, lock-out, expiry, what is audited."""

import httpx
import pytest

from care.people.account import NewAccount, open_account
from runtime.clock import ManualClock
from store.pool import Connection

PASSWORD = "a very good one"
ME = {"user": "wang", "password": PASSWORD}


@pytest.fixture(autouse=True)
async def _wang(conn: Connection, clock: ManualClock) -> None:
    new = NewAccount(user_name="wang", display_name="王医生", password=PASSWORD)
    await open_account(conn, new, by=None, now=clock.now())


async def actions(conn: Connection) -> list[str]:
    """The audit so far, without the set-up."""
    rows = await (await conn.execute("SELECT action FROM audit ORDER BY id")).fetchall()
    return [row[0] for row in rows if row[0] != "staff_added"]


async def test_a_session_by_cookie(
    client: httpx.AsyncClient, conn: Connection, clock: ManualClock
) -> None:
    """Sign in, be known, sign out, be unknown; the cookie is out of reach of scripts and sites."""
    opened = await client.post("/api/sign-in", json=ME)
    assert opened.status_code == 200
    cookie = opened.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert opened.json()["me"]["user"] == "wang"
    assert "hbs_" not in opened.text
    me = await client.get("/api/me")
    assert me.json()["role"] == "doctor"
    assert me.json()["via"] == "session"
    closed = await client.post("/api/sign-out", json={})
    assert closed.json()["done"] is True
    assert (await client.get("/api/me")).status_code == 401
    assert await actions(conn) == ["sign_in", "sign_out"]


async def test_a_session_expires(client: httpx.AsyncClient, clock: ManualClock) -> None:
    """Twelve idle hours end it, and the answer says how to go on."""
    await client.post("/api/sign-in", json=ME)
    clock.advance(12 * 3600)
    gone = await client.get("/api/me")
    assert gone.status_code == 401
    assert gone.headers["content-type"] == "application/problem+json"
    assert "sign-in" in gone.json()["hint"]


FORGED = (
    ({"content-type": "text/plain"}, b"{}"),
    ({"content-type": "application/x-www-form-urlencoded"}, b"a=1"),
    ({"content-type": "application/json", "sec-fetch-site": "cross-site"}, b"{}"),
)


async def test_a_session_refuses_forged_changes(client: httpx.AsyncClient) -> None:
    """A change with the cookie must be JSON and from our own pages."""
    await client.post("/api/sign-in", json=ME)
    for headers, body in FORGED:
        forged = await client.post("/api/sign-out", content=body, headers=headers)
        assert forged.status_code == 403, headers
    assert (await client.get("/api/me")).status_code == 200


async def test_lock_out_after_failures(
    client: httpx.AsyncClient, conn: Connection, clock: ManualClock
) -> None:
    """Five failures, then 429 with Retry-After even for the right password; then it works."""
    for _ in range(5):
        failed = await client.post("/api/sign-in", json={"user": "wang", "password": "guess"})
        assert failed.status_code == 401
    unknown = await client.post("/api/sign-in", json={"user": "nobody", "password": "guess"})
    assert unknown.json() == failed.json()
    waiting = await client.post("/api/sign-in", json=ME)
    assert waiting.status_code == 429
    clock.advance(int(waiting.headers["retry-after"]))
    assert (await client.post("/api/sign-in", json=ME)).status_code == 200
    assert await actions(conn) == ["sign_in_failed"] * 6 + ["sign_in"]


WRONG = (
    "Bearer hbt_wrong",
    "Bearer",
    "Basic d2FuZzpwYXNz",
    "Bearer hbt_\udcff",
    "bearer\thbt_x",
    "Bearer " + "x" * 5000,
)


async def test_a_wrong_token_is_nobody(client: httpx.AsyncClient) -> None:
    """Whatever is in the header: 401, never a fault, and no cookie helps beside it."""
    await client.post("/api/sign-in", json=ME)
    for value in WRONG:
        raw = [(b"authorization", value.encode("utf-8", "surrogateescape"))]
        answer = await client.get("/api/me", headers=raw)
        assert answer.status_code == 401, value[:20]
        assert answer.headers["www-authenticate"].startswith("Bearer")
