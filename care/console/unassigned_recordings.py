"""Recordings nobody owns yet: a line each, and whose it is with two presses."""

from datetime import datetime

from care.console import words
from care.console.assign_dialogs import AssignDialogs
from care.console.frame import Frame
from care.console.pieces import button, element, label
from store import reassign_query, recording
from store.pool import Connection
from store.recording import WaitingRecording


class RecordingsPart:
    """The lines; not there while there are none."""

    def __init__(self, page: Frame, dialogs: AssignDialogs) -> None:
        self.page, self.dialogs = page, dialogs
        self.shown: list[WaitingRecording] = []
        title = page.say("unassigned.recordings")
        with element("section", "panel") as self.panel:
            self.panel.props["aria-label"] = title
            label(title, tag="h2")
            self.body = element("div", "products")
        self.panel.set_visibility(False)

    async def refresh(self, conn: Connection, now: datetime) -> None:
        """Show what waits now; whether anything does."""
        found = await recording.waiting(conn, staff_id=self.page.visitor.staff_id)
        self.panel.set_visibility(bool(found))
        if found == self.shown:
            return
        self.shown = found
        self.body.clear()
        with self.body:
            for one in found:
                self._line(one, now)

    def _line(self, one: WaitingRecording, now: datetime) -> None:
        say = self.page.say
        said = say(
            "unassigned.recording",
            kind=words.kind_name(say, one.kind),
            device=" · ".join(p for p in (one.node_label or one.node_id, one.dev) if p),
            when=words.moment(say, one.started_at, one.time_zone, now),
            n=round((one.ended_at - one.started_at).total_seconds()),
        )

        async def whose() -> None:
            async with self.page.console.transaction() as conn:
                load = await reassign_query.of_recording(conn, one.device_id, one.recording)
            await self.dialogs.ask_whose(load)

        with element("div", "waiting__person"):
            label(said, tag="p")
            button(
                say("unassigned.recording_whose"),
                "second",
                whose,
                said=say("unassigned.recording_whose_said", what=said),
            )
