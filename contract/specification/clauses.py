"""The clauses of HH/1 and the checks that show them, read from `contract/clauses.yaml`."""

import re
from importlib import resources
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from contract.read_yaml import read_yaml

ID: Final = re.compile(r"^HH1-[A-Z0-9]{3}-\d{2}$")
LEVELS: Final = {
    "A": "every device",
    "G": "gateways and robots",
    "R": "robots",
    "H": "the hub",
}
NORMATIVE: Final = re.compile(r"\b(?:MUST|SHOULD|MAY)\b")


class Clause(Struct, frozen=True, kw_only=True, rename={"level": "for"}):
    """One sentence somebody can be held to. `level` is a key of `LEVELS`."""

    id: str
    level: Literal["A", "G", "R", "H"]
    says: str
    v5: bool = False
    checks: tuple[int, ...] = ()
    withdrawn: bool = False

    @property
    def group(self) -> str:
        """The three letters of its chapter."""
        return self.id.split("-")[1]

    @property
    def strength(self) -> str:
        """The strongest word in it."""
        words = NORMATIVE.findall(self.says)
        return next((word for word in ("MUST", "SHOULD", "MAY") if word in words), "")


class Check(Struct, frozen=True, kw_only=True):
    """One check of the conformance bench; `by` is how it is done (P S H F O)."""

    by: str
    title: str


class Book(Struct, frozen=True):
    """All clauses, in the order of the page, and all checks by number."""

    clauses: tuple[Clause, ...]
    checks: dict[int, Check]

    def of(self, group: str) -> list[Clause]:
        """The clauses of one group; raises KeyError when there is none."""
        found = [clause for clause in self.clauses if clause.group == group]
        if not found:
            raise KeyError(f"clauses.yaml has no clause of the group {group}")
        return found


def read(text: str) -> Book:
    """Read the file; raises ValueError where it contradicts itself."""
    raw: dict[str, Any] = read_yaml(text)
    book = msgspec.convert(raw, Book)
    _check(book)
    return book


def _check(book: Book) -> None:
    ids = [clause.id for clause in book.clauses]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise ValueError(f"used twice: {', '.join(twice)}")
    for clause in book.clauses:
        if not ID.match(clause.id):
            raise ValueError(f"{clause.id} is no id of a clause")
        if not clause.strength:
            raise ValueError(f"{clause.id} says neither MUST nor SHOULD nor MAY")
        unknown = [number for number in clause.checks if number not in book.checks]
        if unknown:
            raise ValueError(f"{clause.id} names the checks {unknown}, which do not exist")


BOOK: Final = read(resources.files("contract").joinpath("clauses.yaml").read_text(encoding="utf-8"))
