"""The commands of `dn/cmd`: what each is given, what the device does, what it answers."""

from typing import Any, Final, NamedTuple

_WHO: Final = {"type": "string", "description": "Profile slot of the person it is for."}
_BY_LANGUAGE: Final = {
    "type": "object",
    "description": "What to say, by language.",
    "additionalProperties": {"type": "string"},
}
_OPTIONS: Final = {
    "type": "array",
    "description": "The answers to choose from.",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "What is sent back as the answer."},
            "text": _BY_LANGUAGE,
        },
        "required": ["id", "text"],
    },
}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _whole(description: str, least: int = 0) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "description": description}


class Operation(NamedTuple):
    """One `op`: its arguments as JSON Schema, the required ones, and what the page says."""

    op: str
    args: dict[str, Any]
    required: tuple[str, ...]
    does: str
    answer: str

    @property
    def signature(self) -> str:
        """As the table writes it: `measure_now {k, rest_s?, who?}`."""
        keys = [key if key in self.required else f"{key}?" for key in self.args]
        return f"{self.op} {{{', '.join(keys)}}}" if keys else self.op


OPERATIONS: Final = (
    Operation(
        "measure_now",
        {"k": _text("The vital sign."), "rest_s": _whole("Seconds of rest before."), "who": _WHO},
        ("k",),
        "asks the person to measure, after `rest_s` seconds of rest; the person starts it",
        "`ok` with `ses`, the session it led to",
    ),
    Operation(
        "ask",
        {
            "qid": _text("The question's id."),
            "text": _BY_LANGUAGE,
            "options": _OPTIONS,
            "who": _WHO,
        },
        ("qid", "text", "options"),
        "asks a question on the screen",
        "`ok` with `out {qid, answer}`; without a screen `unsupported`",
    ),
    Operation("speak", {"text": _BY_LANGUAGE}, ("text",), "says something aloud", "`ok`"),
    Operation(
        "call",
        {"to": _text("Whom to call, in the device's own terms."), "who": _WHO},
        (),
        "starts a call to the team",
        "`ok` when it was answered",
    ),
    Operation(
        "resend",
        {
            "boot": _whole("The boot that is asked for."),
            "from": _whole("The first number."),
            "to": _whole("The last number."),
        },
        ("boot", "from", "to"),
        "sends stored messages again, with their own `boot` and `seq`",
        "`ok` with `out {sent:[[from,to]], gone:[[from,to]]}`",
    ),
    Operation(
        "selftest",
        {},
        (),
        "publishes on each of its topics with `rc` and waits for the receipts",
        "`ok` with `out {topics:{kind: true or false}}`",
    ),
    Operation("rebirth", {}, (), "publishes `birth` and `state` again", "`ok`"),
    Operation(
        "rotate",
        {
            "cert": {
                "type": "string",
                "maxLength": 8192,
                "description": "The new certificate, PEM.",
            },
            "ca": {"type": "string", "maxLength": 8192, "description": "The authority, PEM."},
            "pass": _text("The new password."),
        },
        (),
        "changes its credential, in two steps; see [rotation](#rotation)",
        "`ok`, in the first step with `out {csr}`",
    ),
    Operation("reboot", {}, (), "restarts", "`accepted` before, `ok` after, with the new `boot`"),
    Operation(
        "log",
        {"lvl": _text("The least level."), "n": _whole("How many lines.", 1)},
        (),
        "publishes the last lines of its log on `up/diag`",
        "`ok`",
    ),
)
