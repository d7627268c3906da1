"""What a device may be told to do (`op` of `dn/cmd`): arguments, answers, how long it holds. Pure.

Each asks, says or reports; none starts anything on a person's body: no inflate, no unlock, no
dispense. `OPERATIONS` is the table of the specification; `check` is what lets a command out.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from contract.pointer import pointer
from contract.topics import UP_KINDS
from contract.uplinks import ConfigError
from contract.vitals import VITALS, Names

_SHORT: Final = timedelta(seconds=30)
_HOUR: Final = timedelta(hours=1)
_LONGEST: Final = 512
_MOST_OPTIONS: Final = 8
_SLOT: Final = re.compile(r"[A-H]|r:[0-9a-z]{16}")
_DEVICE: Final = re.compile(r"[a-z0-9_-]{1,32}")
_NUMBER: Final = re.compile(r"[0-9 +-]{2,20}")
_LOCALES: Final = frozenset({"zh-CN", "en"})
_HIGHEST: Final = 2**53

_Test = Callable[[Any], bool]


class Argument(Struct, frozen=True, kw_only=True):
    """One argument of an operation; `form` says in words what it may be."""

    key: str
    form: str
    fits: _Test
    required: bool = False


class Operation(Struct, frozen=True, kw_only=True):
    """One operation. `answer` says what `out` of a final `ok` holds.

    `holds` is how long after it was asked for a device may still begin. `internal`: only the hub
    itself gives it, never a person.
    """

    op: str
    meaning: Names
    args: tuple[Argument, ...] = ()
    answer: str = "{}"
    holds: timedelta = _SHORT
    internal: bool = False


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and "\0" not in value


def _pem(value: Any) -> bool:
    return (
        isinstance(value, str) and value.startswith("-----BEGIN ") and len(value) <= 16 * _LONGEST
    )


def _texts(value: Any) -> bool:
    """One text, or the same in several languages."""
    if isinstance(value, dict):
        return bool(value) and value.keys() <= _LOCALES and all(map(_text, value.values()))
    return _text(value)


def _option(value: Any) -> bool:
    if isinstance(value, dict):
        return value.keys() == {"id", "text"} and _text(value["id"]) and _texts(value["text"])
    return _text(value)


def _options(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= _MOST_OPTIONS and all(map(_option, value))


def _whole(least: int, most: int) -> _Test:
    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    return fits


def _of(pattern: re.Pattern[str]) -> _Test:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


_SLOT_ARG: Final = Argument(key="who", form="a slot A to H, or r: and a pseudonym", fits=_of(_SLOT))
_TEXT_FORM: Final = 'a text, or {"zh-CN": text, "en": text}'

_ALL: Final = (
    Operation(
        op="measure_now",
        meaning=Names(
            "请本人测量一次；由本人启动，设备不会自行加压",
            "Ask the person to measure; the person starts it, nothing inflates by itself",
        ),
        args=(
            Argument(
                key="k", form=f"one of {', '.join(VITALS)} (bp without)", fits=VITALS.__contains__
            ),
            _SLOT_ARG,
            Argument(key="dev", form="the name of a sub-device", fits=_of(_DEVICE)),
            Argument(key="rest_s", form="seconds of rest, 0 to 300", fits=_whole(0, 300)),
        ),
        answer="{}; ses of the result names the session that was measured",
    ),
    Operation(
        op="ask",
        meaning=Names(
            "向本人提问；未回答即为未知，绝不当作“否”",
            "Ask the person a question; no answer is unknown, never no",
        ),
        args=(
            Argument(key="qid", form="the id of the question, a text", fits=_text, required=True),
            Argument(key="text", form=_TEXT_FORM, fits=_texts, required=True),
            Argument(
                key="options",
                form=f"1 to {_MOST_OPTIONS} answers, each a text or {{id, text}}",
                fits=_options,
                required=True,
            ),
            _SLOT_ARG,
        ),
        answer='{"qid", "answer"}: the id of the answer chosen',
    ),
    Operation(
        op="speak",
        meaning=Names("显示并朗读一句话", "Show and say a sentence"),
        args=(Argument(key="text", form=_TEXT_FORM, fits=_texts, required=True), _SLOT_ARG),
    ),
    Operation(
        op="call",
        meaning=Names(
            "请本人与医生团队通话；由本人接通",
            "Offer the person a call with the team; the person picks it up",
        ),
        args=(
            Argument(key="number", form="a telephone number", fits=_of(_NUMBER)),
            Argument(key="text", form=_TEXT_FORM, fits=_texts),
            _SLOT_ARG,
        ),
    ),
    Operation(
        op="resend",
        meaning=Names(
            "重新发送一段序号的消息；缺失的部分如实说明",
            "Send a range of messages again; say which of them are gone",
        ),
        args=(
            Argument(key="boot", form="0 to 4294967295", fits=_whole(0, 2**32 - 1), required=True),
            Argument(key="from", form="the first seq", fits=_whole(0, _HIGHEST), required=True),
            Argument(key="to", form="the last seq", fits=_whole(0, _HIGHEST), required=True),
        ),
        answer='{"sent": [[from, to]], "gone": [[from, to]]}',
        holds=_HOUR,
    ),
    Operation(
        op="selftest",
        meaning=Names(
            "在每个主题上发布并等待回执，以发现被拒的权限",
            "Publish on each topic and wait for receipts, to find rights that are missing",
        ),
        answer=f'{{"topics": {{kind: true or false}}}}, kinds of {", ".join(sorted(UP_KINDS))}',
        holds=_HOUR,
    ),
    Operation(
        op="rebirth",
        meaning=Names("重新发布 birth", "Publish the birth again"),
        holds=_HOUR,
    ),
    Operation(
        op="rotate",
        meaning=Names(
            "更换密钥或密码，新旧并存直到新的可用",
            "Change key or password, keeping the old one until the new one worked",
        ),
        args=(
            Argument(key="cert", form="a certificate, PEM", fits=_pem),
            Argument(key="ca", form="the authority's certificates, PEM", fits=_pem),
            Argument(key="pass", form="the new password", fits=_text),
        ),
        answer='{"csr": PEM} when asked without arguments, else {}',
        holds=_HOUR,
        internal=True,
    ),
    Operation(
        op="reboot",
        meaning=Names(
            "重新启动；正在测量或通话时回答 busy",
            "Restart; busy while somebody is measuring or calling",
        ),
    ),
    Operation(
        op="log",
        meaning=Names("通过 diag 发送最近的日志", "Send the latest log lines by diag"),
        args=(Argument(key="lines", form="1 to 200", fits=_whole(1, 200)),),
        answer='{"lines": how many were sent}',
        holds=_HOUR,
    ),
)
OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType({each.op: each for each in _ALL})
# What a device says of a command: `accepted` within 5 s, then one final word.
STATES: Final = ("accepted", "ok", "error", "busy", "unsupported", "expired")


def check(op: str, args: Mapping[str, Any]) -> list[ConfigError]:
    """What is wrong with a command's arguments, each with a JSON pointer into `args`.

    An unknown op is one error at the root.
    """
    known = OPERATIONS.get(op)
    if known is None:
        return [ConfigError(path="", msg=f"no such op; known: {', '.join(OPERATIONS)}")]
    forms = {each.key: each for each in known.args}
    errors = [
        ConfigError(path=pointer([key[:64]]), msg=_unknown(known))
        for key in args
        if key not in forms
    ]
    for key, form in forms.items():
        if key not in args and form.required:
            errors.append(ConfigError(path=pointer([key]), msg=f"missing: expected {form.form}"))
        elif key in args and not _fits(form, args[key]):
            errors.append(ConfigError(path=pointer([key]), msg=f"expected {form.form}"))
    return errors or _turned_round(args)


def read(op: str, key: str, text: str) -> Any:
    """An argument as typed by a person: JSON where that fits the argument, else the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    known = OPERATIONS.get(op)
    forms = {each.key: each for each in known.args} if known else {}
    return value if key not in forms or _fits(forms[key], value) else text


def _unknown(known: Operation) -> str:
    takes = ", ".join(each.key for each in known.args)
    return f"{known.op} takes {takes}" if takes else f"{known.op} takes no arguments"


def _fits(form: Argument, value: Any) -> bool:
    try:
        return form.fits(value)
    except TypeError:
        return False  # something that cannot even be looked up


def _turned_round(args: Mapping[str, Any]) -> list[ConfigError]:
    if "from" in args and "to" in args and args["from"] > args["to"]:
        return [ConfigError(path="/to", msg="expected at least from")]
    return []
