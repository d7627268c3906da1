"""Stage: tell the maker why. Events are answered at once; defects are merged per code and place.

The first defect of a code at a place is told at once, further ones within ten seconds together,
counted in `n`; a node with very many different defects is told the rest per code. What was kept is
told as `ok` true: only a drop is a no. What is only deprecated is told once an hour. A node in
developer mode hears what became of everything, twice a second at most.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from contract import codec, messages, topics
from contract.errors import ERRORS, Defect
from contract.instants import to_millis
from ingest.echo import echo
from ingest.entry import Entry, Outcome
from ingest.mqtt_outbox import Outgoing
from ingest.rate import Buckets, Rate
from ingest.throttle import SLOW_DOWN, TOO_FAST
from runtime.clock import Clock

_WINDOWS: Final = 50_000
_PLACES_A_NODE: Final = 16
_DEPRECATED: Final = "W1"
_ECHOES: Final = Rate(2, 2)
_TO_WAIT: Final = frozenset({SLOW_DOWN, TOO_FAST})

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


def _share(place: _Place) -> tuple[str, bool]:
    """Whose places are counted: what is only deprecated takes no room from what is wrong."""
    return place.node, place.code.startswith(_DEPRECATED)


class _Window:
    """Defects of one code at one place from one node since the last word about them."""

    __slots__ = ("count", "last", "lasts_s", "noted_at", "opened_at")

    def __init__(self, opened_at: float, lasts_s: float) -> None:
        self.opened_at = self.noted_at = opened_at
        self.lasts_s = lasts_s
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
        deprecated_s: float = 3600.0,
    ) -> None:
        self._publish = publish
        self._clock = clock
        self._monotonic = monotonic
        self._merge_s = merge_s
        self._expiry_s = expiry_s
        self._deprecated_s = deprecated_s
        self._echoes = Buckets(_ECHOES, limit=_WINDOWS)
        self._windows: dict[_Place, _Window] = {}
        self._open: Counter[tuple[str, bool]] = Counter()

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
            if entry.echoed is not None:
                self._echo(entry.node, outcome)

    async def run(self) -> None:
        """Send what was merged when its time has come, until cancelled."""
        while True:
            await asyncio.sleep(self._merge_s / 10)
            self._flush()

    def _flush(self) -> None:
        now = self._monotonic()
        for place, window in list(self._windows.items()):
            if now - window.opened_at < window.lasts_s:
                continue
            if window.last is None:
                self._forget(place)
                continue
            self._send(place.node, _together(window.last, window.count, now - window.noted_at))
            window.opened_at, window.count, window.last = now, 0, None

    def _forget(self, place: _Place) -> None:
        del self._windows[place]
        mine = _share(place)
        self._open[mine] -= 1
        if not self._open[mine]:
            del self._open[mine]

    def _explain(self, node: str, reason: Defect, feedback: messages.Feedback) -> None:
        place = _Place(node, reason.code, reason.path or "")
        if place not in self._windows and self._open[_share(place)] >= _PLACES_A_NODE:
            place = _Place(node, reason.code, "")
        window = self._windows.get(place)
        if window is not None:
            window.count += 1
            window.last = feedback
            window.noted_at = self._monotonic()
            return
        deprecated = reason.code.startswith(_DEPRECATED)
        if len(self._windows) < _WINDOWS:
            lasts_s = self._deprecated_s if deprecated else self._merge_s
            self._windows[place] = _Window(self._monotonic(), lasts_s)
            self._open[_share(place)] += 1
        elif deprecated:
            return  # where it cannot be merged it can wait
        self._send(node, feedback)

    def _echo(self, node: str, outcome: Outcome) -> None:
        """What became of a message that was taken, wholly or in part, or was here before."""
        entry = outcome.entry
        refused = entry.defects and not entry.kept and entry.event is None
        if refused or entry.let_go or self._echoes.take(node, self._monotonic()):
            return
        self._send(
            node,
            messages.Feedback(
                v=0,
                t=self._now(),
                ok=True,
                ref=_reference(entry),
                st="stored" if outcome.fresh else "known",
                echo=echo(entry),
            ),
        )

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
            after=entry.after if reason.code in _TO_WAIT else None,
            n=1,
        )

    def _now(self) -> int:
        return to_millis(self._clock.now())


def _together(last: messages.Feedback, count: int, ago_s: float) -> messages.Feedback:
    """Many as one. What was to be waited for has become less meanwhile."""
    after = None if last.after is None else max(0, round(last.after - ago_s)) or None
    return msgspec.structs.replace(last, n=count, after=after)


def _reference(entry: Entry, *, event_id: str | None = None) -> messages.Reference:
    return messages.Reference(
        topic=None if event_id else entry.kind,
        id=event_id,
        boot=entry.boot,
        seq=entry.seq,
    )
