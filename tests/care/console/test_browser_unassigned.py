"""The queue of what nobody owns, in a real browser: one press gives it, one takes it back."""

from datetime import datetime, timedelta

import pytest
from playwright.async_api import expect

from store import wave
from store.wave import ChunkRow
from tests.care.console.conftest import Village
from tests.care.console.test_browser_looks import _FAULTS
from tests.fixtures.fix_browser import PHONE, TABLET

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def shared(village: Village) -> int:
    """A cuff of two people, one of them with a history; who is not the village's patient."""
    husband = await village.person("王建国")
    await village.factory.conn.execute(
        b"UPDATE device_binding SET who = 'A' WHERE device_id = %s", (village.device,)
    )
    await village.factory.bind(village.device, husband, "B")
    for day in range(1, 6):
        await village.pressure((124, 78, 70), at=village.factory.now - timedelta(days=day))
    return husband


async def waits(village: Village, sys: int, minutes: int, who: str | None = None) -> None:
    """One reading nobody owns."""
    at = village.factory.now - timedelta(minutes=minutes)
    await village.factory.pressure(
        village.device, village.node, None, (sys, 95, 70), at=at, who=who
    )


async def owner(village: Village, sys: int) -> object:
    """Whose that reading is, and whether it was set aside."""
    row = await village.row(
        "SELECT patient_id, set_aside FROM reading WHERE device_id = %s AND v0 = %s",
        village.device,
        sys,
    )
    return row["patient_id"] or row["set_aside"]


async def test_one_press_gives_it_and_one_takes_it_back(village: Village) -> None:
    """Value, device, time, why, and whom it may be of with what is usual; by keyboard, on a
    phone; what somebody else did meanwhile is said, and the page follows."""
    husband = await shared(village)
    await waits(village, 168, 5)
    await waits(village, 171, 9, who="C")
    async with village.tab(await village.signed_in(), PHONE) as tab:
        await tab.go("/unassigned")
        card = tab.page.get_by_role("region", name="168/95")
        await expect(card).to_contain_text("多人共用，设备没说是谁")
        await expect(card).to_contain_text("堂屋网关 · BM 65 · cuff1")
        await expect(card).to_contain_text("平时 124/78（5 次）")
        other = tab.page.get_by_role("region", name="171/95")
        await expect(other).to_contain_text("使用者位未绑定")
        assert await tab.page.evaluate(_FAULTS) == []
        give = card.get_by_role("button", name="归于 王建国")
        await give.focus()
        await give.press("Enter")
        await expect(card).to_have_count(0)
        assert await owner(village, 168) == husband
        await tab.page.get_by_role("button", name="撤销").click()
        await expect(card).to_contain_text("由人放回")
        assert await owner(village, 168) is None
        assert await tab.page.evaluate(_FAULTS) == []
        await other.get_by_role("button", name="不是这里的人").click()
        await tab.page.get_by_role("dialog").get_by_role("button", name="访客").click()
        await expect(other).to_have_count(0)
        assert await owner(village, 171) == "visitor"
        assert await tab.all_problems() == []


