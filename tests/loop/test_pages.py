"""Robot and console side by side in a real browser, on a real hub: two seconds, no reload."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from firmware_sim.household import do_as_the_screen_says
from firmware_sim.physiology import Pressure
from hub.demo_home import LiveHome
from tests.fixtures.fix_browser import DESKTOP, TABLET, Chromium, Tab
from tests.fixtures.fix_hub import ROOMS, HubProcess
from tests.fixtures.promised import promised
from tests.loop.county import County

pytestmark = [
    pytest.mark.loop,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
]
_SOON_MS = promised(2000)


@contextlib.asynccontextmanager
async def _together(
    county: County, chromium: Chromium, size: tuple[int, int]
) -> AsyncIterator[tuple[LiveHome, Tab, Page]]:
    """A home, the doctor signed in at the console, and the robot's screen."""
    assert county.village is not None
    home = county.homes[0]
    async with chromium.tab(county.hub.addresses()["http_url"], size=size) as console:
        await console.go("/")
        await console.page.get_by_label("用户名").fill(county.village.doctor)
        await console.page.get_by_label("密码").fill(county.village.doctor_password)
        await console.page.get_by_role("button", name="登录").click()
        await expect(console.page.get_by_role("heading", name="工作清单").first).to_be_visible()
        robot = await chromium.browser.new_page(viewport={"width": size[0], "height": size[1]})
        try:
            await robot.goto(home.screen_url)
            await expect(robot.locator("#connection")).to_have_attribute("data-state", "online")
            yield home, console, robot
        finally:
            await robot.close()


async def test_what_is_pressed_on_the_robot_is_in_the_console_within_two_seconds(
    start_hub: Callable[..., HubProcess], chromium: Chromium, tmp_path: Path
) -> None:
    """A call for help at desktop size and a guided measurement at tablet size, both ways."""
    hub = start_hub("pages", rooms=ROOMS).wait_up()
    async with County(hub, tmp_path, 1, 30) as county:
        async with _together(county, chromium, DESKTOP) as (home, console, robot):
            await _call(home, console, robot)
            assert await console.all_problems() == []
        async with _together(county, chromium, TABLET) as (home, console, robot):
            await _measure(home, console, robot)
            assert await console.all_problems() == []


async def _call(home: LiveHome, console: Tab, robot: Page) -> None:
    """Held for a second, heard at once; the acknowledgement reaches the robot."""
    name = console.page.get_by_text(home.home.person.name)
    await expect(name).to_have_count(0)
    await robot.locator("#call").hover()
    await robot.mouse.down()
    await asyncio.sleep(1.2)
    await robot.mouse.up()
    pressed = time.monotonic()
    await expect(name.first).to_be_visible(timeout=_SOON_MS)
    assert time.monotonic() - pressed < _SOON_MS / 1000
    await expect(robot.locator("#call-card")).to_contain_text("已通知您的医生团队")
    await console.page.get_by_role("button", name="受理").first.click()
    await console.page.get_by_role("dialog").get_by_role("button", name="受理").click()
    await expect(robot.locator("#call-card")).to_contain_text("医生团队已回应", timeout=_SOON_MS)


async def _measure(home: LiveHome, console: Tab, robot: Page) -> None:
    """The person does as the screen says; the value is on both screens."""
    await console.go(f"/patients/{home.home.patient_id}")
    home.household.choose([Pressure(127, 78, 66), Pressure(125, 76, 65)])
    person = asyncio.create_task(
        do_as_the_screen_says(home.household, home.screen_url, after_s=0.2, poll_s=0.1)
    )
    try:
        await robot.locator("#measure").click()
        await expect(robot.locator("#sys")).to_have_text("125", timeout=20_000)
        await expect(console.page.get_by_text("125/76").first).to_be_visible(timeout=_SOON_MS)
    finally:
        person.cancel()
