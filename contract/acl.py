"""Who may publish and read what: the access list of the broker, as Mosquitto 2.0 reads it.

Devices are named by `pattern` lines, because a bare `topic` line before any `user` would reach
anonymous clients only. A comment stands on a line of its own: behind a rule it stops the broker.
"""

from typing import Final

from contract.topics import HUB_STATUS, ROOT

INGEST_USER: Final = "hub-ingest"
DOWNLINK_USER: Final = "hub-downlink"

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
"""
