"""What a log may hold: ids and where it happened, never what was in hand."""

import subprocess
import sys

_FAILS = """
import structlog
from runtime import log
log.configure("test")
def act():
    token = "hbt_canary_4711"
    patient = "王桂兰"
    raise ValueError("it broke")
try:
    act()
except ValueError:
    structlog.get_logger().exception("failed", node="a1b2c3d4")
"""


def test_safety_16_a_traceback_in_a_log_shows_no_local_variables():
    """A failure is logged with its place and message, without tokens or names in hand."""
    done = subprocess.run(
        [sys.executable, "-c", _FAILS], capture_output=True, text=True, check=True
    )
    assert "it broke" in done.stderr
    assert "a1b2c3d4" in done.stderr
    assert "canary" not in done.stderr
    assert "王桂兰" not in done.stderr
