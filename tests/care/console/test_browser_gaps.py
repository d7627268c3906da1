"""What is missing, in a real browser: on the patient's page and on the node's, also on a phone."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from store import gap, resend
from store.gap import Count, Hole
from store.message import Boot
from tests.care.console.conftest import Village
from tests.fixtures.fix_browser import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

_HIDDEN = "e => e.scrollWidth - e.clientWidth"  # of what must be seen without scrolling
_SIDEWAYS = "() => document.documentElement.scrollWidth - window.innerWidth"


async def _gaps(village: Village) -> Boot:
    """Three messages are missing, two are gone, an hour ago; the device started twice."""
    at, boot = village.factory.now - timedelta(hours=1), Boot(village.node, 7)
    earlier = Count(Boot(village.node, 6), 40, at - timedelta(days=9), ())
    holes = (Hole(5, 7, at, at), Hole(20, 21, at, at))
    await gap.note(village.conn, [earlier, Count(boot, 30, at, holes)], now=village.factory.now)
    await resend.gone(village.conn, boot, [(20, 21)], now=village.factory.now)
    return boot


async def test_the_patients_page_says_what_is_missing_and_what_is_lost(village: Village) -> None:
    """In Chinese on a phone, and it follows what comes of it by itself."""
    boot = await _gaps(village)
    async with village.tab(await village.signed_in(), PHONE) as tab:
        await tab.go(f"/patients/{village.patient}")
        part = tab.page.get_by_role("region", name="数据完整性（7 天）")
        await expect(part.locator("tbody tr")).to_have_count(7)
        today = part.locator("tbody tr").first
        await expect(today.get_by_role("cell")).to_have_text(["今天计数中断", "0", "3", "2"])
        await expect(part).to_contain_text("无法得知")
        assert await tab.page.evaluate(_SIDEWAYS) <= 0
        assert await part.locator(".scroll").evaluate(_HIDDEN) <= 0
        await resend.gone(village.conn, boot, [(5, 7)], now=village.factory.now)
        await expect(today.get_by_role("cell")).to_have_text(["今天计数中断", "0", "–", "5"])
        assert await tab.all_problems() == []


async def test_the_nodes_page_says_what_became_of_each_gap(village: Village) -> None:
    """In English: the open one first, and that the end of an earlier start cannot be known."""
    await _gaps(village)
    await village.conn.execute("UPDATE staff SET locale = 'en' WHERE id = %s", (village.doctor,))
    async with village.tab(await village.signed_in(), PHONE) as tab:
        await tab.go(f"/nodes/{village.node}")
        part = tab.page.get_by_role("region", name="Missing messages")
        rows = part.locator(".node__device")
        await expect(rows.nth(0)).to_contain_text("Numbers 5 to 7")
        await expect(rows.nth(0)).to_contain_text("3 missing")
        await expect(rows.nth(1)).to_contain_text("2 lost")
        await expect(part).to_contain_text("cannot be known")
        assert await tab.page.evaluate(_SIDEWAYS) <= 0
        assert await tab.all_problems() == []
