"""What devices say: everything below `hh/1/up/{node}/`. Shapes on the wire, keys as on the wire."""

from typing import Annotated, Any

from msgspec import Meta, field

from contract.wire import Boot, Count, Millis, Percent, Record, Small, Text, Value, Wire


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


class ConfigError(Wire, frozen=True, kw_only=True):
    """Why one setting was not taken: `path` is a JSON pointer into `set`."""

    path: Text
    msg: Text


class ConfigReport(Envelope, frozen=True, kw_only=True):
    """Retained: which revision of its configuration the device works with, and what it refused.

    `applied` holds the values in force; a setting named in `errors` kept its old value.
    """

    rev: Count
    applied: dict[str, Any] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)


class LogLine(Wire, frozen=True, kw_only=True):
    """One line of a device's log: `lvl` debug, info, warning or error."""

    t: Millis | None = None
    lvl: Text = "info"
    msg: Text


class Diag(Wire, frozen=True, kw_only=True):
    """Metrics and log lines of a device: lossy, not counted, never about a person."""

    v: Small
    boot: Boot | None = None
    t: Millis | None = None
    m: dict[Text, float | None] = field(default_factory=dict)
    log: list[LogLine] = field(default_factory=list)


class TimeRequest(Wire, frozen=True, kw_only=True):
    """A device asks for the time: `t1` is its own clock."""

    t1: Millis
