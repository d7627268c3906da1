"""The settings a hub may give a device: the dictionary behind `dn/config` and `up/config`. Pure.

`SETTINGS[key]` says what a setting means, what it may be and what holds without it. The set of a
revision is whole: a setting it does not name falls back to its default. The hub refuses what
`check` refuses; a device works by `settle` and reports the outcome.
"""

import json
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from msgspec import Struct

from contract.errors import MAX_GOT
from contract.pointer import pointer
from contract.uplinks import ConfigError
from contract.vitals import Names

__all__ = ["DEFAULTS", "SETTINGS", "Checked", "ConfigError", "Setting", "check", "read", "settle"]

# Settings of one maker begin so; only that maker's device can check them.
EXPERIMENTAL: Final = "x_"
MOST_SETTINGS: Final = 64
_KEY: Final = re.compile(r"x_[a-z0-9_]{1,60}")
_LONGEST: Final = 512
_LARGEST: Final = 2**53


class Setting(Struct, frozen=True, kw_only=True):
    """One setting. Bounds are included; `choices` names every text allowed; `pattern` its form.

    `default` holds where the configuration does not name the setting; None is the device's own.
    """

    key: str
    type: Literal["integer", "text"]
    meaning: Names
    default: int | str | None = None
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    unit: str = ""

    @property
    def allowed(self) -> str:
        """What it may be, in words, as in `expected a whole number from 0 to 100`."""
        if self.type == "integer":
            return f"a whole number from {self.least} to {self.most}"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return "2 to 20 characters of digits, spaces, + and -"

    def takes(self, value: Any) -> bool:
        """Whether the value may be set."""
        if self.type == "integer":
            whole = isinstance(value, int) and not isinstance(value, bool)
            return whole and (self.least or 0) <= value <= (self.most or 0)
        if not isinstance(value, str):
            return False
        if self.choices:
            return value in self.choices
        return self.pattern is None or re.fullmatch(self.pattern, value) is not None


class Checked(Struct, frozen=True):
    """What holds of a wanted configuration, and why the rest does not."""

    applied: dict[str, Any]
    errors: list[ConfigError]


_ALL: Final = (
    Setting(
        key="dev",
        type="integer",
        default=0,
        least=0,
        most=1,
        meaning=Names(
            "开发者模式：为 1 时，中心在 24 小时内通过 fb 回显每条已接收的消息",
            "Developer mode: while 1, the hub echoes every message it took on fb, for 24 hours",
        ),
    ),
    Setting(
        key="enc",
        type="text",
        default="json",
        choices=("json", "cbor"),
        meaning=Names("设备发送消息所用的编码", "The encoding the device sends in"),
    ),
    Setting(
        key="lang",
        type="text",
        default="zh-CN",
        choices=("zh-CN", "en"),
        meaning=Names("屏幕和语音的语言", "The language of screen and voice"),
    ),
    Setting(
        key="volume",
        type="integer",
        default=70,
        least=0,
        most=100,
        unit="%",
        meaning=Names("提醒和语音的音量", "How loud reminders and voice are"),
    ),
    Setting(
        key="help_number",
        type="text",
        default="120",
        pattern=r"[0-9 +-]{2,20}",
        meaning=Names(
            "无人应答时设备提示拨打的电话号码",
            "The telephone number the device names when nobody answers",
        ),
    ),
    Setting(
        key="batch_s",
        type="integer",
        default=5,
        least=1,
        most=60,
        unit="s",
        meaning=Names(
            "连续测量值合并发送的时间间隔",
            "How long continuous measurements are gathered before they are sent",
        ),
    ),
    Setting(
        key="sys_limit",
        type="integer",
        default=180,
        least=100,
        most=200,
        unit="mm[Hg]",
        meaning=Names(
            "联系不上中心时，设备自行提示就医的收缩压下限",
            "The systolic pressure from which the device itself gives advice when the hub is away",
        ),
    ),
    Setting(
        key="dia_limit",
        type="integer",
        default=110,
        least=60,
        most=130,
        unit="mm[Hg]",
        meaning=Names(
            "联系不上中心时，设备自行提示就医的舒张压下限",
            "The diastolic pressure from which the device itself gives advice when the hub is away",
        ),
    ),
)
SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType({each.key: each for each in _ALL})
DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType({each.key: each.default for each in _ALL})


def check(wanted: Mapping[str, Any], *, experimental: bool = False) -> Checked:
    """Take what may be set; every other setting becomes an error with a JSON pointer to it.

    `experimental` lets `x_…` settings through (the hub does; a device knows its own).
    """
    applied: dict[str, Any] = {}
    errors: list[ConfigError] = []
    for at, (key, value) in enumerate(wanted.items()):
        wrong = _too_many(at) or _wrong(key, value, experimental)
        if wrong is None:
            applied[key] = value
        else:
            errors.append(ConfigError(path=_place(key), msg=wrong))
    return Checked(applied, errors[: MOST_SETTINGS + 1])


def settle(
    wanted: Mapping[str, Any],
    standing: Mapping[str, Any],
    own: Mapping[str, Any] = DEFAULTS,
) -> Checked:
    """What a device works with after `wanted`: `standing` is what it worked with before.

    A setting not named falls back to the device's `own` value; a refused one keeps its standing.
    """
    checked = check(wanted)
    kept = {key: standing[key] for key in SETTINGS if key in wanted and key in standing}
    return Checked({**DEFAULTS, **own, **kept, **checked.applied}, checked.errors)


def read(key: str, text: str) -> Any:
    """A setting's value as typed by a person; what cannot be read stays text, for `check`."""
    setting = SETTINGS.get(key)
    if setting is not None and setting.type == "text":
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _too_many(at: int) -> str | None:
    return None if at < MOST_SETTINGS else f"at most {MOST_SETTINGS} settings"


def _wrong(key: str, value: Any, experimental: bool) -> str | None:
    if experimental and key.startswith(EXPERIMENTAL):
        return _wrong_experimental(key, value)
    setting = SETTINGS.get(key)
    if setting is None:
        return f"unknown setting {_shown(key)}; known: {', '.join(SETTINGS)}"
    if setting.takes(value):
        return None
    return f"{key}: expected {setting.allowed}, got {_shown(value)}"


def _wrong_experimental(key: str, value: Any) -> str | None:
    if not _KEY.fullmatch(key):
        return f"{_shown(key)}: after x_ expected 1 to 60 of a-z, 0-9 and _"
    if isinstance(value, str):
        short = len(value) <= _LONGEST and "\0" not in value
        return None if short else f"{key}: expected at most {_LONGEST} characters, none of them NUL"
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) <= _LARGEST:
        return None
    return f"{key}: expected a text, a number, true or false, got {_shown(value)}"


def _place(key: str) -> str:
    return pointer([key[: _LONGEST // 4]])


def _shown(value: Any) -> str:
    """The value as JSON, cut to a readable length."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= MAX_GOT else text[: MAX_GOT - 1] + "…"