async def test_many_at_once_and_a_slot_bound_meanwhile(village: Village) -> None:
    """Ticked readings go to one person together; what waits under a slot is offered from a day
    on, and nothing of it is given by itself."""
    husband = await shared(village)
    lead, _ = await village.factory.staff(village.team, role="lead", locale="en")
    for n in range(3):
        await waits(village, 150 + n, n)
    await waits(village, 180, 3 * 24 * 60 + 7, who="B")
    await waits(village, 181, 60, who="B")
    async with village.tab(await village.signed_in(lead), TABLET) as tab:
        await tab.go("/unassigned")
        for n in (0, 2):
            await tab.page.get_by_role("checkbox", name=f"Select 15{n}/95").click()
        bar = tab.page.get_by_role("region", name="2 selected")
        await bar.get_by_role("button", name="Give to 李秀英").click()
        await expect(tab.page.get_by_role("region", name="150/95")).to_have_count(0)
        assert [await owner(village, 150 + n) for n in range(3)] == [
            *(village.patient, None, village.patient),
        ]
        offers = tab.page.get_by_role("region", name="Slots bound meanwhile")
        await expect(offers).to_contain_text("slot B: 王建国 now. 2 waiting")
        yesterday = (village.factory.now - timedelta(days=1)).date().isoformat()
        await offers.get_by_label("From this day on").fill(yesterday)
        assert await tab.page.evaluate(_FAULTS) == []
        await offers.get_by_role("button", name="Give everything waiting under slot B").click()
        await expect(offers).to_contain_text("1 waiting")
        assert [await owner(village, sys) for sys in (180, 181)] == [None, husband]
        choose = tab.page.get_by_role("region", name="151/95")
        await choose.get_by_role("button", name="Choose somebody else").click()
        dialog = tab.page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Give to them").click()
        await expect(dialog).to_contain_text("Choose somebody first")
        await dialog.get_by_role("combobox").fill("王建国")
        await tab.page.get_by_role("option", name="王建国").click()
        await dialog.get_by_role("button", name="Give to them").click()
        await expect(choose).to_have_count(0)
        assert await owner(village, 151) == husband
        assert await tab.all_problems() == []


async def test_of_two_browsers_one_is_told(village: Village) -> None:
    """The reading is gone from the other page by itself; nothing is given twice."""
    husband = await shared(village)
    await waits(village, 168, 5)
    async with village.tab(await village.signed_in(), TABLET) as first:
        await first.go("/unassigned")
        card = first.page.get_by_role("region", name="168/95")
        await card.get_by_role("button", name="选择其他人").click()
        dialog = first.page.get_by_role("dialog", name="这些读数是谁的")
        await dialog.get_by_role("combobox").fill("李秀英")
        await first.page.get_by_role("option", name="李秀英").click()
        await village.conn.execute(
            b"UPDATE reading SET patient_id = %s WHERE device_id = %s AND v0 = 168",
            (husband, village.device),
        )
        await dialog.get_by_role("button", name="归于此人").click()
        await expect(first.page.get_by_text("没有改动")).to_be_visible()
        await village.conn.execute(b"SELECT pg_notify('console', 'reassignment')")
        await expect(card).to_have_count(0)
        assert await owner(village, 168) == husband


async def test_a_recording_of_nobody_is_given(village: Village) -> None:
    """A line with its device, time and length; whose it is is chosen; and taken back."""
    started = village.factory.now - timedelta(minutes=7)
    await wave.write(village.conn, [recorded(village, n, started) for n in range(2)])
    async with village.tab(await village.signed_in(), PHONE) as tab:
        await tab.go("/unassigned")
        part = tab.page.get_by_role("region", name="待认领的波形记录")
        await expect(part).to_contain_text("4 秒")
        assert await tab.page.evaluate(_FAULTS) == []
        await part.get_by_role("button").click()
        dialog = tab.page.get_by_role("dialog")
        await dialog.get_by_label("姓名").fill("李秀英")
        await tab.page.get_by_role("option", name="李秀英").click()
        await dialog.get_by_role("button", name="归于此人").click()
        await expect(part).to_have_count(0)
        owner = "SELECT DISTINCT patient_id FROM wave_chunk WHERE device_id = %s"
        assert (await village.row(owner, village.device))["patient_id"] == village.patient
        await tab.page.get_by_role("button", name="撤销").click()
        await expect(part).to_contain_text("4 秒")
        assert await tab.all_problems() == []


def recorded(village: Village, number: int, started: datetime) -> ChunkRow:
    """Two seconds of an ECG of nobody."""
    return ChunkRow(
        device_id=village.device,
        recording="rec1",
        chunk=number,
        kind="ecg",
        patient_id=None,
        started_at=started + timedelta(seconds=2 * number),
        hz=2.0,
        samples=4,
        channels=["I"],
        encoding="i16le",
        scale=0.005,
        zero=0.0,
        unit="mV",
        last=number == 1,
        data=bytes(8),
        clock="ntp",
        claimed_at=None,
        node_id=village.node,
        boot=1,
        seq=number,
        received_at=started,
    )
