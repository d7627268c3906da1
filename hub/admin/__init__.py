"""`hearthbeat area|team|staff|patient|node|unit|firmware`: administration for people and scripts.

They talk to the database of the hub and to nothing else. With `--json` standard output holds one
JSON object; what is said besides goes to standard error. Exit codes: 0 done, 1 refused by a rule,
2 wrong usage, 3 no hub or database reachable.
"""

from hub.admin import claims, commands, configuration, fleet  # noqa: F401 - more of `node`
from hub.admin.areas import area
from hub.admin.firmware import firmware
from hub.admin.nodes import node
from hub.admin.patients import patient
from hub.admin.people import staff
from hub.admin.teams import team
from hub.admin.units import unit

__all__ = [
    "area",
    "firmware",
    "node",
    "patient",
    "staff",
    "team",
    "unit",
]
