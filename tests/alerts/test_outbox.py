"""The outbox and its webhook, against a real HTTP listener (promises 9, 45)."""

import asyncio
from datetime import timedelta

import pytest

from alerts.channels.channel import Ending
from alerts.channels.webhook import judged
from alerts.engine import Engine
from alerts.settings import AlertsSettings
from runtime.clock import ManualClock
from store.pool import Pool
from tests.alerts.home import Home
from tests.alerts.listener import Listener


@pytest.fixture
def settings(request: pytest.FixtureRequest, database_url: str) -> AlertsSettings:
    """Short patience with receivers, or as many seconds as the test says."""
    patience_s = getattr(request, "param", 0.4)
    return AlertsSettings(database_url=database_url, alerts_webhook_timeout_s=patience_s)


async def _turn(engine: Engine, clock: ManualClock, seconds: float = 0) -> None:
    clock.advance(seconds)
    await engine.cycle()
    await engine.outbox.settled()


async def _state(home: Home, contact: int) -> tuple[str, int, str | None]:
    row = await home.one(
        "SELECT state, attempts, last_error FROM notification WHERE contact_id = %s", (contact,)
    )
    return row["state"], row["attempts"], row["last_error"]


async def test_a_webhook_is_signed_and_says_little(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """JSON, the signature of time and body, a key, a link; delivered is recorded."""
    async with Listener() as listener:
        contact = await home.webhook(listener.url, secret="of-the-team")
        await home.bp(210, 125)
        await _turn(engine, clock)
        (request,) = listener.received
    assert request.is_signed_with("of-the-team")
    assert not request.is_signed_with("of-others")
    episode = await home.episode()
    assert request.headers["idempotency-key"] == f"{episode['id']}:0:1:webhook:{contact}"
    assert request.headers["content-type"] == "application/json"
    said = request.said
    assert (said["episode"], said["rule"]) == (episode["id"], "severe_pressure")
    assert (said["priority"], said["tier"], said["late"]) == ("high", "emergency", False)
    assert str(episode["id"]) in said["link"]
    assert set(said["text"]) == {"zh-CN", "en"}
    assert "patient" not in said
    assert await _state(home, contact) == ("delivered", 1, None)
    delivery = await home.one("SELECT outcome, detail FROM delivery")
    assert delivery == {"outcome": "delivered", "detail": "HTTP 200"}


async def test_a_failing_receiver_is_tried_again_under_the_same_key(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """500, 429, then 200: three attempts, one key, one delivery."""
    async with Listener([500, 429, 200]) as listener:
        contact = await home.webhook(listener.url, staff_id=home.staff[0])
        await home.happens("sos")
        await _turn(engine, clock)
        assert (await _state(home, contact))[0] == "queued"
        await _turn(engine, clock, 61)
        await _turn(engine, clock, 61)
        await _turn(engine, clock, 61)
        keys = [request.headers["idempotency-key"] for request in listener.received]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert await _state(home, contact) == ("delivered", 3, None)
    outcomes = await home.all("SELECT outcome FROM delivery ORDER BY id")
    assert [row["outcome"] for row in outcomes] == ["try_again", "try_again", "delivered"]


@pytest.mark.parametrize("settings", [6.0], indirect=True)
async def test_one_hanging_receiver_holds_nobody_up(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Ten messages for one that hangs; the other's messages all arrive meanwhile."""
    async with Listener([0]) as hanging, Listener() as healthy:
        await home.webhook(hanging.url)
        await home.webhook(healthy.url)
        for number in range(10):
            await home.happens("sos", f"c{number}")
        running = asyncio.create_task(engine.run())
        await healthy.until(10)
        running.cancel()
        assert len(hanging.received) <= 4
        await engine.outbox.settled()
    timeouts = await home.all(
        "SELECT DISTINCT outcome, detail FROM delivery WHERE detail <> %s", ("HTTP 200",)
    )
    assert timeouts == [{"outcome": "try_again", "detail": "timeout"}]


async def test_a_dead_address_makes_the_next_step_due_and_a_work_item(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """404: failed, a technical episode, the second step at once; mended when it answers."""
    first, second, _ = home.staff
    async with Listener([404, 200]) as listener:
        contact = await home.webhook(listener.url, staff_id=first)
        await home.happens("sos")
        await _turn(engine, clock)
        assert await _state(home, contact) == ("failed", 1, "HTTP 404")
        await _turn(engine, clock, 1)
        assert await home.told() == [first, second]
        call = await home.episode("call_for_help")
        assert ("escalate", "unreachable") in await home.history(call["id"])
        broken = await home.episode("contact_unreachable")
        assert (broken["priority"], broken["team_id"]) == ("technical", home.team)
        await home.happens("sos", "again")
        await _turn(engine, clock, 1)
    assert (await home.episode("contact_unreachable"))["outcome"] == "withdrawn"


async def test_a_receiver_that_stays_down_fails_over_within_a_minute(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Not only a refusal: 500 for half a minute makes the next step due; retries go on."""
    first, second, _ = home.staff
    async with Listener([500]) as listener:
        contact = await home.webhook(listener.url, staff_id=first)
        await home.happens("sos")
        for _ in range(60):
            await _turn(engine, clock, 1)
        assert await home.told() == [first, second]
        assert (await _state(home, contact))[0] == "queued"
        assert len(listener.received) > 2


async def test_another_address_of_the_step_prevents_the_fail_over(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """The team's own address was reached: the ladder keeps its time."""
    async with Listener([404]) as dead, Listener() as healthy:
        await home.webhook(healthy.url)
        await home.webhook(dead.url, staff_id=home.staff[0])
        await home.happens("sos")
        await _turn(engine, clock)
        await _turn(engine, clock, 60)
    assert await home.told() == [home.staff[0]]


async def test_what_is_no_longer_true_is_not_sent(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Acknowledged between two attempts: dropped with its reason."""
    async with Listener([500]) as listener:
        contact = await home.webhook(listener.url)
        await home.happens("sos")
        await _turn(engine, clock)
        await home.acknowledge((await home.episode())["id"])
        await _turn(engine, clock, 61)
        assert len(listener.received) == 1
    assert await _state(home, contact) == ("dropped", 1, "acknowledged")


async def test_who_was_told_hears_when_it_is_withdrawn(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Paged as unconfirmed, then a normal repeat arrives: one all-clear to the same address."""
    async with Listener() as listener:
        await home.webhook(listener.url)
        at = clock.now()
        await home.bp(186, 112)
        await _turn(engine, clock)
        await _turn(engine, clock, 360)
        await home.bp(136, 84, at=at + timedelta(minutes=4))
        await _turn(engine, clock, 5)
        assert [request.said["why"] for request in listener.received] == ["first", "withdrawn"]


async def test_a_redirect_is_not_followed(home: Home, engine: Engine, clock: ManualClock) -> None:
    """It would carry the message where nobody chose: somebody has to look."""
    async with Listener([307]) as listener:
        contact = await home.webhook(listener.url)
        await home.happens("sos")
        await _turn(engine, clock)
    assert await _state(home, contact) == ("failed", 1, "HTTP 307")


async def test_promise_09_killed_between_sent_and_recorded(
    home: Home, engine: Engine, clock: ManualClock, pool: Pool, settings: AlertsSettings
) -> None:
    """The lease runs out and it goes once more, under the same key."""
    async with Listener([0, 200]) as listener:
        await home.webhook(listener.url, staff_id=home.staff[0])
        await home.happens("sos")
        async with Engine(pool, settings, clock) as dying:
            await dying.cycle()
            await listener.until(1)
        clock.advance(29)
        await _turn(engine, clock)
        assert len(listener.received) == 1
        await _turn(engine, clock, 2)
        await listener.until(2)
        first, second = listener.received
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_nobody_there_at_all_is_tried_again(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """A closed port is a temporary trouble, a nonsense address is one for a person."""
    closed = await home.webhook("http://127.0.0.1:9/x")
    nonsense = await home.webhook("nothing://at all")
    await home.happens("sos")
    await _turn(engine, clock)
    assert await _state(home, closed) == ("queued", 1, "ConnectError")
    assert (await _state(home, nonsense))[0] == "failed"


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        *[(code, Ending.DELIVERED) for code in (200, 201, 202, 204)],
        *[(code, Ending.TRY_AGAIN) for code in (408, 425, 429, 500, 502, 503, 504)],
        *[(code, Ending.NEEDS_PERSON) for code in (301, 302, 400, 401, 403, 404, 410, 422)],
    ],
)
def test_statuses_are_told_apart(status: int, ending: Ending) -> None:
    """Transient and permanent are different words."""
    assert judged(status).ending is ending


def test_retry_after_is_heeded_within_reason() -> None:
    """Seconds up to a minute; a date or nonsense is not followed."""
    assert judged(429, "7").retry_after_s == 7
    assert judged(503, "86400").retry_after_s == 60
    assert judged(503, "Wed, 21 Oct 2026 07:28:00 GMT").retry_after_s == 0
