"""Refused messages in a real browser: by product, one by one, and taken again after a fix."""

from typing import Any

import pytest
from playwright.async_api import expect

from store import deprecation
from store.deprecation import Seen, Use
from tests.care.console.conftest import Village
from tests.care.console.test_browser_looks import _FAULTS
from tests.fixtures.fix_browser import PHONE, TABLET

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

OBS = (
    '{"v":0,"boot":12,"seq":4711,"t":1795354700000,"clk":"ntp","ser":['
    '{"k":"spo2","dev":"ox1","dt":1000,"y":[97,97,null,96,96]},'
    '{"k":"bp","dev":"cuff1","u":"kPa","o":[0],"c":{"sys":[17.1],"dia":[10.5]},"who":"<b>A</b>"}]}'
)


async def refused(village: Village, **values: Any) -> int:
    """One row of the reject table, as ingest writes it."""
    row = {
        "received_at": village.factory.now,
        "node_id": village.node,
        "topic": f"hh/1/up/{village.node}/obs",
        "boot": 12,
        "seq": 4711,
        "code": "E3102",
        "path": "/ser/1/u",
        "got": "kPa",
        "reason": "bp.sys must be in mm[Hg]",
        "payload": OBS.encode(),
        "kept": 1,
        "dropped": 1,
        "maker": "Acme 康泰",
        "model": "G2",
        "firmware": "2.4.1",
    } | values
    columns, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    sql = f"INSERT INTO reject ({columns}) VALUES ({places}) RETURNING id"
    cursor = await village.conn.execute(sql.encode(), row)
    return int((await cursor.fetchall())[0][0])


async def test_from_the_product_to_the_place_in_the_message(village: Village) -> None:
    """Grouped and narrowed; opened it says what, where, how often; its page shows the place."""
    for seq in range(3):
        newest = await refused(village, seq=seq)
    await refused(
        village, code="E2001", path="", got=None, reason="byte 9: x", payload=b'{"v":0,"x'
    )
    await refused(village, firmware="2.5.0", code="E3101", path="/ser/0/y/1", got="970")
    async with village.tab(await village.signed_in(), TABLET) as tab:
        await tab.go("/rejects")
        cards = tab.page.get_by_role("region", name="Acme 康泰 G2")
        await expect(cards).to_have_count(2)
        await expect(cards.first).to_contain_text("固件 2.4.1")
        await expect(cards.first).to_contain_text("4 次")
        await cards.first.get_by_role("button", name="查看原因").press("Enter")
        row = cards.first.locator("tbody tr").first
        await expect(row).to_contain_text("/ser/*/u")
        await expect(row).to_contain_text("该体征不允许使用此单位")
        await tab.page.get_by_label("按产品").fill("2.5.0")
        await expect(cards).to_have_count(1)
        await expect(cards).to_contain_text("E3101")
        await tab.page.get_by_label("按产品").fill("")
        await expect(cards).to_have_count(2)
        assert await tab.page.evaluate(_FAULTS) == []
        await tab.go(f"/rejects/{newest}")
        await expect(tab.page.locator("mark")).to_have_text('"kPa"')
        await expect(tab.page.locator("pre.payload")).to_contain_text("<b>A</b>")
        said = tab.page.get_by_role("region", name="告诉设备的内容")
        await expect(said).to_contain_text("该体征不允许使用此单位")
        await expect(said).to_contain_text("may not be sent in this unit")
        await expect(tab.page.get_by_text("由管理员或团队长操作")).to_be_visible()
        assert await tab.page.evaluate(_FAULTS) == []
        await said.get_by_role("link", name="规范中的 E3102").click()
        await expect(tab.page.locator("#E3102")).to_be_in_viewport()
        assert await tab.all_problems() == []


async def test_a_replay_says_what_it_does_and_what_came_of_it(village: Village) -> None:
    """Asked before it is done; the result appears by itself, at each message."""
    lead, user = await village.factory.staff(village.team, role="lead", locale="en")
    ids = [await refused(village, seq=seq) for seq in range(3)]
    async with village.tab(await village.signed_in(lead), TABLET) as tab:
        await tab.go(f"/rejects/{ids[-1]}")
        await tab.page.get_by_role("button", name="Replay all 3 alike").click()
        dialog = tab.page.get_by_role("dialog")
        await expect(dialog).to_contain_text("3 messages")
        await expect(dialog).to_contain_text("Nothing is sent to the device")
        assert await _asked(village) == []
        await dialog.get_by_role("button", name="Replay").click()
        alike = tab.page.get_by_role("region", name="Messages refused for the same reason")
        await expect(alike.get_by_text("Waiting")).to_have_count(3)
        assert await _asked(village) == [(one, user) for one in ids]
        await village.conn.execute(
            b"UPDATE reject SET replayed_at = now(), replay_result = CASE WHEN id = %s"
            b" THEN 'refused: E3102' ELSE 'stored' END WHERE id = ANY(%s)",
            (ids[0], ids),
        )
        await expect(alike.get_by_text("Stored")).to_have_count(2)
        await expect(alike.get_by_text("Still refused")).to_have_count(1)
        audit = await village.row(
            "SELECT detail->'count' AS n FROM audit WHERE action = 'rejects_replayed'"
            " AND staff_id = %s",
            lead,
        )
        assert audit == {"n": 3}
        assert await tab.page.evaluate(_FAULTS) == []
        assert await tab.all_problems() == []


