"""Every metric is explained, and none has a label whose values grow with nodes or people."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations" / "metrics.md"
TYPES = {"counter": "counter", "gauge": "gauge", "seconds": "histogram", "tally": "histogram"}
BOUNDED = {
    *("kind", "seen", "table", "code", "lane", "made", "why", "what", "consumer"),
    *("module", "outcome", "method", "route", "status", "part"),
}
Metric = tuple[str, tuple[str, ...]]


def made_in(path: Path) -> dict[str, Metric]:
    """Name to type and labels of every metric a file makes; each is written out where it is."""
    found: dict[str, Metric] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name not in TYPES or len(node.args) < 2 or not isinstance(node.args[0], ast.Constant):
            continue
        labels: tuple[str, ...] = ()
        if name != "tally" and len(node.args) > 2:
            labels = tuple(ast.literal_eval(node.args[2]))
        found[str(node.args[0].value)] = (TYPES[name], labels)
    return found


def made() -> dict[str, Metric]:
    """Those of every room."""
    rooms = ("ingest", "downlink", "alerts", "care", "hub", "store", "runtime")
    files = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    return {name: metric for path in files for name, metric in made_in(path).items()}


def explained() -> dict[str, Metric]:
    """Those of the page."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    return {
        name: (kind, tuple(label.strip() for label in labels.split(",") if label.strip()))
        for name, kind, labels in rows
    }


def test_the_page_lists_every_metric_as_it_is() -> None:
    """Name, type and labels, no more and no less."""
    assert explained() == made()


def test_no_label_grows_with_the_hub() -> None:
    """Kinds and codes are few; a node or a person would be a new series each."""
    assert {label for _, labels in made().values() for label in labels} <= BOUNDED
