"""Has whoever acts for the hub ceased to? Pure: judged by looks at the lease, not by any clock.

A lease that is the same at so many looks in a row is not being renewed. Looks that failed do not
count: a database that was away says nothing about its holder, who gets the time to come back.
"""

from msgspec import Struct

from store.lease import Seen


class Rules(Struct, frozen=True):
    """How many looks in a row: of a holder that still has sessions at the database (frozen, or
    waiting for something), and of one that has none (killed, or cut off)."""

    silent: int
    gone: int


class Lapse(Struct, frozen=True):
    """What was seen last, and at how many looks in a row nothing had changed since."""

    seen: Seen | None = None
    same: int = 0

    def looked(self, seen: Seen | None) -> "Lapse":
        """After another look."""
        if seen is None or self.seen is None:
            return Lapse(seen)
        unchanged = (seen.epoch, seen.renewed_at) == (self.seen.epoch, self.seen.renewed_at)
        return Lapse(seen, self.same + 1 if unchanged else 0)

    def why_take(self, rules: Rules) -> str:
        """Why it may be taken now: first, released, gone or silent; empty while it may not."""
        if self.seen is None:
            return "first"
        if self.seen.holder is None:
            return "released"
        if not self.seen.connected and self.same >= rules.gone:
            return "gone"
        return "silent" if self.same >= rules.silent else ""
