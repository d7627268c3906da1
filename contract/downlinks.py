"""What the hub says: everything below `hh/1/dn/{node}/`, and its own status."""

from typing import Any

from msgspec import field

from contract.wire import Boot, Count, Hex, Millis, Small, Spoken, Text, Wire


class PlanItem(Spoken, frozen=True, kw_only=True):
    """One reminder of a plan with its expanded occurrences `[instant ms, dose id]`."""

    rid: Text
    kind: Text = "med"
    occ: list[tuple[Millis, Text]]
    text: dict[str, Text]
    rrule: Text | None = None
    speak: bool = True
    win: tuple[Count, Count] = (900, 3600)
    snooze: tuple[Count, Count] = (600, 2)
    ack: bool = True
    prio: int = 2
    who: Text | None = None


class Plan(Spoken, frozen=True, kw_only=True, rename={"since": "from"}):
    """The retained reminder plan of a node; a lower `rev` than the stored one is ignored."""

    v: int
    rev: Count
    tz: Text
    since: Millis
    to: Millis
    exp: Millis
    items: list[PlanItem]


class Reminder(Spoken, frozen=True, kw_only=True):
    """An ad-hoc reminder: one item plus its id, instant and expiry."""

    v: int
    id: Text
    at: Millis
    exp: Millis
    text: dict[str, Text]
    kind: Text = "info"
    rid: Text | None = None
    speak: bool = True
    snooze: tuple[Count, Count] = (600, 2)
    ack: bool = True
    prio: int = 2
    who: Text | None = None


class Command(Spoken, frozen=True, kw_only=True):
    """One command, executed once per id, never after `exp`."""

    v: int
    id: Text
    op: Text
    args: dict[str, Any] = field(default_factory=dict)
    exp: Millis


class Config(Spoken, frozen=True, kw_only=True):
    """The retained configuration a node is to have; a lower `rev` is ignored."""

    v: int
    rev: Count
    set: dict[str, Any]


class Firmware(Spoken, frozen=True, kw_only=True):
    """A retained notice that firmware is there to fetch: the device checks size, hash, signature.

    `sig` is an Ed25519 signature, base64, over the bytes `ver + "\\n" + sha256`. `window` bounds
    the hours of the day, local, in which the device may restart: [from, to].
    """

    v: int
    ver: Text
    url: Text
    sha256: Hex
    size: Count
    sig: Text
    window: tuple[Small, Small] | None = None


class Receipt(Wire, frozen=True, kw_only=True):
    """Cumulative: every counted message of `boot` up to `upto`, and the ranges in `also`."""

    boot: Boot
    upto: int
    also: list[tuple[Count, Count]] = field(default_factory=list)


class Reference(Wire, frozen=True, kw_only=True):
    """Which message a feedback is about."""

    topic: Text | None = None
    id: Text | None = None
    boot: Boot | None = None
    seq: Count | None = None


class Feedback(Wire, frozen=True, kw_only=True):
    """What the hub says back: a receipt, the progress of an event, or a reject with its reason.

    `after` is in seconds. `echo` comes in developer mode only: lists of what was stored, by what
    it became, normalised.
    """

    v: int
    t: Millis
    ok: bool | None = None
    rcpt: Receipt | None = None
    ref: Reference | None = None
    st: Text | None = None
    who: Text | None = None
    say: dict[str, Text] | None = None
    code: Text | None = None
    name: Text | None = None
    path: Text | None = None
    got: Any = None
    msg: Text | None = None
    hint: Text | None = None
    doc: Text | None = None
    kept: int | None = None
    dropped: int | None = None
    retry: bool | None = None
    after: int | None = None
    n: int | None = None
    echo: Any = None


class TimeAnswer(Wire, frozen=True, kw_only=True):
    """The hub's answer: `t2` received, `t3` sent, on the hub's clock."""

    t1: Millis
    t2: Millis
    t3: Millis


class HubStatus(Wire, frozen=True, kw_only=True):
    """Retained: `ready`, `degraded` or `offline`, and the accepted minor versions."""

    s: Text
    spec: Text
    t: Millis | None = None
