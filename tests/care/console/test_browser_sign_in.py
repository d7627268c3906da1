"""Signing in, out, and being signed out, in a real browser."""

import httpx
import pytest
from playwright.async_api import expect

from tests.care.console.conftest import Village
from tests.fixtures.factories import PASSWORD
from tests.fixtures.fix_browser import Tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def _enter(tab: Tab, user: str, password: str) -> None:
    await tab.page.get_by_label("用户名").fill(user)
    await tab.page.get_by_label("密码").fill(password)
    await tab.page.get_by_role("button", name="登录").click()


async def test_a_doctor_signs_in_and_out(village: Village) -> None:
    """A page asks for a sign-in, leads back to itself, and signing out ends the session."""
    async with village.tab() as tab:
        await tab.go(f"/patients/{village.patient}")
        await expect(tab.page).to_have_url(
            f"{village.url}/sign-in?next=/patients/{village.patient}"
        )
        await _enter(tab, village.user, "not-the-password")
        await expect(tab.page.get_by_role("alert")).to_have_text("用户名或密码不正确")
        await tab.go(f"/sign-in?next=/patients/{village.patient}")
        await _enter(tab, village.user, PASSWORD)
        await expect(tab.page.get_by_role("heading", name="李秀英")).to_be_visible()
        cookie = next(c for c in await tab.page.context.cookies() if "session" in c["name"])
        assert cookie["httpOnly"]
        await tab.page.get_by_role("button", name="退出").click()
        await expect(tab.page).to_have_url(f"{village.url}/sign-in")
        await tab.page.context.add_cookies([cookie])
        await tab.go("/")
        await expect(tab.page).to_have_url(f"{village.url}/sign-in")
        # The browser itself says when an answer is 403: the wrong password.
        assert [p for p in await tab.all_problems() if "403" not in p] == []
    seen = await village.row(
        "SELECT count(*) AS n FROM audit WHERE staff_id = %s AND action = 'view'"
        " AND subject_kind = 'patient' AND subject_id = %s",
        village.doctor,
        str(village.patient),
    )
    assert seen["n"] == 1


async def test_guessing_is_slowed_down(village: Village) -> None:
    """After five wrong passwords even the right one has to wait, and the page says so."""
    async with httpx.AsyncClient(base_url=village.url, timeout=60.0) as client:
        for _ in range(5):
            form = {"user_name": village.user, "password": "wrong"}
            assert (await client.post("/sign-in", data=form)).status_code == 403
        form = {"user_name": village.user, "password": PASSWORD}
        answer = await client.post("/sign-in", data=form)
    assert answer.status_code == 403
    assert "尝试次数过多" in answer.text
    assert "hearthbeat_session" not in answer.cookies


async def test_an_ended_session_leaves_the_open_page(village: Village) -> None:
    """A page that stays open is led to the sign-in once its session has ended elsewhere."""
    async with village.tab(await village.signed_in()) as tab:
        await tab.go("/")
        await expect(tab.page.get_by_text("实时更新")).to_be_visible()
        await village.conn.execute(
            b"UPDATE sign_in_session SET ended_at = now() WHERE staff_id = %s", (village.doctor,)
        )
        await village.factory.episode(village.patient, village.team)
        await expect(tab.page).to_have_url(f"{village.url}/sign-in")


async def test_forms_of_other_sites_are_refused(village: Village) -> None:
    """A form sent from another site signs nobody in and leads nowhere else afterwards."""
    form = {"user_name": village.user, "password": PASSWORD}
    async with httpx.AsyncClient(base_url=village.url, timeout=60.0) as client:
        foreign = await client.post("/sign-in", data=form, headers={"Origin": "http://evil.test"})
        away = await client.post("/sign-in", data=form | {"next": "//evil.test/"})
    assert foreign.status_code == 403
    assert away.status_code == 303
    assert away.headers["location"] == "/"
