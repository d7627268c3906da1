"""Who may publish and read what: the access list of the broker, as Mosquitto 2.0 reads it.

Devices are named by `pattern` lines, because a bare `topic` line before any `user` would reach
anonymous clients only. A comment stands on a line of its own: behind a rule it stops the broker.
Units that are no node yet have lines of their own, made from the database (`with_units`).
"""

from collections.abc import Iterable
from typing import Final

from contract.claim_code import claim_user
from contract.topics import CLAIM_REQUESTS, HUB_STATUS, ROOT, claim

INGEST_USER: Final = "hub-ingest"
DOWNLINK_USER: Final = "hub-downlink"
CLAIMS_USER: Final = "hub-claims"

ACL: Final = f"""\
# Every device writes below its own name and reads what is for it, and the state of the hub.
pattern write {ROOT}/up/%u/+
pattern read {ROOT}/dn/%u/+
pattern read {HUB_STATUS}

user {INGEST_USER}
topic read {ROOT}/up/#
topic write {ROOT}/dn/+/fb
topic write {ROOT}/dn/+/time
topic write {HUB_STATUS}

# Writing below up/ is for clearing retained messages only.
user {DOWNLINK_USER}
topic write {ROOT}/dn/#
topic write {ROOT}/up/#

# Answers units that are no node yet.
user {CLAIMS_USER}
topic read {CLAIM_REQUESTS}
topic write {claim("+", "res")}
"""


def with_units(serials: Iterable[str]) -> str:
    """The access list with the units that may ask to become a node: two topics each, no other.

    The patterns above hold for every user, so what they would give a unit is denied by name.
    """
    lines = [ACL]
    for serial in serials:
        user = claim_user(serial)
        lines.append(
            f"\nuser {user}\ntopic deny {ROOT}/+/{user}/#\ntopic deny {HUB_STATUS}\n"
            f"topic write {claim(serial, 'req')}\ntopic read {claim(serial, 'res')}\n"
        )
    return "".join(lines)
