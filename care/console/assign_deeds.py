"""Deeds on readings: given, moved, set aside; the last one can be undone from a bar on the page."""

from datetime import datetime

from care.console.deeds import DeedRefused, do_noted
from care.console.frame import Frame, Refresh
from care.console.pieces import button, element, label
from care.people import assigning
from care.people.assigning import Actor, Move
from store import patient
from store.deed import Load
from store.pool import Connection
from store.refused import RefusedByRuleError


class AssignDeeds:
    """Carries deeds out and shows the bar; `done` brings the page up to date."""

    def __init__(self, page: Frame, done: Refresh) -> None:
        self.page, self.done = page, done
        self._last: int | None = None
        with element("div", "undo") as self.bar:
            self.bar.props("role=status aria-live=polite")
            self.text = label("", tag="span")
            button(page.say("unassigned.undo"), "second", self._undo)
        self.bar.set_visibility(False)

    async def act(self, move: Move, load: Load, said: str) -> bool:
        """Do it within the person's scope; whether it was done."""
        number: list[int] = []

        async def deed(conn: Connection, now: datetime) -> None:
            await self._see(conn, move)
            number.append(await self._carry_out(conn, move, load, now))

        done = await do_noted(
            self.page, "assign_reading", deed, said=said, action=f"readings_{move.what}"
        )
        self._remember(number[0] if done else None, said)
        await self.page.refresh_now(self.done)
        return done

    async def _carry_out(self, conn: Connection, move: Move, load: Load, now: datetime) -> int:
        try:
            return (await assigning.carry_out(conn, self._by(now), move, load)).id
        except RefusedByRuleError as error:
            raise DeedRefused(self.page.say("unassigned.gone")) from error

    async def _see(self, conn: Connection, move: Move) -> None:
        """Both patients are still in the person's scope."""
        for owner in (move.before.patient_id, move.after.patient_id):
            found = owner is None or await patient.find_visible(
                conn, patient_id=owner, staff_id=self.page.visitor.staff_id
            )
            if not found:
                raise DeedRefused(self.page.say("problem.not_allowed"))

    def _by(self, now: datetime) -> Actor:
        visitor = self.page.visitor
        return Actor(staff_id=visitor.staff_id, address=visitor.person.address, at=now)

    def _remember(self, number: int | None, said: str) -> None:
        self._last = number
        self.bar.set_visibility(number is not None)
        self.text.set_text(said)

    async def _undo(self) -> None:
        number = self._last
        if number is None:
            return
        say = self.page.say

        async def deed(conn: Connection, now: datetime) -> None:
            try:
                moved = await assigning.undo(conn, self._by(now), number)
            except RefusedByRuleError as error:
                raise DeedRefused(say("unassigned.gone")) from error
            if moved is None:
                raise DeedRefused(say("problem.not_allowed"))

        await do_noted(
            self.page, "assign_reading", deed, said=say("unassigned.undone"), action="undo"
        )
        self._remember(None, "")
        await self.page.refresh_now(self.done)
