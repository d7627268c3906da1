"""Which message travels where, and how: the table behind the topics, the schemas and AsyncAPI."""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from contract import messages

Direction = Literal["up", "dn", "hub", "claim"]
_DAY_S: Final = 86_400


class Channel(Struct, frozen=True, kw_only=True):
    """One topic with its message. `expiry_s` is the message expiry on MQTT 5; None is none.

    `counted` says how messages are told apart: `seq`, `rev`, `id`, `con`, or "" for not at all.
    `anchor` is where the page explains it, `target` how fast or how often.
    """

    direction: Direction
    kind: str
    message: type[msgspec.Struct]
    summary: str
    anchor: str
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    expiry_note: str = ""
    counted: str = "seq"
    target: str = ""

    @property
    def name(self) -> str:
        """The name in file names and in AsyncAPI: `up-obs`, `hub-status`."""
        return f"{self.direction}-{self.kind}"

    @property
    def title(self) -> str:
        """The name as the page writes it: `up/obs`."""
        return f"{self.direction}/{self.kind}"

    @property
    def topic(self) -> str:
        """The topic with its parameter."""
        if self.direction == "hub":
            return "hh/1/hub/status"
        parameter = "{serial}" if self.direction == "claim" else "{node}"
        return f"hh/1/{self.direction}/{parameter}/{self.kind}"

    @property
    def sent_by_device(self) -> bool:
        """The device publishes it; else it gets it."""
        return self.direction == "up" or self.name == "claim-req"


_UP: Final = (
    Channel(
        direction="up",
        kind="birth",
        message=messages.Birth,
        anchor="birth",
        summary="Who the device is, what is behind it, what it can do",
        retain=True,
        target="on change",
    ),
    Channel(
        direction="up",
        kind="state",
        message=messages.State,
        anchor="state",
        summary="Ready, sleeping, offline; and lost, as the will",
        retain=True,
        counted="con",
        target="will delay 30 s",
    ),
    Channel(
        direction="up",
        kind="obs",
        message=messages.Obs,
        anchor="obs-measurements",
        summary="A batch of measurements",
        target="a batch every 5 to 60 s; series that alarm within 5 s",
    ),
    Channel(
        direction="up",
        kind="wave",
        message=messages.Wave,
        anchor="wave",
        summary="One chunk of a waveform",
        target="chunks of 1 to 4 s",
    ),
    Channel(
        direction="up",
        kind="event",
        message=messages.Event,
        anchor="event",
        summary="Something happened: a call for help, a fall, its withdrawal",
        target="receipt within 2 s, else again",
    ),
    Channel(
        direction="up",
        kind="ack",
        message=messages.Ack,
        anchor="ack",
        summary="What became of doses, reminders and plans",
        expiry_s=7 * _DAY_S,
        expiry_note="7 d",
    ),
    Channel(
        direction="up",
        kind="res",
        message=messages.Result,
        anchor="cmd-and-res",
        summary="The answer to a command",
        expiry_s=3600,
        expiry_note="1 h",
        target="accepted within 5 s",
    ),
    Channel(
        direction="up",
        kind="config",
        message=messages.ConfigReport,
        anchor="config",
        summary="Which configuration is in force, and what was refused",
        retain=True,
    ),
    Channel(
        direction="up",
        kind="diag",
        message=messages.Diag,
        anchor="diag",
        summary="Metrics and log lines; may be lost",
        qos=0,
        expiry_s=60,
        expiry_note="60 s",
        counted="",
    ),
    Channel(
        direction="up",
        kind="time",
        message=messages.TimeRequest,
        anchor="time-request",
        summary="A request for the time",
        qos=0,
        expiry_s=10,
        expiry_note="10 s",
        counted="",
    ),
)

_DOWN: Final = (
    Channel(
        direction="dn",
        kind="plan",
        message=messages.Plan,
        anchor="plan",
        summary="The reminder plan with its expanded occurrences",
        retain=True,
        expiry_s=7 * _DAY_S,
        expiry_note="at `exp`",
        counted="rev",
        target="at least 14 days ahead, renewed daily",
    ),
    Channel(
        direction="dn",
        kind="reminder",
        message=messages.Reminder,
        anchor="reminder",
        summary="One reminder outside the plan",
        expiry_s=3600,
        expiry_note="at `exp`",
        counted="id",
    ),
    Channel(
        direction="dn",
        kind="cmd",
        message=messages.Command,
        anchor="cmd-and-res",
        summary="One command",
        expiry_s=30,
        expiry_note="at `exp`, 30 s unless said",
        counted="id",
    ),
    Channel(
        direction="dn",
        kind="config",
        message=messages.Config,
        anchor="config",
        summary="The configuration wanted",
        retain=True,
        counted="rev",
    ),
    Channel(
        direction="dn",
        kind="fw",
        message=messages.Firmware,
        anchor="fw",
        summary="A notice that firmware is there to fetch",
        retain=True,
        expiry_s=30 * _DAY_S,
        expiry_note="30 d",
        counted="ver",
    ),
    Channel(
        direction="dn",
        kind="time",
        message=messages.TimeAnswer,
        anchor="time-request",
        summary="The answer with the hub's time",
        qos=0,
        expiry_s=10,
        expiry_note="10 s",
        counted="",
    ),
    Channel(
        direction="dn",
        kind="fb",
        message=messages.Feedback,
        anchor="feedback",
        summary="Receipts, refusals with their reason, progress of events, throttling",
        expiry_s=3600,
        expiry_note="1 h",
        counted="",
    ),
)

_OTHER: Final = (
    Channel(
        direction="hub",
        kind="status",
        message=messages.HubStatus,
        anchor="hub-status",
        summary="The state of the hub",
        retain=True,
        counted="",
        target="will `offline`, delay 10 s",
    ),
    Channel(
        direction="claim",
        kind="req",
        message=messages.ClaimRequest,
        anchor="claim",
        summary="A unit asks to become a node",
        counted="",
    ),
    Channel(
        direction="claim",
        kind="res",
        message=messages.ClaimAnswer,
        anchor="claim",
        summary="The hub's answer: a nonce, the credentials, or why not",
        counted="",
    ),
)

CHANNELS: Final = (*_UP, *_DOWN, *_OTHER)
BY_TITLE: Final = {channel.title: channel for channel in CHANNELS}
