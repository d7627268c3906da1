"""The garbage collector of a service that makes tens of thousands of objects a second.

Hardly any of them are in cycles: it is told to look for those rarely, and never again at what is
there for good.
"""

import gc
from typing import Final

_OBJECTS: Final = 50_000


def collect_rarely() -> None:
    """From now on, in this process. What exists now is taken for permanent."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS, 10, 10)
