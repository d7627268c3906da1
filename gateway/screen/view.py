"""What the screen shows, as data: the page draws it and decides nothing."""

from collections.abc import Mapping

from msgspec import Struct, field

Words = Mapping[str, str]


class Button(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to press: `do` is what is sent back, with `id` and `value`."""

    do: str
    label: Words
    id: str | None = None
    value: str | None = None
    look: str = "plain"  # main, plain or quiet


class Card(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one thing that is going on. `tone` is calm, care (amber) or grave (red)."""

    kind: str
    title: Words
    text: Words = field(default_factory=dict)
    note: Words = field(default_factory=dict)
    tone: str = "calm"
    id: str | None = None
    seconds_left: int | None = None
    buttons: list[Button] = field(default_factory=list)


class LastReading(Struct, frozen=True, kw_only=True):
    """The last blood pressure, mmHg and beats a minute, and whether the hub has it."""

    sys: float
    dia: float
    pr: float | None
    at: int
    sentence: Words


class Utterance(Struct, frozen=True):
    """What was said last; the number grows, so that it is spoken once."""

    number: int
    text: Words


class View(Struct, frozen=True, kw_only=True):
    """The whole screen."""

    language: str
    zone: str
    time_known: bool
    online: bool
    hub_ready: bool
    unsent: int
    cuff: str | None
    emergency_number: str
    call: Card | None
    card: Card | None
    last: LastReading | None
    next_dose_at: int | None
    measuring: bool
    utterance: Utterance | None
    volume: int
    browser_speaks: bool
