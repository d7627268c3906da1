"""The specification page: up to date, its examples taken, its links whole."""

import json
import re
from pathlib import Path

import pytest

from contract import codec
from contract.errors import ERRORS
from contract.instants import from_millis
from contract.messages import Obs
from contract.observation import observe
from contract.specification.catalog import CHANNELS
from contract.specification.page import TABLES, template
from contract.topics import DN_KINDS, UP_KINDS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "contract.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"```json (up|dn|hub|claim)/(\w+)\n(.*?)```", re.DOTALL)
EXAMPLES = EXAMPLE.findall(PAGE)
# What is sent takes a while, with backlog.
HOUR = 3_600_000
# Shown on purpose: a vital sign of the future.
WARNS = {"grip": ["W2001"]}


@pytest.mark.parametrize(("direction", "kind", "text"), EXAMPLES)
def test_every_example_is_taken(direction: str, kind: str, text: str) -> None:
    """Each example decodes, and a batch has neither defects nor warnings."""
    payload = text.encode()
    if direction == "claim":
        read = codec.decode_claim if kind == "req" else codec.decode_claim_answer
        assert read(payload).serial
        return
    if direction != "up":
        assert codec.decode_down(kind, payload)
        return
    message = codec.decode(kind, payload)
    if isinstance(message, Obs):
        seen = observe(message, received_at=from_millis((message.t or 1795354700000) + HOUR))
        expected = WARNS.get(message.ser[0].k, [])
        assert seen.defects == []
        assert [warning.code for warning in seen.warnings] == expected


def test_every_topic_is_listed_and_shown() -> None:
    """Each kind of message stands in the table of topics and has an example."""
    shown = {(direction, kind) for direction, kind, _ in EXAMPLES}
    assert shown == {(channel.direction, channel.kind) for channel in CHANNELS}
    table = set(re.findall(r"^\| `hh/1/(up|dn)/\{node\}/(\w+)`", PAGE, re.MULTILINE))
    assert table == {("up", kind) for kind in UP_KINDS} | {("dn", kind) for kind in DN_KINDS}


def test_every_table_is_used_and_every_place_filled() -> None:
    """No table is made for nothing, and no place of the template is left."""
    assert set(re.findall(r"\{\{table (\w+)\}\}", template())) == {*TABLES, "proofs"}
    assert not re.search(r"\{\{\w+ ?\w*\}\}", PAGE)


def test_every_code_named_on_a_page_exists() -> None:
    """In the specification and in the pages for makers."""
    for page in [DOCS / "contract.md", *(DOCS / "makers").glob("*.md")]:
        codes = set(re.findall(r"\b[EW]\d{4}\b", page.read_text(encoding="utf-8")))
        assert codes <= set(ERRORS), page.name
    assert set(re.findall(r'<a id="([EW]\d{4})"', PAGE)) == set(ERRORS)


def test_every_link_to_the_page_leads_somewhere() -> None:
    """Within the page and from every other page; the chapters keep their anchors for ever."""
    anchors = set(re.findall(r'<a id="([\w-]+)"></a>', PAGE))
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    for page in pages:
        links = re.findall(r"contract\.md#([\w-]+)\)", page.read_text(encoding="utf-8"))
        assert set(links) <= anchors, page.name
    assert anchors >= {
        *("topics", "connection", "envelope", "messages", "vital-signs", "flags", "context"),
        *("receipts-duplicates-loss", "time", "feedback", "errors", "limits", "access-list"),
        *("compatibility", "obs-measurements", "birth", "state", "event", "plan", "reminder"),
        *("ack", "cmd-and-res", "time-request", "hub-status"),
    }


def test_no_anchor_is_there_twice() -> None:
    """A link to it would lead to the first."""
    anchors = re.findall(r'<a id="([\w-]+)"></a>', PAGE)
    assert sorted(anchors) == sorted(set(anchors))


def test_examples_are_one_object_each() -> None:
    """No example hides a second one behind the first."""
    for _, _, text in EXAMPLES:
        assert isinstance(json.loads(text), dict)
