"""Fixtures of every test: a fresh database, a real broker, a clock to turn by hand."""

import sys
from pathlib import Path

# The tests are no installed package; their fixtures are imported from the repository.
sys.path.insert(0, str(Path(__file__).parent.parent))

pytest_plugins = [
    "tests.fixtures.fix_clock",
    "tests.fixtures.fix_database",
    "tests.fixtures.fix_broker",
    "tests.fixtures.fix_log",
    "tests.fixtures.fix_browser",
    "tests.fixtures.fix_hub",
]
