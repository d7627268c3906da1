"""One reading on the patient's page: chosen between two values, given to whom it belongs."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.care.console.conftest import Village
from tests.care.console.test_browser_looks import _FAULTS
from tests.fixtures.fix_browser import PHONE, TABLET

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_of_two_values_one_is_chosen(village: Village) -> None:
    """Side by side; the chosen one holds, the other stays in the history; on a phone."""
    at = await village.pressure((148, 91, 70), at=village.factory.now - timedelta(hours=1))
    await village.conn.execute(
        b"INSERT INTO reading_conflict (device_id, kind, measured_at, ordinal, patient_id, v0, v1,"
        b" flags, node_id, boot, seq, received_at)"
        b" VALUES (%s, 'bp', %s, 0, %s, 158, 92, 0, %s, 1, 77, now())",
        (village.device, at, village.patient, village.node),
    )
    async with village.tab(await village.signed_in(), PHONE) as tab:
        await tab.go(f"/patients/{village.patient}")
        await tab.page.get_by_role("button", name="148/91").press("Enter")
        dialog = tab.page.get_by_role("dialog")
        await expect(dialog).to_contain_text("哪个是对的")
        await expect(dialog).to_contain_text("158/92")
        assert await tab.page.evaluate(_FAULTS) == []
        await dialog.get_by_role("button", name="以 158/92 为准").click()
        await tab.page.get_by_role("button", name="158/92").click()
        await expect(dialog).to_contain_text("王医生 · 此前或同时的数值 148/91")
        assert await tab.all_problems() == []


async def test_a_day_of_the_wrong_person_moves_with_two_presses(village: Village) -> None:
    """All of the device that day goes to the other; what is left stays; one press undoes it."""
    husband = await village.person("王建国")
    lead, _ = await village.factory.staff(village.team, role="nurse", locale="en")
    for n in range(3):
        await village.pressure((150 + n, 90, 70), at=village.factory.now - timedelta(seconds=n))
    await village.pressure((120, 80, 70), at=village.factory.now - timedelta(days=2))
    async with village.tab(await village.signed_in(lead), TABLET) as tab:
        await tab.go(f"/patients/{village.patient}")
        await tab.page.get_by_role("button", name="More about 151/90").click()
        dialog = tab.page.get_by_role("dialog")
        await dialog.get_by_text("Everything of this device that day").click()
        await dialog.get_by_role("button", name="Somebody else").click()
        dialog = tab.page.get_by_role("dialog", name="Whose readings are these?")
        await expect(dialog).to_contain_text("3 readings")
        await dialog.get_by_role("combobox").fill("王建国")
        await tab.page.get_by_role("option", name="王建国").click()
        await dialog.get_by_role("button", name="Give to them").click()
        await expect(tab.page.get_by_role("button", name="More about")).to_have_count(1)
        assert await owned(village, husband) == 3
        assert await tab.page.evaluate(_FAULTS) == []
        await tab.page.get_by_role("button", name="Undo").click()
        await expect(tab.page.get_by_role("button", name="More about")).to_have_count(4)
        assert await owned(village, husband) == 0
        assert await tab.all_problems() == []


async def owned(village: Village, patient_id: int) -> object:
    """How many readings are theirs."""
    row = await village.row("SELECT count(*) AS n FROM reading WHERE patient_id = %s", patient_id)
    return row["n"]
