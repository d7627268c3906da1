"""The error codes, read once from `errors.yaml`, and what is raised or returned with them."""

from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from contract.read_yaml import read_yaml

MAX_GOT: Final = 64
MAX_PATH: Final = 512


class Wording(Struct, frozen=True):
    """What a code means and what to do about it, in one language."""

    meaning: str
    hint: str


class ErrorDef(Struct, frozen=True, kw_only=True):
    """One code. `retry` False: the device must drop what it sent."""

    code: str
    name: str
    retry: bool
    en: Wording
    zh: Wording

    @property
    def doc(self) -> str:
        """Where the documentation explains it, as sent in `doc`."""
        return f"errors#{self.code}"

    @property
    def warning(self) -> bool:
        """The data was kept."""
        return self.code.startswith("W")


def parse(text: str) -> Mapping[str, ErrorDef]:
    """Read the table; raises ValueError on a code or name used twice."""
    raw: list[dict[str, Any]] = read_yaml(text)
    defs = [
        ErrorDef(
            code=item["code"],
            name=item["name"],
            retry=item["retry"],
            en=Wording(**item["en"]),
            zh=Wording(**item["zh"]),
        )
        for item in raw
    ]
    if len({item.code for item in defs}) < len(defs) or len({i.name for i in defs}) < len(defs):
        raise ValueError("a code or a name is used twice")
    return MappingProxyType({item.code: item for item in defs})


ERRORS: Final = parse(
    resources.files("contract").joinpath("errors.yaml").read_text(encoding="utf-8")
)


class Defect(Struct, frozen=True, kw_only=True):
    """What is wrong with one place of one message, ready for feedback and for the reject table.

    `path` is a JSON pointer ("" is the whole payload), `got` the offending value cut to 64
    characters, `msg` what was expected here, `hint` what to do (English; Chinese in `ERRORS`).
    """

    code: str
    name: str
    path: str
    got: str | None
    msg: str
    hint: str
    retry: bool


def defect(code: str, path: str, msg: str | None = None, got: str | None = None) -> Defect:
    """A defect of a known code; without `msg` it says the meaning of the code."""
    known = ERRORS[code]
    return Defect(
        code=code,
        name=known.name,
        path=path[:MAX_PATH],
        got=None if got is None else shorten(got),
        msg=msg if msg is not None else known.en.meaning,
        hint=known.en.hint,
        retry=known.retry,
    )


def shorten(text: str) -> str:
    """At most 64 characters; an ellipsis shows that something was cut."""
    return text if len(text) <= MAX_GOT else text[: MAX_GOT - 1] + "…"


class Refused(Exception):  # noqa: N818  it is raised for what happened to the message
    """The whole message is refused, for the reason in `defect`."""

    def __init__(self, defect: Defect) -> None:
        super().__init__(f"{defect.code} {defect.name} at '{defect.path}': {defect.msg}")
        self.defect = defect


def refused(code: str, path: str = "", msg: str | None = None, got: str | None = None) -> Refused:
    """The exception to raise for a whole message."""
    return Refused(defect(code, path, msg, got))
