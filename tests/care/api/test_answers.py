"""Every answer: described by OpenAPI, a problem when it is one, and safe in a browser."""

import asyncio
from typing import Any

import httpx
import pytest
import structlog
from fastapi.openapi.models import OpenAPI

from care.api.security import MAX_BODY
from store.pool import Connection
from tests.care.api.conftest import Caller
from tests.care.village import Village


async def test_the_openapi_document_is_valid(client: httpx.AsyncClient) -> None:
    """It parses as OpenAPI 3.1, operation ids are unique words, references resolve, errors are
    problems."""
    document = (await client.get("/api/openapi.json")).json()
    OpenAPI.model_validate(document)
    operations = [op for methods in document["paths"].values() for op in methods.values()]
    ids = [op["operationId"] for op in operations]
    assert len(ids) == len(set(ids)) > 35
    assert all(name.replace("_", "").isalpha() for name in ids)
    schemas = document["components"]["schemas"]
    assert {ref.rpartition("/")[2] for ref in references(document)} <= set(schemas)
    assert "HTTPValidationError" not in schemas
    for operation in operations:
        assert operation["summary"]
        assert operation.get("description"), operation["operationId"]
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")):
                assert "application/problem+json" in answer["content"]


def references(part: Any) -> set[str]:
    """Every `$ref` in the document."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(value) for value in part.values()))
    if isinstance(part, list):
        return set().union(*(references(value) for value in part))
    return set()


async def test_requests_are_closed_shapes(client: httpx.AsyncClient) -> None:
    """Every body the API takes or gives says that it has no further properties."""
    document = (await client.get("/api/openapi.json")).json()
    schemas = document["components"]["schemas"]
    open_ones = {
        name
        for name, schema in schemas.items()
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False
    }
    assert open_ones == {"ProblemBody", "Wrong"}


async def test_headers_of_every_answer(client: httpx.AsyncClient) -> None:
    """Nothing is sniffed, framed, leaked by referrer; API answers are not kept anywhere."""
    for path in ("/api/me", "/api/nowhere", "/health", "/api/openapi.json"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        if path.startswith("/api/"):
            assert headers["cache-control"] == "no-store"
            assert headers["content-security-policy"].startswith("default-src 'none'")


HOSTILE = (
    "'; DROP TABLE patient; --",
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "%00",
    "\ud83d\ude00 𠮷野家",
    "../../etc/passwd",
    "a" * 200,
)


async def test_hostile_texts_come_back_as_they_were(api: Caller, village: Village) -> None:
    """A name is a text and nothing else, whatever it looks like."""
    for text in HOSTILE:
        name = text.encode("utf-16", "surrogatepass").decode("utf-16")
        added = await api.post("doctor", "/api/patients", {"name": name, "team_id": 2})
        assert added.status_code == 201, added.text
        seen = await api.get("doctor", f"/api/patients/{added.json()['id']}")
        assert seen.json()["name"] == name
        assert seen.headers["content-type"] == "application/json"


BROKEN = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b'{"name": "\\ud800"}',
    b'{"name": "a\\u0000b"}',
    b'{"name": "x", "team_id": 99999999999999999999999}',
    b'{"name": "x", "team_id": 1e400}',
    b'{"name": NaN}',
    b'{"name": {"a": 1}}',
    b'{"name": "x", "birth_date": "0000-00-00"}',
    b"\xff\xfe",
    b"[" * 5000,
)


async def test_broken_bodies_are_the_callers_fault(api: Caller, village: Village) -> None:
    """Whatever arrives: a 4xx problem with a hint, never a fault of the hub."""
    headers = {
        "Authorization": f"Bearer {village.tokens['doctor']}",
        "Content-Type": "application/json",
    }
    for raw in BROKEN:
        answer = await api.client.post("/api/patients", content=raw, headers=headers)
        assert 400 <= answer.status_code < 500, (raw[:50], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["hint"]


ADDRESSES = (
    "/api/patients/0",
    "/api/patients/-1",
    "/api/patients/99999999999999999999999",
    "/api/patients/1'%20OR%201=1",
    "/api/patients/1/readings?limit=0",
    "/api/patients/1/readings?limit=1001",
    "/api/patients/1/readings?kind=%27%3B--",
    "/api/patients/1/readings?since=yesterday",
    "/api/patients/1/readings?since=-1e400",
    "/api/nodes/..%2f..%2f",
    "/api/rejects?node=%00",
)


async def test_broken_addresses_are_the_callers_fault(api: Caller) -> None:
    """The same for paths and queries."""
    for path in ADDRESSES:
        answer = await api.get("admin", path)
        assert answer.status_code in (404, 422), (path, answer.text)
        assert answer.json()["hint"]


async def test_a_body_has_a_limit(api: Caller, village: Village) -> None:
    """Too large is refused by its announced length, and by what really comes."""
    headers = {
        "Authorization": f"Bearer {village.tokens['doctor']}",
        "Content-Type": "application/json",
    }
    large = b'{"name": "' + b"x" * MAX_BODY + b'"}'

    async def in_pieces() -> Any:
        for start in range(0, len(large), 8192):
            yield large[start : start + 8192]

    for content in (large, in_pieces()):
        answer = await api.client.post("/api/patients", content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["status"] == 413


async def test_health_and_readiness(client: httpx.AsyncClient, conn: Connection) -> None:
    """/health says the process is there, /ready that the database is; both to anybody."""
    assert (await client.get("/health")).json() == {"status": "ok"}
    assert (await client.get("/ready")).json() == {"status": "ready"}


async def test_an_answer_is_committed_before_it_is_sent(api: Caller, village: Village) -> None:
    """A client that has its answer reads its own write, on any connection, each time."""
    for n in range(10):
        made = (await api.post("admin", "/api/areas", {"name": f"村{n}"})).json()["id"]
        areas = await asyncio.gather(*(api.get("admin", "/api/areas") for _ in range(3)))
        assert all(made in [a["id"] for a in each.json()["areas"]] for each in areas)


async def test_p53_a_fault_says_little(
    api: Caller, conn: Connection, village: Village, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody expected is a 500 problem with our headers, and no name reaches the log."""
    await conn.execute("ALTER TABLE patient RENAME COLUMN phone TO telephone")
    with structlog.testing.capture_logs() as logs:
        answer = await api.get("doctor", f"/api/patients/{village.patients['zhang']}")
    assert answer.status_code == 500
    assert answer.json()["title"] == "hub fault"
    assert answer.headers["x-content-type-options"] == "nosniff"
    (line,) = [entry for entry in logs if entry["event"] == "request_failed"]
    assert line["error"] == "UndefinedColumn"
    assert any("patient.py" in place for place in line["at"])
    assert "telephone" not in str(logs) + caplog.text
