"""How the console looks and reads: both languages, three sizes, names for everything pressed."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.care.console.conftest import Village
from tests.fixtures.fix_browser import DESKTOP, PHONE, TABLET, Tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Wider than the window, or a control nobody can name or hit with a finger.
_FAULTS = """
() => {
  const faults = [];
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };
  const ground = el => {
    for (let at = el; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  if (wide > 0) faults.push(`scrolls sideways by ${wide}`);
  for (const el of document.querySelectorAll('button, a[href], input:not([type=hidden])')) {
    const box = el.getBoundingClientRect();
    if (!box.width || getComputedStyle(el).visibility === 'hidden') continue;
    if (el.closest('.nicegui-skip-link')) continue;
    const name = el.getAttribute('aria-label') || el.textContent.trim() || el.title
      || (el.labels && el.labels[0] && el.labels[0].textContent.trim());
    if (!name) faults.push(`no name: ${el.outerHTML.slice(0, 120)}`);
    if (el.tagName === 'BUTTON' && box.height < 32)
      faults.push(`low ${box.height}: ${name}`);
  }
  for (const el of document.querySelectorAll('.shell *')) {
    if (!el.childNodes.length || el.children.length || !el.textContent.trim()) continue;
    const size = parseFloat(getComputedStyle(el).fontSize);
    if (size < 14) faults.push(`small ${size}: ${el.textContent.slice(0, 40)}`);
    const box = el.getBoundingClientRect();
    if (!box.width || el.closest('.q-icon')) continue;
    const contrast = ratio(rgb(getComputedStyle(el).color), ground(el));
    if (contrast < (size >= 24 ? 3 : 4.5))
      faults.push(`pale ${contrast.toFixed(1)}: ${el.textContent.slice(0, 40)}`);
  }
  return faults;
}
"""


async def _village_with_life(village: Village) -> None:
    f, now = village.factory, village.factory.now
    for day in range(20):
        await village.pressure((152 - day, 91, 70), at=now - timedelta(days=day, hours=2))
    await f.plan_item(village.patient, village.node)
    await f.plan(village.node)
    await f.node_state(village.node, battery=70)
    await f.episode(village.patient, village.team, confirmation="confirmed", step=1)
    await f.episode(await village.person("张德福"), village.team, priority="medium", late=True)
    await village.conn.execute(
        b"INSERT INTO reject (received_at, node_id, topic, code, path, got, reason, payload)"
        b" VALUES (now(), %s, 't', 'E3102', '/ser/2/u', 'kPa', 'bp.sys must be in mm[Hg]', '')",
        (village.node,),
    )
    await f.pressure(village.device, village.node, None, (160, 92), who="B")


async def _look(tab: Tab, path: str, shot: Path) -> list[str]:
    await tab.go(path)
    await expect(tab.page.locator(".freshness")).to_contain_text("·")
    await tab.page.screenshot(path=shot, full_page=True)
    return [f"{path}: {fault}" for fault in await tab.page.evaluate(_FAULTS)]


@pytest.mark.parametrize("size", [DESKTOP, TABLET, PHONE], ids=["desktop", "tablet", "phone"])
async def test_every_page_fits_and_names_its_controls(
    village: Village, size: tuple[int, int], tmp_path: Path
) -> None:
    """No sideways scrolling, no nameless control, nothing small or pale, no errors."""
    await _village_with_life(village)
    paths = ("/", f"/patients/{village.patient}")
    if size == TABLET:
        paths = (*paths, "/patients", "/unassigned", "/rejects")
    async with village.tab(await village.signed_in(), size) as tab:
        faults = [
            fault
            for number, path in enumerate(paths)
            for fault in await _look(tab, path, tmp_path / f"{number}.png")
        ]
        assert faults == []
        assert await tab.all_problems() == []


async def test_the_language_is_a_choice_of_the_person(village: Village) -> None:
    """One press changes every word, the page's language and stays; another person is not asked."""
    await village.factory.episode(village.patient, village.team)
    english, _ = await village.factory.staff(village.team, locale="en")
    async with village.tab(await village.signed_in()) as tab:
        await tab.go("/")
        await tab.page.get_by_role("button", name="Switch to English").click()
        await expect(tab.page.get_by_role("heading", name="Worklist")).to_be_visible()
        assert await tab.page.evaluate("document.documentElement.lang") == "en-US"
        await expect(tab.page.get_by_role("article")).to_contain_text("Severely high")
        await tab.go(f"/patients/{village.patient}")
        await expect(tab.page.get_by_role("region", name="Medication plan")).to_be_visible()
        await tab.page.get_by_role("button", name="切换为中文").click()
        await expect(tab.page.get_by_role("region", name="用药计划")).to_be_visible()
    async with village.tab(await village.signed_in(english)) as tab:
        await tab.go("/patients")
        await expect(tab.page.get_by_role("heading", name="Patients")).to_be_visible()
        await tab.page.get_by_label("Find by name").fill("秀")
        await expect(tab.page.get_by_role("listitem")).to_have_count(1)
        await tab.page.get_by_label("Find by name").fill("nobody%")
        await expect(tab.page.get_by_text("Nobody matches")).to_be_visible()


async def test_a_message_leads_to_its_episode(village: Village) -> None:
    """The link of a notification outlines its card; what is unknown is a calm page."""
    episode = await village.factory.episode(village.patient, village.team)
    async with village.tab(await village.signed_in()) as tab:
        await tab.go(f"/?episode={episode}")
        await expect(tab.page.locator(".card--wanted")).to_contain_text("李秀英")
        answer = await tab.page.goto(f"{village.url}/no-such-page")
        assert answer is not None
        assert answer.status == 404
        await expect(tab.page.get_by_role("link", name="返回工作清单")).to_be_visible()
