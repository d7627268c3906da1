"""Binding a unit in a real browser: scanned, bound, connected, released; and a node's page."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import expect

from care.people import claiming
from runtime.sealing import load_sealer
from store import certificate
from tests.care.console.conftest import Village
from tests.care.console.test_browser_looks import _FAULTS
from tests.care.console.test_browser_rejects import refused
from tests.fixtures.fix_browser import PHONE, TABLET, Tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def unit(village: Village, key: Path) -> claiming.MadeUnit:
    """A unit the hub knows."""
    made = claiming.make_unit(f"HB-{secrets.token_hex(4)}", "acme", "robot-1")
    await claiming.add_unit(village.conn, load_sealer(key), made, by=None, now=datetime.now(UTC))
    return made


async def choose(tab: Tab, name: str) -> None:
    """Choose whom a unit is for."""
    await tab.page.get_by_label("给哪位居民").fill(name)
    await tab.page.get_by_role("option", name=name).click()


async def test_a_scanned_unit_is_bound_connects_and_is_released(
    village: Village, unit_key: Path
) -> None:
    """The scanner types one text and Enter; the rest is one choice and one press."""
    made = await unit(village, unit_key)
    lead, _ = await village.factory.staff(village.team, role="lead")
    async with village.tab(await village.signed_in(lead), TABLET) as tab:
        await tab.go("/claims")
        await expect(tab.page.locator(".freshness")).to_contain_text("·")
        await tab.page.get_by_label("扫描二维码").press_sequentially(f"{made.qr}\n")
        await expect(tab.page.get_by_label("序列号")).to_have_value(made.serial)
        await choose(tab, "李秀英")
        await tab.page.get_by_role("button", name="绑定", exact=True).click()
        rows = tab.page.get_by_role("region", name="已绑定的设备").locator("tbody tr")
        await expect(rows).to_contain_text(["等待设备"])
        await expect(rows.first).to_contain_text("李秀英")
        await village.conn.execute(
            b"UPDATE claim SET node_id = %s, issued_at = now(), completed_at = now()"
            b" WHERE serial = %s",
            (village.node, made.serial),
        )
        await expect(rows).to_contain_text(["已连接"])
        assert await tab.page.evaluate(_FAULTS) == []
        await rows.get_by_role("button", name=f"解绑 {made.serial}").click()
        dialog = tab.page.get_by_role("dialog")
        await expect(dialog).to_contain_text("已有的测量记录保留")
        await dialog.get_by_role("button", name="解绑").click()
        await expect(tab.page.get_by_text("还没有绑定的设备")).to_be_visible()
        ended = await village.row("SELECT ended_at FROM claim WHERE serial = %s", made.serial)
        assert ended["ended_at"] is not None
        assert await tab.all_problems() == []


async def test_a_wrong_code_is_told_kindly_and_slows_down(village: Village, unit_key: Path) -> None:
    """Mistyped, wrong, too often, bound already: each says what to do. A nurse may bind."""
    made, other = await unit(village, unit_key), await unit(village, unit_key)
    nurse, _ = await village.factory.staff(village.team, role="nurse")
    async with village.tab(await village.signed_in(nurse), PHONE) as tab:
        await tab.go("/claims")
        await expect(tab.page.locator(".freshness")).to_contain_text("·")
        bind = tab.page.get_by_role("button", name="绑定", exact=True)
        problem = tab.page.get_by_role("alert").first
        await tab.page.get_by_label("序列号").fill(made.serial)
        await tab.page.get_by_label("绑定码").fill("AAAAA-AAAAA")
        await bind.click()
        await expect(problem).to_contain_text("请选择居民或地点")
        await choose(tab, "李秀英")
        await bind.click()
        await expect(problem).to_contain_text("绑定码有误")
        await tab.page.get_by_label("绑定码").fill(other.code.lower())
        for _ in range(5):
            await bind.click()
            await expect(problem).to_contain_text("没有与此绑定码相符的设备")
            await tab.page.wait_for_timeout(100)
        await bind.click()
        await expect(problem).to_contain_text("设备本身没有被锁定")
        assert await tab.page.evaluate(_FAULTS) == []
        assert await tab.all_problems() == []
    failed = await village.row(
        "SELECT count(*) AS n FROM claim_failure WHERE serial = %s", made.serial
    )
    assert failed["n"] == 5


async def test_a_node_tells_how_it_is(village: Village) -> None:
    """Settings wanted and in force with what was refused, refusals, diagnostics, credentials."""
    await village.factory.node_state(village.node)
    await village.conn.execute(
        b"INSERT INTO node_config (node_id, revision, wanted, published_revision,"
        b" reported_revision, applied, errors) VALUES (%s, 8, %s, 8, 8, %s, %s)",
        (
            village.node,
            '{"volume": 250, "lang": "en"}',
            '{"volume": 60, "lang": "en"}',
            '[{"path": "/volume", "msg": "expected 0 to 100"}]',
        ),
    )
    await village.conn.execute(
        b"INSERT INTO node_diag (node_id, received_at, metrics, log) VALUES (%s, now(), %s, %s)",
        (village.node, '{"rssi": -61}', '[{"lvl": "warning", "msg": "<b>cuff</b> slow"}]'),
    )
    now = village.factory.now
    await certificate.add(
        village.conn,
        serial_number=secrets.token_hex(8),
        node_id=village.node,
        not_before=now,
        not_after=now.replace(year=now.year + 1),
        now=now,
    )
    await refused(village)
    async with village.tab(await village.signed_in(), TABLET) as tab:
        await tab.go(f"/patients/{village.patient}")
        await tab.page.get_by_role("link", name="堂屋网关").click()
        settings = tab.page.get_by_role("region", name="设置")
        await expect(settings).to_contain_text("设备拒绝了部分设置")
        await expect(settings).to_contain_text("expected 0 to 100")
        await expect(tab.page.get_by_role("region", name="7 天内拒收")).to_contain_text("E3102")
        await expect(tab.page.get_by_role("region", name="诊断")).to_contain_text("<b>cuff</b>")
        await expect(tab.page.get_by_role("region", name="凭据")).to_contain_text("证书，有效至")
        await expect(tab.page.locator(".portrait")).to_contain_text("在线")
        assert await tab.page.evaluate(_FAULTS) == []
        assert await tab.all_problems() == []
    stranger, _ = await village.factory.staff(
        await village.factory.team(await village.factory.area("别村"))
    )
    async with village.tab(await village.signed_in(stranger)) as tab:
        answer = await tab.page.goto(f"{village.url}/nodes/{village.node}")
        assert answer is not None
        assert answer.status == 404
