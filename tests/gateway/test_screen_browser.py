"""The screen in a real browser: what an old person sees and presses."""

from collections.abc import AsyncIterator, Callable

import pytest
from playwright.async_api import Page, async_playwright

from contract.instants import to_millis
from contract.messages import Plan, PlanItem
from runtime.clock import ManualClock
from tests.gateway.conftest import Running, until
from tests.gateway.meter_on_pty import MeterOnPty, frame
from tests.gateway.scripted_hub import ScriptedHub

pytestmark = pytest.mark.browser
Power = Callable[..., Running]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A tablet's browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield await browser.new_page(viewport={"width": 1024, "height": 768})
        await browser.close()


async def shows(page: Page, selector: str, text: str) -> None:
    """Wait until an element shows a text."""
    await page.locator(selector, has_text=text).first.wait_for(timeout=30_000)


async def fits(page: Page) -> bool:
    """Nothing on the page is cut off."""
    return await page.evaluate(
        """() => [...document.querySelectorAll('.card, footer, body')]
             .filter((e) => !e.hidden)
             .every((e) => e.scrollHeight <= e.clientHeight + 1
                           && e.scrollWidth <= e.clientWidth + 1)"""
    )


async def test_a_day_on_the_screen(
    power: Power, hub: ScriptedHub, meter: MeterOnPty, page: Page, clock: ManualClock
) -> None:
    """A reading in big digits, a dose taken, the language switched, the doctor called by holding,
    and by the keyboard in two steps; no script error, nothing cut off."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    running = power(cancel_seconds=0.0)
    await until(lambda: running.port)
    await page.goto(f"http://127.0.0.1:{running.port}/")
    await until(lambda: running.gateway.collector.link == "ready")
    meter.measured(frame(138, 86, 72, (2026, 3, 4, 8, 0)))
    await shows(page, "#sys", "138")
    await shows(page, "#sentence", "已记录，医生团队可以看到")
    now = to_millis(clock.now())
    item = PlanItem(rid="r1", occ=[(now, "d1")], text={"zh-CN": "氨氯地平 1 片", "en": "One pill"})
    hub.publish(
        "plan", Plan(v=0, rev=1, tz="UTC", since=now, to=now + 10, exp=now + 10**9, items=[item])
    )
    await shows(page, "#card .text", "氨氯地平 1 片")
    assert await fits(page)
    await page.click("#language")
    await shows(page, "#card .title", "Time for your medicine")
    assert await fits(page)
    await page.click("[data-do=take]")
    await until(lambda: ("d1", "taken") in hub.acks())
    await shows(page, "#sys", "138")
    await page.locator("#call").click(delay=1200)
    (called,) = await until(lambda: hub.of("event"))
    assert called["src"] == {"dev": "robot", "how": "button_hold"}
    await shows(page, "#call-card .title", "Calling your care team")
    await page.focus("#call")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await until(lambda: len({event["id"] for event in hub.of("event")}) == 2)
    assert hub.of("event")[-1]["src"]["how"] == "button_confirm"
    assert errors == []


async def test_a_robot_that_does_not_answer_shows_the_telephone_number(
    power: Power, page: Page
) -> None:
    """When the gateway is gone its page says so and names the emergency number."""
    running = power()
    await until(lambda: running.port)
    await page.goto(f"http://127.0.0.1:{running.port}/")
    await shows(page, "#measure", "量血压")
    await running.stop()
    await page.locator("#gone", has_text="120").wait_for(timeout=30_000)
