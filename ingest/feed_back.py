"""Stage: tell the maker why. Events are answered at once; defects are merged per code and place.

The first defect of a code at a place is told at once, further ones within ten seconds together,
counted in `n`; a node with very many different defects is told the rest per code. What was kept is
told as `ok` true: only a drop is a no.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from contract import codec, messages, topics
from contract.errors import ERRORS, Defect
from contract.instants import to_millis
from ingest.entry import Entry, Outcome
from ingest.mqtt_outbox import Outgoing
from runtime.clock import Clock

_WINDOWS: Final = 50_000
_PLACES_A_NODE: Final = 16

# What a person hears the moment the call has arrived: calm, and no promise the hub cannot keep.
_CALL: Final = {
    "zh-CN": "已收到您的呼叫，正在通知医生。",
    "en": "Your call has arrived. We are telling your doctor.",
}
_FALL: Final = {
    "zh-CN": "已收到跌倒提醒，正在通知医生。",
    "en": "The fall was reported. We are telling your doctor.",
}
_CANCEL: Final = {"zh-CN": "已收到取消。", "en": "The cancellation has arrived."}
_SAY: Final[Mapping[str, dict[str, str]]] = {
    "call_doctor": _CALL,
    "sos": _CALL,
    "fall": _FALL,
    "cancel": _CANCEL,
}


class _Place(NamedTuple):
    """What is merged: a code at a path, from one node."""

    node: str
    code: str
    path: str


class _Window:
    """Defects of one code at one place from one node since the last word about them."""

    __slots__ = ("count", "last", "opened_at")

    def __init__(self, opened_at: float) -> None:
        self.opened_at = opened_at
        self.count = 0
        self.last: messages.Feedback | None = None


class FeedBack:
    """Says what became of messages, sparingly."""

    def __init__(
        self,
        publish: Callable[[Outgoing], None],
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        merge_s: float,
        expiry_s: int,
    ) -> None:
        self._publish = publish
        self._clock = clock
        self._monotonic = monotonic
        self._merge_s = merge_s
        self._expiry_s = expiry_s
        self._windows: dict[_Place, _Window] = {}
        self._open: Counter[str] = Counter()

    def say(self, outcomes: Iterable[Outcome]) -> None:
        """After the commit: events accepted, defects and warnings explained."""
        for outcome in outcomes:
            entry = outcome.entry
            if entry.node is None:
                continue
            if entry.event is not None:
                self._send(entry.node, self._accepted(entry))
            for reason in (*entry.defects, *outcome.warnings):
                self._explain(entry.node, reason, self._reject(entry, reason))

    async def run(self) -> None:
        """Send what was merged when its time has come, until cancelled."""
        while True:
            await asyncio.sleep(self._merge_s / 10)
            self._flush()

    def _flush(self) -> None:
        now = self._monotonic()
        for place, window in list(self._windows.items()):
            if now - window.opened_at < self._merge_s:
                continue
            if window.last is None:
                self._forget(place)
                continue
            self._send(place.node, msgspec.structs.replace(window.last, n=window.count))
            window.opened_at, window.count, window.last = now, 0, None

    def _forget(self, place: _Place) -> None:
        del self._windows[place]
        self._open[place.node] -= 1
        if not self._open[place.node]:
            del self._open[place.node]

    def _explain(self, node: str, reason: Defect, feedback: messages.Feedback) -> None:
        place = _Place(node, reason.code, reason.path or "")
        if place not in self._windows and self._open[node] >= _PLACES_A_NODE:
            place = _Place(node, reason.code, "")
        window = self._windows.get(place)
        if window is not None:
            window.count += 1
            window.last = feedback
            return
        if len(self._windows) < _WINDOWS:
            self._windows[place] = _Window(self._monotonic())
            self._open[node] += 1
        self._send(node, feedback)

    def _send(self, node: str, feedback: messages.Feedback) -> None:
        payload = codec.encode(feedback)
        self._publish(Outgoing(topics.dn(node, "fb"), payload, expiry_s=self._expiry_s))

    def _accepted(self, entry: Entry) -> messages.Feedback:
        event = entry.event
        assert event is not None  # noqa: S101 - narrows the type; the caller looked
        return messages.Feedback(
            v=0,
            t=self._now(),
            ok=True,
            ref=_reference(entry, event_id=event.event_id),
            st="accepted",
            say=_SAY.get(event.type),
        )

    def _reject(self, entry: Entry, reason: Defect) -> messages.Feedback:
        measured = entry.kept + entry.dropped > 0
        return messages.Feedback(
            v=0,
            t=self._now(),
            ok=ERRORS[reason.code].warning or (entry.event is not None),
            ref=_reference(entry),
            code=reason.code,
            name=reason.name,
            path=reason.path,
            got=reason.got,
            msg=reason.msg,
            hint=reason.hint,
            doc=ERRORS[reason.code].doc,
            kept=entry.kept if measured else None,
            dropped=entry.dropped if measured else None,
            retry=reason.retry,
            n=1,
        )

    def _now(self) -> int:
        return to_millis(self._clock.now())


def _reference(entry: Entry, *, event_id: str | None = None) -> messages.Reference:
    return messages.Reference(
        topic=None if event_id else entry.kind,
        id=event_id,
        boot=entry.key.boot if entry.key else None,
        seq=entry.key.seq if entry.key else None,
    )
