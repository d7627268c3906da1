"""The messages of HH/1 as frozen structs: the shapes on the wire, keys as on the wire.

Every time is UTC in whole milliseconds since 1970. Optional keys are None when absent and are
left out when encoded. Unknown keys are ignored (HH/1 3.3), unknown enum values survive as text.
What a shape cannot say (column lengths, ranges, units) is checked in `contract.observation`.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

Millis = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Text = Annotated[str, Meta(max_length=512)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Boot = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Small = Annotated[int, Meta(ge=0, le=2**31 - 1)]
# A device's own record number; the bits above it are the hub's (contract.observation).
Record = Annotated[int, Meta(ge=0, le=2**47 - 1)]
Percent = Annotated[int, Meta(ge=0, le=100)]
# A float field also takes JSON integers; the codec refuses NaN and Infinity by itself.
Value = float | None


class Wire(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of every message: frozen, absent keys left out."""


class Spoken(Struct, frozen=True, omit_defaults=False, kw_only=True):
    """Base of what devices act on: defaults are spelled out, so no device needs to know them."""


class Envelope(Wire, frozen=True, kw_only=True):
    """What every counted uplink carries (HH/1 3.3)."""

    v: Small
    boot: Boot
    seq: Count
    t: Millis | None = None
    clk: Text | None = None
    cerr: Count | None = None
    up: Count | None = None
    hist: Small | None = None
    rc: Small | None = None
    tp: Text | None = None


# --- up -----------------------------------------------------------------------------------


class GuidedSession(Wire, frozen=True, kw_only=True):
    """Ties the readings of one guided session together: reading `n` of `of`."""

    id: Text
    n: Small | None = None
    of: Small | None = None
    done: Small | None = None


class Series(Wire, frozen=True, kw_only=True):
    """One block of samples of one vital sign: `dt` or `o`, and `y` or `c` (HH/1 3.5)."""

    k: Text
    dev: Text | None = None
    u: Text | None = None
    dt: Annotated[int, Meta(gt=0, le=86_400_000)] | None = None
    o: list[Millis] | None = None
    y: list[Value] | None = None
    c: dict[Text, list[Value]] | None = None
    q: list[Percent | None] | None = None
    fl: list[Text] | None = None
    how: Text | None = None
    site: Text | None = None
    pos: Text | None = None
    who: Text | None = None
    ses: GuidedSession | None = None
    rec: Record | None = None
    fix: Small | None = None


class Obs(Envelope, frozen=True, kw_only=True):
    """A batch of measurements."""

    ser: list[Series]


class Wave(Envelope, frozen=True, kw_only=True):
    """One chunk of a waveform: `n` samples at `hz` of the channels `ch`, packed in `d` as `enc`.

    A sample's value is raw * sc + ofs in unit `u`. `ep` names the recording, `cs` numbers its
    chunks from 0, `last` closes it. In JSON `d` is base64.
    """

    k: Text
    dev: Text | None = None
    ch: list[Text]
    hz: Annotated[float, Meta(gt=0, le=100_000)]
    n: Small
    enc: Text
    sc: float = 1.0
    ofs: float = 0.0
    u: Text | None = None
    ep: Text
    cs: Small
    last: Small | None = None
    d: bytes


class SubDevice(Wire, frozen=True, kw_only=True):
    """A device behind the node, as birth declares it."""

    dev: Text
    type: Text = "other"
    maker: Text | None = None
    model: Text | None = None
    sn: Text | None = None
    udi: Text | None = None
    link: Text | None = None


class DeclaredSeries(Wire, frozen=True, kw_only=True):
    """A series the node says it will send."""

    k: Text
    dev: Text | None = None
    dt: Small | None = None


class Birth(Envelope, frozen=True, kw_only=True):
    """Retained description of a node: model, firmware, sub-devices, series, capabilities."""

    maker: Text
    model: Text
    hw: Text | None = None
    fw: Text | None = None
    spec: Text | None = None
    level: Text | None = None
    cap: dict[str, Any] = field(default_factory=dict)
    devs: list[SubDevice] = field(default_factory=list)
    ser: list[DeclaredSeries] = field(default_factory=list)


class State(Wire, frozen=True, kw_only=True):
    """Retained state and the will; not counted, ordered by `con`."""

    v: Small
    s: Text
    con: Count
    boot: Boot | None = None
    bat: Percent | None = None
    subs: dict[Text, Text] = field(default_factory=dict)
    plan: Count | None = None
    cfg: Count | None = None
    t: Millis | None = None


class Event(Envelope, frozen=True, kw_only=True, rename={"attempt": "try"}):
    """Something that happened: call_doctor, sos, fall, cancel, answer, device_fault, clock_step.

    `attempt` is the resend counter; its key on the wire is `try`.
    """

    id: Text | None = None
    type: Text
    sev: Text | None = None
    src: dict[str, Any] = field(default_factory=dict)
    ctx: dict[str, Any] = field(default_factory=dict)
    ref: Text | None = None
    who: Text | None = None
    cb: Text | None = None
    conf: float | None = None
    ms: Millis | None = None
    attempt: Small | None = None


class Acknowledgement(Wire, frozen=True, kw_only=True):
    """What became of one dose, reminder or plan: `st` at the instant `at`."""

    id: Text
    st: Text
    at: Millis | None = None
    by: Text | None = None
    who: Text | None = None
    conf: float | None = None
    why: Text | None = None


class Ack(Envelope, frozen=True, kw_only=True):
    """Several acknowledgements at once, also after being offline."""

    acks: list[Acknowledgement]


class Result(Envelope, frozen=True, kw_only=True):
    """The answer to a command: accepted, then ok, error, busy, unsupported or expired."""

    id: Text
    st: Text
    out: dict[str, Any] = field(default_factory=dict)
    ses: Text | None = None
    msg: Text | None = None


class TimeRequest(Wire, frozen=True, kw_only=True):
    """A device asks for the time: `t1` is its own clock."""

    t1: Millis


# --- dn -----------------------------------------------------------------------------------


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
    """What the hub says back: a receipt, the progress of an event, or a reject with its reason."""

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
