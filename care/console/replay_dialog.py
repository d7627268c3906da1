"""Having refused messages taken again: what will happen, and then it is asked for."""

from datetime import datetime

from care.console.deeds import DeedRefused, Note, do
from care.console.frame import Frame, Refresh
from care.console.pieces import button, dialog_card, element, label
from store import reject_query
from store.pool import Connection
from store.reject_query import RejectPage


class ReplayDialog:
    """Asks before it is done; `ids` are the refusals alike, the one of the page among them."""

    def __init__(self, page: Frame, one: RejectPage, done: Refresh) -> None:
        self.page, self.one, self.done = page, one, done
        self.ids: list[int] = []
        self._chosen: list[int] = []
        say = page.say
        with dialog_card(say("replay.ask")) as self.dialog:
            self.count = label("", "dialog__subject", tag="p")
            for key in ("what_stored", "what_late", "what_again", "what_device"):
                label(say(f"replay.{key}"), "dialog__lead", tag="p")
            with element("div", "dialog__buttons"):
                button(say("app.cancel"), "quiet", self.dialog.close)
                button(say("replay.do"), "main", self.confirm)

    def this(self) -> None:
        """Ask about the message of the page."""
        self._ask([self.one.id])

    def alike(self) -> None:
        """Ask about all messages refused for the same reason."""
        self._ask(list(self.ids))

    def _ask(self, ids: list[int]) -> None:
        self._chosen = ids
        self.count.set_text(self.page.say("replay.count", n=len(ids)))
        self.dialog.open()

    async def confirm(self) -> None:
        """Ask ingest to take them; what comes of it appears on the page by itself."""
        self.dialog.close()
        page, ids = self.page, self._chosen

        async def deed(conn: Connection, now: datetime) -> None:
            person = page.visitor.person
            asked = await reject_query.ask_replay(
                conn, ids=ids, staff_id=person.staff_id, by=person.user_name, now=now
            )
            if not asked:
                raise DeedRefused(page.say("replay.nobody"))

        note = Note(
            needs="manage_nodes",
            action="rejects_replayed",
            subject_kind="reject",
            subject_id=self.one.id,
            detail={"count": len(ids), "ids": ids},
        )
        await do(page, note, deed, said=page.say("replay.done"))
        await page.refresh_now(self.done)
