"""The specification says what the hub does: its tables and its examples are checked."""

import json
import re
from pathlib import Path

import pytest

from contract import codec
from contract.errors import ERRORS
from contract.instants import from_millis
from contract.messages import Obs
from contract.observation import observe
from contract.tables import TABLES, rewrite
from contract.topics import DN_KINDS, UP_KINDS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "contract.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"```json (up|dn|hub)/(\w+)\n(.*?)```", re.DOTALL)
EXAMPLES = EXAMPLE.findall(PAGE)


def test_the_tables_are_what_the_hub_runs_on() -> None:
    """`python -m contract.tables docs/contract.md` would change nothing."""
    assert rewrite(PAGE) == PAGE
    assert set(re.findall(r"<!-- table: (\w+) -->", PAGE)) == set(TABLES)


@pytest.mark.parametrize(("direction", "kind", "text"), EXAMPLES)
def test_every_example_is_taken(direction: str, kind: str, text: str) -> None:
    """Each example decodes, and a batch has neither defects nor warnings."""
    payload = text.encode()
    if direction != "up":
        assert codec.decode_down(kind, payload)
        return
    message = codec.decode(kind, payload)
    if isinstance(message, Obs):
        assert message.t is not None
        seen = observe(message, received_at=from_millis(message.t + 1000))
        assert (seen.defects, seen.warnings, seen.unknown) == ([], [], [])


def test_every_topic_has_an_example() -> None:
    """Each topic of the table is shown at least once; what is not served is said to be so."""
    shown = {(direction, kind) for direction, kind, _ in EXAMPLES}
    table = set(re.findall(r"^\| `hh/1/(up|dn)/\{node\}/(\w+)`", PAGE, re.MULTILINE))
    assert table | {("hub", "status")} == shown
    not_served = {("up", kind) for kind in ("wave", "config", "diag")}
    assert {("up", kind) for kind in UP_KINDS} == {t for t in table if t[0] == "up"} | not_served
    assert {kind for direction, kind in table if direction == "dn"} <= DN_KINDS


def test_every_code_named_on_a_page_exists() -> None:
    """In the specification and in the pages for makers."""
    for page in [DOCS / "contract.md", *(DOCS / "makers").glob("*.md")]:
        codes = set(re.findall(r"\b[EW]\d{4}\b", page.read_text(encoding="utf-8")))
        assert codes <= set(ERRORS), page.name


def test_every_link_within_the_page_leads_somewhere() -> None:
    """Anchors of headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors


def test_examples_are_one_object_each() -> None:
    """No example hides a second one behind the first."""
    for _, _, text in EXAMPLES:
        assert isinstance(json.loads(text), dict)
