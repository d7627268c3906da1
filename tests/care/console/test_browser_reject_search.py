"""Refused messages one by one in a real browser: found by their letters, saved, replayed."""

import pytest
from playwright.async_api import expect

from tests.care.console.conftest import Village
from tests.care.console.test_browser_looks import _FAULTS
from tests.care.console.test_browser_rejects import refused
from tests.fixtures.fix_browser import PHONE, TABLET

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_found_by_its_letters_saved_and_replayed(village: Village) -> None:
    """What is looked for narrows list, file and replay alike; progress shows by itself."""
    lead, user = await village.factory.staff(village.team, role="lead", locale="en")
    odd = [
        await refused(village, seq=n, code="E2001", payload=b'{"v":0,"odd":%d' % n)
        for n in range(3)
    ]
    for n in range(30):
        await refused(village, seq=100 + n)
    async with village.tab(await village.signed_in(lead), TABLET) as tab:
        await tab.go("/rejects")
        listed = tab.page.get_by_role("region", name="One by one")
        await expect(listed.locator("tbody tr")).to_have_count(25)
        await listed.get_by_role("button", name="Show more messages").press("Enter")
        await expect(listed.locator("tbody tr")).to_have_count(33)
        chart = tab.page.get_by_role("img", name="How often each code was told")
        await expect(chart).to_have_attribute(
            "aria-label", "How often each code was told over time: E3102 30, E2001 3"
        )
        await tab.page.get_by_label("Find letters of the message").fill('"odd":')
        await expect(listed.locator("tbody tr")).to_have_count(3)
        assert await tab.page.evaluate(_FAULTS) == []
        async with tab.page.expect_download() as download:
            await listed.get_by_role("link", name="Save what was found").click()
        saved = (await (await download.value).path()).read_text().splitlines()
        assert len(saved) == 4
        await listed.get_by_role("button", name="Replay everything found").click()
        await tab.page.get_by_role("dialog").get_by_role("button", name="Replay").click()
        progress = tab.page.get_by_role("region", name="Replays")
        await expect(progress).to_contain_text("0 of 3 done")
        await expect(progress).to_contain_text(f"Asked by {user}")
        await village.conn.execute(
            b"UPDATE reject SET replayed_at = now(), replay_result = 'stored' WHERE id = ANY(%s)",
            (odd[:2],),
        )
        await expect(progress).to_contain_text("2 of 3 done")
        await expect(listed.get_by_text("Stored")).to_have_count(2)
        assert await tab.all_problems() == []


async def test_one_message_is_taken_home_from_its_page(village: Village) -> None:
    """Byte by byte as it came, on a phone."""
    one = await refused(village, payload=b"\xff\x00<script>")
    async with village.tab(await village.signed_in(), PHONE) as tab:
        await tab.go(f"/rejects/{one}")
        async with tab.page.expect_download() as download:
            await tab.page.get_by_role("link", name="保存原消息").click()
        assert (await (await download.value).path()).read_bytes() == b"\xff\x00<script>"
        assert await tab.page.evaluate(_FAULTS) == []
