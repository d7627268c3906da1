"""One patient's page in a real browser: the chart, the readings, the plan and the device."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from store import feed
from store.feed import BirthItem
from tests.care.console.conftest import Village
from tests.fixtures.fix_browser import Tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# What the chart on the page really holds: points by the name of the series.
_SERIES = """
() => Object.fromEntries(Object.entries(Object.groupBy(
  getElement(document.querySelector('.chart').id.slice(1)).chart.getOption().series,
  s => s.name + ' ' + s.type)).map(([name, all]) =>
    [name, all.reduce((n, s) => n + s.data.length, 0)]))
"""


async def _open(tab: Tab, patient_id: int) -> None:
    await tab.go(f"/patients/{patient_id}")
    await expect(tab.page.locator(".freshness")).to_contain_text("实时更新")


async def test_the_chart_shows_readings_and_doses_on_one_axis(village: Village) -> None:
    """Sessions as points, a demo reading apart, doses by state; another range, other counts."""
    f, now = village.factory, village.factory.now
    for day in range(40):
        at = now - timedelta(days=day, hours=1)
        await village.pressure((140 + day % 7, 85, 70), at=at)
    await village.pressure((150, 90, 70), at=now - timedelta(hours=5), flags=1 << 6)
    item = await f.plan_item(village.patient, village.node)
    for day, state in enumerate(("taken", "taken", "late_taken", "skipped", "missed")):
        due = now - timedelta(days=day, hours=2)
        await f.dose(item, village.patient, village.node, due, state)
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab, village.patient)
        await expect(tab.page.locator(".chart canvas")).to_be_visible()
        series = await tab.page.evaluate(_SERIES)
        assert series["收缩压 line"] == series["舒张压 line"] == 30
        assert series["不计入趋势 scatter"] == 2
        doses = {name: series[f"{name} scatter"] for name in ("已服", "晚服", "跳过", "漏服")}
        assert doses == {"已服": 2, "晚服": 1, "跳过": 1, "漏服": 1}
        await tab.page.get_by_role("button", name="7 天").click()
        await tab.page.wait_for_function(f"({_SERIES})()['收缩压 line'] === 7")
        await tab.page.get_by_role("button", name="90 天").click()
        await tab.page.wait_for_function(f"({_SERIES})()['收缩压 line'] === 40")
        label = await tab.page.locator(".chart").get_attribute("aria-label")
        assert label is not None
        assert "41 次读数" in label
        await expect(tab.page.locator(".tiles")).to_contain_text("3 / 5 次")
        assert await tab.all_problems() == []


async def test_a_reading_says_what_is_to_be_known_about_it(village: Village) -> None:
    """Flags, lateness, an untrusted time and a conflict stand beside a reading that comes in."""
    f, now = village.factory, village.factory.now
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab, village.patient)
        table = tab.page.get_by_role("region", name="读数")
        await expect(table).to_contain_text("这段时间没有读数")
        at = now - timedelta(hours=3)
        more = {"flags": 1 << 3, "clock": "untrusted", "claimed_at": now + timedelta(days=3)}
        await village.pressure((188, 112, 91), at=at, received_at=now, **more)
        await f.conn.execute(
            b"INSERT INTO reading_conflict (device_id, kind, measured_at, ordinal, v0, flags,"
            b" node_id, boot, seq, received_at) VALUES (%s, 'bp', %s, 0, 120, 0, %s, 1, 99, %s)",
            (village.device, at, village.node, now),
        )
        async with f.conn.transaction():
            await feed.append(f.conn, "birth", [BirthItem(node_id=village.node, received_at=now)])
        row = table.get_by_role("row").nth(1)
        await expect(row).to_contain_text("188/112", timeout=2000)
        for words in ("极高", "脉搏不规则", "与另一条读数冲突", "迟到 3 小时", "时间不可信"):
            await expect(row).to_contain_text(words)
        await expect(row).to_contain_text("设备声称")
        assert await tab.all_problems() == []


async def test_editing_the_plan_is_a_wish_until_the_device_confirms(village: Village) -> None:
    """Adding bumps the edit; the page says not yet on the device, until the device says it is."""
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab, village.patient)
        await tab.page.get_by_role("button", name="添加药物").click()
        dialog = tab.page.get_by_role("dialog", name="添加药物")
        await dialog.get_by_role("button", name="保存").click()
        await expect(dialog).to_contain_text("请填写药名")
        await dialog.get_by_label("药名").fill("氨氯地平")
        await dialog.get_by_label("剂量").fill("1 片")
        await dialog.get_by_label("每天的时间").fill("8:00，20:00")
        await dialog.get_by_role("button", name="保存").click()
        plan = tab.page.get_by_role("region", name="用药计划")
        await expect(plan).to_contain_text("08:00 20:00")
        await expect(plan).to_contain_text("正在发往设备")
        wish = await village.row("SELECT * FROM plan WHERE node_id = %s", village.node)
        assert (wish["edit"], wish["published_edit"]) == (1, 0)
        item = await village.row("SELECT * FROM plan_item WHERE node_id = %s", village.node)
        assert (item["drug"], item["created_by"]) == ("氨氯地平", village.doctor)

        await village.conn.execute(
            b"UPDATE plan SET edited_at = now() - interval '12 minutes' WHERE node_id = %s",
            (village.node,),
        )
        await expect(plan).to_contain_text("尚未到达设备")
        await village.conn.execute(
            b"UPDATE plan SET published_edit = 1, revision = 4, edit_revision = 4,"
            b" confirmed_revision = 4, confirmed_at = now() WHERE node_id = %s",
            (village.node,),
        )
        await expect(plan).to_contain_text("设备已确认")
        await expect(plan).to_contain_text("设备上修订 4")

        await plan.get_by_role("button", name="停用 氨氯地平").click()
        await tab.page.get_by_role("dialog").get_by_role("button", name="停用").click()
        await expect(plan).to_contain_text("已停用 1 项")
        wish = await village.row("SELECT edit FROM plan WHERE node_id = %s", village.node)
        assert wish["edit"] == 2
        assert await tab.all_problems() == []


async def test_changing_a_medicine_replaces_its_line(village: Village) -> None:
    """A change stops the old line, starts a new one from the same form, and keeps who did it."""
    await village.factory.plan_item(village.patient, village.node, drug="缬沙坦")
    await village.factory.plan(village.node)
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab, village.patient)
        await tab.page.get_by_role("button", name="修改 缬沙坦").click()
        dialog = tab.page.get_by_role("dialog")
        await expect(dialog.get_by_label("药名")).to_have_value("缬沙坦")
        await dialog.get_by_label("剂量").fill("80 mg")
        await dialog.get_by_role("button", name="保存").click()
        await expect(tab.page.locator(".med__dose")).to_have_text("80 mg")
    row = await village.row(
        "SELECT count(*) AS lines, count(stopped_at) AS stopped, max(replaces_id) AS replaces"
        " FROM plan_item WHERE patient_id = %s",
        village.patient,
    )
    assert (row["lines"], row["stopped"]) == (2, 1)
    assert row["replaces"] is not None
    audit = await village.row(
        "SELECT action, staff_id FROM audit WHERE subject_id = %s AND action <> 'view'",
        str(village.patient),
    )
    assert audit == {"action": "plan_change", "staff_id": village.doctor}


async def test_scope_and_role_hold_on_the_page(village: Village) -> None:
    """Somebody else's patient is not found; a nurse sees the plan and cannot edit it."""
    f = village.factory
    elsewhere = await f.area("东坡村")
    stranger = await f.patient(elsewhere, "不相干的人")
    nurse, _ = await f.staff(village.team, role="nurse")
    await f.plan_item(village.patient, village.node)
    await f.node_state(village.node, "lost", battery=9)
    async with village.tab(await village.signed_in(nurse)) as tab:
        answer = await tab.page.goto(f"{village.url}/patients/{stranger}")
        assert answer is not None
        assert answer.status == 404
        await expect(tab.page.get_by_text("没有找到，或不在您的管理范围内")).to_be_visible()
        await _open(tab, village.patient)
        await expect(tab.page.locator(".med__drug")).to_be_visible()
        await expect(tab.page.get_by_role("button", name="添加药物")).to_be_hidden()
        await expect(tab.page.locator(".med button")).to_have_count(0)
        devices = tab.page.get_by_role("region", name="设备")
        await expect(devices).to_contain_text("失联")
        await expect(devices).to_contain_text("电量低 9%")
        assert await tab.page.locator("body").get_by_text("不相干的人").count() == 0


