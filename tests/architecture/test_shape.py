"""What keeps a room readable from its first screen: sizes, names, and no way to reach around."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = (
    *("contract", "measures", "runtime", "store", "gateway", "ingest"),
    *("downlink", "alerts", "care", "firmware_sim", "hub"),
)
FILE_LINES = 400
FUNCTION_LINES = 40
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


def sources(*tops: str) -> Iterator[Path]:
    """Every Python file below the given folders."""
    for top in tops:
        yield from sorted((ROOT / top).rglob("*.py"))


def test_files_stay_within_their_budget() -> None:
    """No source or test file grows beyond 400 lines."""
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(*ROOMS, "tests", "benchmarks")
    }
    assert sizes, "no sources found: the test looks in the wrong place"
    assert {name: size for name, size in sizes.items() if size > FILE_LINES} == {}


def test_functions_stay_within_their_budget() -> None:
    """No function is longer than 40 lines."""
    long = []
    for path in sources(*ROOMS):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {lines}")
    assert long == []


def test_names_say_what_they_hold() -> None:
    """No drawer for leftovers: utils, helpers, manager, common."""
    assert [str(p) for p in sources(*ROOMS) if p.stem in BANNED_NAMES] == []


def test_only_store_imports_the_database() -> None:
    """SQL stays in store: no other room executes a statement of its own."""
    offenders = []
    for path in sources(*(room for room in ROOMS if room != "store")):
        text = path.read_text(encoding="utf-8")
        if re.search(r"\.execute\(\s*[rbf]?[\"']", text):
            offenders.append(str(path.relative_to(ROOT)))
    assert offenders == []


def test_pure_rooms_touch_nothing() -> None:
    """contract, measures and the rules import no clock, network, file or database module."""
    forbidden = {"asyncio", "socket", "psycopg", "paho", "sqlite3", "time", "subprocess", "httpx"}
    offenders = []
    for path in sources("contract", "measures", "alerts/rules", "gateway/drivers"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if forbidden & {name.split(".")[0] for name in names}:
                offenders.append(f"{path.relative_to(ROOT)}: {names}")
    assert offenders == []


def test_every_room_says_what_it_is() -> None:
    """A newcomer reads one line at the top of each room and each module."""
    silent = [
        str(path.relative_to(ROOT))
        for path in sources(*ROOMS)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_dependencies_are_pinned_without_an_address() -> None:
    """The constraints file pins exact versions and names no package index."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert [
        line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)
    ] == []


def test_every_advisory_lock_has_a_number_of_its_own() -> None:
    """Two purposes under one lock number wait for each other without a reason to."""
    numbers: dict[str, str] = {}
    for path in sorted((ROOT / "store").rglob("*.*")):
        if path.suffix not in {".sql", ".py"}:
            continue
        for number in re.findall(r"\b485[_]?1[_]?\d{3}\b", path.read_text(encoding="utf-8")):
            plain = number.replace("_", "")
            assert numbers.setdefault(plain, path.stem) == path.stem, (plain, path)
    assert len(numbers) >= 5
