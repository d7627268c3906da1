"""A fault of ours, for the log: what and where, without the values it happened on.

A traceback with its variables, or the text of an error, may hold what a patient measured.
"""

import traceback
from pathlib import Path


def fault(error: BaseException) -> dict[str, str]:
    """The kind of an error and the last places of its traceback."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "at": " < ".join(reversed(places))}
