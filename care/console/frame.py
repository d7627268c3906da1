"""The frame of every page: header, navigation, language, and the part that stays fresh."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from nicegui import Client, background_tasks, ui
from psycopg import Error

from care import measured
from care.console import words
from care.console.assets import MARK
from care.console.pieces import element, hidden, label, link, submit
from care.console.visitor import Console, Visitor
from store import worklist

log = structlog.get_logger()

NAVIGATION: Final = (
    ("worklist", "/", "checklist"),
    ("patients", "/patients", "groups"),
    ("unassigned", "/unassigned", "help_outline"),
    ("claims", "/claims", "qr_code_scanner"),
    ("rejects", "/rejects", "report_gmailerrorred"),
)
# The clock on the wall of the console; the data itself says its patient's zone.
WALL_ZONE: Final = "Asia/Shanghai"
# A page is refreshed at most this often, and never before the browser has taken the last one.
BREATH_S: Final = 0.3
TAKEN_WITHIN_S: Final = 30.0
# A page that is not built by then becomes an error page: long lists on a busy machine take a while.
BUILT_WITHIN_S: Final = 15.0

Refresh = Callable[[], Awaitable[None]]


class Frame:
    """One open page. Build its content inside, then `keep_fresh`."""

    def __init__(self, console: Console, visitor: Visitor, client: Client) -> None:
        self.console = console
        self.visitor = visitor
        self.say = visitor.say
        self.client = client
        self.urgent = label("", "badge badge--high")
        self.freshness: ui.label | None = None
        self.fresh_at = console.now()

    def headline(self, title: str) -> None:
        """The page's own title, with how fresh it is beside it."""
        with element("div", "headline"):
            label(title, tag="h1")
            self.freshness = label("", "freshness")

    def keep_fresh(self, topics: Collection[str], refresh: Refresh) -> None:
        """Run `refresh` now and whenever one of the topics changes, as long as the page is open."""
        task = background_tasks.create(
            self._loop({*topics, "episode"}, refresh), name="console page", context=self.client
        )

        def stop() -> None:
            task.cancel()

        self.client.on_delete(stop)

    async def _loop(self, topics: Collection[str], refresh: Refresh) -> None:
        seen = -1
        with measured.open_page():
            while not self.client.is_deleted:
                await self.client.connected()
                seen = await self.console.live.news(topics, seen)
                await self.refresh_now(refresh)
                await self._taken()

    async def refresh_now(self, refresh: Refresh) -> None:
        """Refresh once; a failure is shown on the page, never left to look like fresh data."""
        try:
            async with self.console.transaction() as conn:
                if not await self.console.still_signed_in(conn, self.visitor):
                    ui.navigate.to("/sign-in")
                    return
                high = await worklist.urgent(
                    conn, staff_id=self.visitor.staff_id, now=self.console.now()
                )
            await refresh()
        except (Error, OSError) as problem:
            log.warning("page not refreshed", problem=type(problem).__name__)
            self._say_freshness("app.stale")
        except Exception:
            log.exception("page not refreshed")
            self._say_freshness("app.stale")
        else:
            self.urgent.set_text(str(high) if high else "")
            self.urgent.props["aria-label"] = self.say("app.urgent", n=high)
            self._say_freshness("app.live" if self.console.live.listening else "app.polling")

    def _say_freshness(self, key: str) -> None:
        if self.freshness is None:
            return
        if key == "app.stale":
            self.freshness.classes(add="freshness--stale")
        else:
            self.fresh_at = self.console.now()
            self.freshness.classes(remove="freshness--stale")
        time = self.fresh_at.astimezone(words.zone(WALL_ZONE)).strftime("%H:%M:%S")
        self.freshness.set_text(self.say(key, time=time))

    async def _taken(self) -> None:
        """Wait until the browser has taken what was sent: a slow one is never piled upon."""
        await asyncio.sleep(BREATH_S)
        try:
            await self.client.run_javascript("0", timeout=TAKEN_WITHIN_S)
        except TimeoutError:
            log.info("a browser is slow to take its page")


@contextmanager
def frame(console: Console, visitor: Visitor, *, current: str) -> Iterator[Frame]:
    """Everything around a page's content. `current` is the key of its place in NAVIGATION."""
    client = ui.context.client
    _speak(client, visitor.say.locale)
    ui.page_title(f"{visitor.say(f'nav.{current}')} · {visitor.say('app.short')}")
    with element("div", "shell"):
        page = _header(console, visitor, client, current)
        with element("main", "page") as main:
            yield page
    ui.skip_link(visitor.say("app.skip"), target=main)


def _speak(client: Client, locale: str) -> None:
    """Set the language of this one page: NiceGUI knows it only per route."""
    client.page = copy.copy(client.page)
    client.page.language = "zh-CN" if locale == "zh-CN" else "en-US"


def _header(console: Console, visitor: Visitor, client: Client, current: str) -> Frame:
    say = visitor.say
    with element("header", "top"):
        with link("/", "brand"):
            mark = element("img", "brand__mark")
            mark.props["src"] = MARK
            mark.props["alt"] = ""
            label(say("app.short"), "brand__name")
        with element("nav", "nav") as nav:
            nav.props["aria-label"] = say("nav.label")
            page = _navigation(console, visitor, client, current)
        with element("div", "account"):
            _language(say.other, visitor, client)
            person = visitor.person
            label(f"{person.display_name} · {say(f'role.{person.role}')}", "account__who")
            with element("form", "account__form") as form:
                form.props("method=post action=/sign-out")
                submit(say("app.sign_out"), "quiet")
    return page


def _navigation(console: Console, visitor: Visitor, client: Client, current: str) -> Frame:
    page: Frame | None = None
    for key, path, icon in NAVIGATION:
        with link(path, "nav__link") as entry:
            if key == current:
                entry.classes("nav__link--here").props("aria-current=page")
            ui.icon(icon).classes("nav__icon").props("aria-hidden=true")
            label(visitor.say(f"nav.{key}"), "nav__text")
            if key == "worklist":
                page = Frame(console, visitor, client)
    if page is None:
        raise LookupError("the navigation has no worklist")
    return page


def _language(other: str, visitor: Visitor, client: Client) -> None:
    with element("form", "account__form") as form:
        form.props("method=post action=/language")
        hidden("locale", other)
        hidden("back", client.request.url.path)
        button = submit(visitor.say("app.other_language"), "quiet")
        button.props["aria-label"] = visitor.say("app.other_language_label")
        button.props["lang"] = other
