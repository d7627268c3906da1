"""Fixtures of every test: a fresh database, a real broker, a clock to turn by hand."""

import sys
from pathlib import Path
from typing import Any

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

# What takes longest begins first, so that no process is left alone with it at the end. Files of one
# group go to one process, one after another: they share a hub that is slow to start.
_FIRST = (
    *("test_kill_points", "test_walk", "test_standby", "test_standby_database"),
    *("test_p07_ingest_killed", "test_p11_broker_killed", "test_p12_database_killed"),
    *("test_p13_database_away", "test_p20_partition", "test_p21_half_open", "test_p22_bad_line"),
    *("test_p28_chaos", "test_p14_power_failure", "test_p15_disk_full", "test_p01_sustained"),
    *("test_makers", "test_several_writers", "test_new_vital_sign", "test_cli", "test_replay"),
)
_GROUPS = {
    **dict.fromkeys(_FIRST[4:12], "a hub to be broken"),
    **dict.fromkeys(_FIRST[12:14], "a hub on a disk of its own"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole files in the order in which the processes of a run take them."""
    first = {stem: number for number, stem in enumerate(_FIRST)}
    items.sort(key=lambda item: first.get(item.path.stem, len(first)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By file, groups together, in the order above: by itself pytest-xdist begins with the files
    that have the most tests, which are the quickest."""
    from xdist.scheduler import LoadFileScheduling

    class Grouped(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return _GROUPS.get(Path(file).stem, file)

    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Grouped(config, log)
