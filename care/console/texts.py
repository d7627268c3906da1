"""The console's words in Chinese and English: `Say(locale)("worklist.title")`.

`texts.yaml` is read and checked once at import: a missing language or a place in braces that
only one language has stops the program, not a doctor.
"""

from collections.abc import Mapping
from importlib import resources
from string import Formatter
from types import MappingProxyType
from typing import Final

from contract.read_yaml import read_yaml

LOCALES: Final = ("zh-CN", "en")


class TextError(ValueError):
    """`texts.yaml` is incomplete."""


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _read(raw: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, dict[str, str]]:
    texts = {}
    for group, entries in raw.items():
        for key, pair in entries.items():
            name = f"{group}.{key}"
            if set(pair) != {"zh", "en"} or not all(isinstance(t, str) for t in pair.values()):
                raise TextError(f"{name} needs a text in zh and in en")
            if _places(pair["zh"]) != _places(pair["en"]):
                raise TextError(f"{name} fills in different things in zh and in en")
            texts[name] = {"zh-CN": pair["zh"], "en": pair["en"]}
    return texts


TEXTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    _read(
        read_yaml(
            resources.files("care.console").joinpath("texts.yaml").read_text(encoding="utf-8")
        )
    )
)


class Say:
    """The texts in one language."""

    def __init__(self, locale: str) -> None:
        self.locale = locale if locale in LOCALES else "zh-CN"

    def __call__(self, key: str, **places: object) -> str:
        """The text of a key, filled in. Raises KeyError for a key that does not exist."""
        return TEXTS[key][self.locale].format(**places)

    def known(self, group: str, key: str | None, otherwise: str) -> str:
        """The text of `group.key` where there is one: words from devices may be new to us."""
        return self(f"{group}.{key}") if f"{group}.{key}" in TEXTS else otherwise

    @property
    def other(self) -> str:
        """The locale one press of the language switch leads to."""
        return "en" if self.locale == "zh-CN" else "zh-CN"
