"""The page docs/contract.md: the template `page.md` with its tables, clauses and examples put in.

{{clauses CON}}  {{table vitals}}  {{keys Obs}}  {{example obs}}  {{cbor time_request}}
{{version}}  {{contents}}
"""

import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Final

from contract.specification import summaries, tables
from contract.specification.asyncapi import VERSION
from contract.specification.examples import TITLES, TOPICS, Examples
from contract.specification.series import Schema

_PLACE: Final = re.compile(r"\{\{(\w+)(?: (\w+))?\}\}")
_CHAPTER: Final = re.compile(r'<a id="([\w-]+)"></a>\n## (.+)')
_EMPTY_LINES: Final = re.compile(r"\n{3,}")
_HEAD: Final = "<!-- Made by `python -m contract.specification write`; do not edit. -->\n"

TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "vitals": tables.vitals,
    "relations": tables.relations,
    "units": tables.units,
    "flags": tables.flags,
    "errors": tables.errors,
    "acl": tables.acl,
    "topics": summaries.topics,
    "levels": summaries.levels,
    "encodings": summaries.encodings,
    "waves": summaries.waves,
    "operations": summaries.operations,
    "settings": summaries.settings,
    "limits": summaries.limits,
    "rates": summaries.rates,
    "checks": summaries.checks,
    "files": summaries.files,
}


def template() -> str:
    """The page without its tables, clauses and examples."""
    folder = resources.files("contract.specification")
    return folder.joinpath("page.md").read_text(encoding="utf-8")


def written(text: str, parts: Mapping[str, Schema], examples: Examples) -> str:
    """The page. Raises KeyError for a table, clause group or example that does not exist."""

    def put(match: re.Match[str]) -> str:
        return _piece(match[1], match[2] or "", text, parts, examples)

    return _HEAD + _EMPTY_LINES.sub("\n\n", _PLACE.sub(put, text))


def _piece(what: str, name: str, text: str, parts: Mapping[str, Schema], examples: Examples) -> str:
    pieces: dict[str, Callable[[], str]] = {
        "version": lambda: VERSION,
        "contents": lambda: _contents(text),
        "clauses": lambda: summaries.clauses(name),
        "keys": lambda: summaries.keys(name, parts),
        "example": lambda: _example(name, examples),
        "cbor": lambda: summaries.cbor(name, examples),
        "table": lambda: summaries.proofs(examples) if name == "proofs" else TABLES[name](),
    }
    return pieces[what]()


def _contents(text: str) -> str:
    return "\n".join(f"- [{title}](#{anchor})" for anchor, title in _CHAPTER.findall(text))


def _example(name: str, examples: Examples) -> str:
    return f"{TITLES[name]}:\n\n```json {TOPICS[name]}\n{examples[name].rstrip()}\n```\n"
