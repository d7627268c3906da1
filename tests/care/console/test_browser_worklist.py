"""The worklist in a real browser: it fills by itself, and pressing its buttons changes the rows."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from tests.care.console.conftest import Village
from tests.fixtures.fix_browser import Tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def _open(tab: Tab) -> None:
    await tab.go("/")
    await expect(tab.page.locator(".freshness")).to_contain_text("实时更新")


async def test_an_episode_appears_by_itself_within_two_seconds(village: Village) -> None:
    """What the engine writes is on the list in 2 s without a reload; others' is never there."""
    elsewhere = await village.factory.area("东坡村")
    others = await village.factory.team(elsewhere)
    stranger = await village.factory.patient(elsewhere, "不相干的人", team_id=others)
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab)
        await expect(tab.page.get_by_text("现在没有需要处理的事")).to_be_visible()
        await village.factory.episode(stranger, others)
        await village.factory.episode(village.patient, village.team, confirmation="confirmed")
        card = tab.page.get_by_role("article", name="李秀英")
        await expect(card).to_be_visible(timeout=2000)
        await expect(card).to_contain_text("高危")
        await expect(card).to_contain_text("186/112")
        await expect(card).to_contain_text("已复测确认")
        await expect(tab.page.get_by_text("现在没有需要处理的事")).to_be_hidden()
        await expect(tab.page.get_by_role("article")).to_have_count(1)
        assert await tab.all_problems() == []


async def test_acknowledging_and_resolving_change_the_rows(village: Village) -> None:
    """Acknowledge, then resolve with outcome and next step; both in the history and the audit."""
    episode = await village.factory.episode(village.patient, village.team, step=1)
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab)
        await tab.page.get_by_role("button", name="受理：李秀英").click()
        dialog = tab.page.get_by_role("dialog", name="受理")
        await dialog.get_by_role("button", name="12 小时").click()
        await dialog.get_by_label("备注").fill("已电话联系家属")
        await dialog.get_by_role("button", name="受理", exact=True).click()
        in_hand = tab.page.locator(".tier--in_hand")
        await expect(in_hand).to_contain_text("王医生")
        row = await village.row("SELECT * FROM episode WHERE id = %s", episode)
        assert (row["state"], row["acknowledged_by"]) == ("acknowledged", village.doctor)
        assert row["acknowledged_until"] > datetime.now(UTC) + timedelta(hours=11)  # type: ignore[operator]

        await in_hand.get_by_role("button", name="办结").click()
        dialog = tab.page.get_by_role("dialog", name="办结")
        await dialog.get_by_role("button", name="办结", exact=True).click()
        await expect(dialog).to_contain_text("请选择结果")
        await expect(dialog).to_contain_text("请填写下一步")
        await dialog.get_by_label("结果").click()
        await tab.page.get_by_role("option", name="已调整用药").click()
        await dialog.get_by_role("button", name="2 周内随访").click()
        await dialog.get_by_role("button", name="办结", exact=True).click()
        await expect(tab.page.get_by_text("现在没有需要处理的事")).to_be_visible()
        assert await tab.all_problems() == []
    row = await village.row("SELECT * FROM episode WHERE id = %s", episode)
    assert (row["state"], row["closed_by"]) == ("closed", village.doctor)
    assert (row["outcome"], row["next_step"]) == ("medication_changed", "2 周内随访")
    history = await village.row(
        "SELECT array_agg(phase ORDER BY id) AS phases FROM episode_history"
        " WHERE episode_id = %s AND actor = %s",
        episode,
        f"staff:{village.doctor}",
    )
    assert history["phases"] == ["acknowledge", "end"]
    audit = await village.row(
        "SELECT array_agg(action ORDER BY id) AS actions FROM audit"
        " WHERE subject_kind = 'episode' AND subject_id = %s",
        str(episode),
    )
    assert audit["actions"] == ["acknowledge", "resolve"]


async def test_somebody_else_was_faster(village: Village) -> None:
    """Resolving what a colleague closed a moment ago says so and changes nothing."""
    episode = await village.factory.episode(village.patient, village.team)
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab)
        await tab.page.get_by_role("button", name="办结：李秀英").click()
        dialog = tab.page.get_by_role("dialog", name="办结")
        await dialog.get_by_label("结果").click()
        await tab.page.get_by_role("option", name="误报").click()
        await dialog.get_by_role("button", name="无需进一步处理").click()
        await village.conn.execute(
            b"UPDATE episode SET state = 'closed', closed_at = now(), outcome = 'called'"
            b" WHERE id = %s",
            (episode,),
        )
        await dialog.get_by_role("button", name="办结", exact=True).click()
        await expect(tab.page.get_by_text("已由别人处理或已变化")).to_be_visible()
    row = await village.row("SELECT outcome FROM episode WHERE id = %s", episode)
    assert row["outcome"] == "called"


