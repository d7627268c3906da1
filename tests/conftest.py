"""Fixtures of every test: a fresh database, a real broker, a clock to turn by hand."""

import sys
from pathlib import Path

import pytest

# The tests are no installed package; their fixtures are imported from the repository.
sys.path.insert(0, str(Path(__file__).parent.parent))

pytest_plugins = [
    "tests.fixtures.fix_leftovers",
    "tests.fixtures.fix_clock",
    "tests.fixtures.fix_database",
    "tests.fixtures.fix_broker",
    "tests.fixtures.fix_log",
    "tests.fixtures.fix_browser",
    "tests.fixtures.fix_hub",
    "tests.fixtures.fix_trial",
]

# The files that take longest begin first, so that no process is left alone with one at the end.
_LONGEST = ("test_kill_points", "test_walk", "test_makers", "test_new_vital_sign", "test_replay")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole files in the order in which the processes of a run take them."""
    items.sort(key=lambda item: item.path.stem not in _LONGEST)