async def _asked(village: Village) -> list[tuple[int, str]]:
    cursor = await village.conn.execute(
        b"SELECT id, replay_asked_by FROM reject WHERE replay_asked_at IS NOT NULL"
        b" AND node_id = %s ORDER BY id",
        (village.node,),
    )
    return [(int(row[0]), str(row[1])) for row in await cursor.fetchall()]


async def test_a_strangers_refusal_is_not_there(village: Village) -> None:
    """Another team sees neither the line nor the page; broken text and CBOR are shown safely."""
    theirs = await refused(village)
    area = await village.factory.area("别村")
    stranger, _ = await village.factory.staff(await village.factory.team(area))
    async with village.tab(await village.signed_in(stranger)) as tab:
        await tab.go("/rejects")
        await expect(tab.page.get_by_text("没有符合的拒收消息")).to_be_visible()
        answer = await tab.page.goto(f"{village.url}/rejects/{theirs}")
        assert answer is not None
        assert answer.status == 404
    broken = await refused(
        village, code="E2001", path="", reason="byte 7: x", payload=b'{"v":0,\xff\x00<script>'
    )
    packed = await refused(
        village, path="/ser/0/k", payload=bytes.fromhex("a16373657281a1616b6168")
    )  # {"ser": [{"k": "h"}]}
    async with village.tab(await village.signed_in(), PHONE) as tab:
        await tab.go(f"/rejects/{broken}")
        await expect(tab.page.locator("mark")).to_contain_text("\\xff")
        await tab.go(f"/rejects/{packed}")
        await expect(tab.page.locator("mark")).to_have_text('"h"')
        await expect(tab.page.get_by_text("CBOR")).to_be_visible()
        assert await tab.page.evaluate(_FAULTS) == []
        assert await tab.all_problems() == []


async def test_what_is_deprecated_is_shown_by_firmware(village: Village) -> None:
    """Not there while there is nothing; then it appears by itself, in both languages."""
    title = "即将停用的写法"
    lead, _ = await village.factory.staff(village.team, role="lead", locale="en")
    async with village.tab(await village.signed_in(), TABLET) as tab:
        await tab.go("/rejects")
        await expect(tab.page.get_by_text("没有符合的拒收消息")).to_be_visible()
        panel = tab.page.get_by_role("region", name=title)
        await expect(panel).to_have_count(0)
        seen = Seen(times=4, first_at=village.factory.now, last_at=village.factory.now)
        await deprecation.note(village.conn, [(deprecated(village, "2.4.1"), seen)])
        await deprecation.note(village.conn, [(deprecated(village, "2.5.0"), seen)])
        await expect(panel.get_by_role("row")).to_have_count(5)
        await expect(panel).to_contain_text("Acme 康泰 G2 · 固件 2.4.1")
        await expect(panel).to_contain_text("unit 1 of steps is deprecated: use {steps}")
        await expect(panel).to_contain_text("W1001 /ser/*/u")
        assert await tab.page.evaluate(_FAULTS) == []
        assert await tab.all_problems() == []
    async with village.tab(await village.signed_in(lead), PHONE) as tab:
        await tab.go(f"/rejects?node={village.node}")
        panel = tab.page.get_by_role("region", name="Deprecated")
        await expect(panel).to_contain_text("Firmware 2.5.0")
        assert await tab.page.evaluate(_FAULTS) == []
        await panel.get_by_role("link").first.click()
        await tab.page.wait_for_url(f"**/nodes/{village.node}")
        assert await tab.all_problems() == []


def deprecated(village: Village, firmware: str) -> Use:
    """What a pedometer of the village still sends."""
    return Use(
        node_id=village.node,
        maker="Acme 康泰",
        model="G2",
        firmware=firmware,
        code="W1001",
        place="/ser/*/u",
        detail="unit 1 of steps is deprecated: use {steps}",
    )