async def test_a_right_taken_away_meanwhile_holds_on_the_open_page(village: Village) -> None:
    """Whoever became a nurse, or lost the patient, since the page was opened edits nothing."""
    await village.factory.plan_item(village.patient, village.node)
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab, village.patient)
        await village.conn.execute(
            b"UPDATE staff SET role = 'nurse' WHERE id = %s", (village.doctor,)
        )
        await tab.page.get_by_role("button", name="停用 氨氯地平").click()
        await tab.page.get_by_role("dialog").get_by_role("button", name="停用").click()
        await expect(tab.page.get_by_text("您的角色不能这样做")).to_be_visible()
        await village.conn.execute(
            b"UPDATE staff SET role = 'doctor' WHERE id = %s", (village.doctor,)
        )
        await village.conn.execute(
            b"DELETE FROM team_member WHERE staff_id = %s", (village.doctor,)
        )
        await tab.page.get_by_role("button", name="停用 氨氯地平").click()
        await tab.page.get_by_role("dialog").get_by_role("button", name="停用").click()
        await expect(tab.page.locator(".q-notification__badge")).to_have_text("2")
    row = await village.row(
        "SELECT stopped_at FROM plan_item WHERE patient_id = %s", village.patient
    )
    assert row["stopped_at"] is None