async def test_the_list_is_in_order_of_urgency(village: Village) -> None:
    """High first, then expired, waiting apart, medium, low, technical, and last what is in hand."""
    f, now = village.factory, village.factory.now
    hour = timedelta(hours=1)
    older = await village.person("更早的人")
    held = {"acknowledged_at": now - 5 * hour, "acknowledged_by": village.doctor}
    await f.episode(village.patient, village.team, opened_at=now - hour)
    await f.episode(older, village.team, opened_at=now - 2 * hour)
    made = {
        "到期的人": {"acknowledged_until": now - hour} | held,
        "等待的人": {"state": "pending", "confirmation": "waiting", "confirm_by": now + hour},
        "中等的人": {"priority": "medium", "late": True},
        "不急的人": {"priority": "low"},
        "断网的人": {"priority": "technical"},
        "在手的人": {"state": "acknowledged", "acknowledged_until": now + hour} | held,
    }
    for name, values in made.items():
        await f.episode(await village.person(name), village.team, **values)
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab)
        await expect(tab.page.get_by_role("article")).to_have_count(8)
        names = await tab.page.locator(".card__name").all_text_contents()
        assert names == ["更早的人", "李秀英", *made]
        await expect(tab.page.locator(".tier--pending")).to_contain_text("等待复测，截止")
        await expect(tab.page.locator(".tier--medium")).to_contain_text("迟到数据")
        await expect(tab.page.locator(".nav .badge")).to_have_text("3")


async def test_a_hostile_name_is_only_a_text(village: Village, unique: str) -> None:
    """A name made of markup, script and template signs shows as it is, and nothing runs."""
    name = f"<script>alert('{unique}')</script>${{7*7}}{{{{7*7}}}}`<img src=x onerror=alert(1)>"
    hostile = await village.person(name)
    await village.factory.episode(hostile, village.team)
    drug = "<b onclick=alert(2)>阿司匹林</b>"
    item = await village.factory.plan_item(hostile, village.node, drug=drug)
    due = village.factory.now - timedelta(hours=3)
    await village.factory.dose(item, hostile, village.node, due, "taken")
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab)
        await expect(tab.page.locator(".card__name")).to_have_text(name)
        await tab.page.get_by_role("button", name="受理：").click()
        await expect(tab.page.get_by_role("dialog")).to_contain_text(name)
        await tab.go(f"/patients/{hostile}")
        await expect(tab.page.get_by_role("heading", level=1)).to_have_text(name)
        await expect(tab.page.locator(".med__drug")).to_have_text(drug)
        await expect(tab.page.locator("canvas")).to_be_visible()
        assert await tab.all_problems() == []


async def test_a_page_only_runs_its_own_scripts(village: Village) -> None:
    """The policy forbids inline script: markup that got in would not run."""
    async with village.tab(await village.signed_in()) as tab:
        answer = await tab.page.goto(village.url + "/")
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert "'unsafe-inline'" not in rules["script-src"]
        assert "'unsafe-inline'" not in rules["style-src"]
        assert rules["default-src"] == "'none'"
        await expect(tab.page.locator(".freshness")).to_contain_text("实时更新")
        assert await tab.all_problems() == []
        await tab.page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')"
        )
        await tab.page.wait_for_function("window.stopped.length > 0")
        stopped = await tab.page.evaluate("window.stopped")
        assert all(line.startswith("script-src") for line in stopped)


async def test_a_slow_browser_gets_the_last_state_not_every_state(village: Village) -> None:
    """While a browser is busy nothing piles up for it: a hundred changes are a few messages."""
    episode = await village.factory.episode(village.patient, village.team, step=1)
    frames: list[int] = []
    async with village.tab(await village.signed_in()) as tab:
        tab.page.on(
            "websocket",
            lambda socket: socket.on("framereceived", lambda frame: frames.append(len(frame))),
        )
        await _open(tab)
        before = len(frames)
        assert before > 0
        busy = "() => { const end = Date.now() + 2500; while (Date.now() < end); }"
        blocked = asyncio.create_task(tab.page.evaluate(busy))
        for step in range(2, 102):
            await village.conn.execute(
                b"UPDATE episode SET step = %s WHERE id = %s", (step, episode)
            )
            await asyncio.sleep(0.02)
        during = len(frames) - before
        await blocked
        await expect(tab.page.get_by_role("article")).to_contain_text("已通知到第 101 级")
        assert during < 15


async def test_an_old_list_never_looks_fresh(village: Village) -> None:
    """While the list cannot be read the page says since when it is old, and then recovers."""
    changed = b"SELECT pg_notify('console', 'episode')"
    await village.factory.episode(village.patient, village.team)
    async with village.tab(await village.signed_in()) as tab:
        await _open(tab)
        await village.conn.execute(b"ALTER TABLE episode RENAME TO episode_away")
        try:
            await village.conn.execute(changed)
            await expect(tab.page.locator(".freshness--stale")).to_contain_text("更新失败")
            await expect(tab.page.get_by_role("article")).to_be_visible()
        finally:
            await village.conn.execute(b"ALTER TABLE episode_away RENAME TO episode")
        await village.conn.execute(changed)
        await expect(tab.page.locator(".freshness")).to_contain_text("实时更新")
        await expect(tab.page.locator(".freshness--stale")).to_have_count(0)
