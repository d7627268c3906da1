"""Reminders: the plan with its occurrences, and single ones. Rings with the network away. Pure."""

from typing import Any, NamedTuple


class Ring(NamedTuple):
    """One occurrence that is due; `ends_at` (ms) is the end of its window."""

    id: str
    at: int
    ends_at: int
    text: dict[str, str]
    acknowledge: bool
    who: str | None


class Plans:
    """What the robot reminds of. Takes plain messages; keeps what has rung."""

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        kept = kept or {}
        self.plan: dict[str, Any] | None = kept.get("plan")
        self._reminders: dict[str, dict[str, Any]] = kept.get("reminders", {})
        self._rung: set[str] = set(kept.get("rung", ()))

    @property
    def revision(self) -> int | None:
        """The plan it works by."""
        return self.plan["rev"] if self.plan else None

    def kept(self) -> dict[str, Any]:
        """For the memory."""
        return {"plan": self.plan, "reminders": self._reminders, "rung": sorted(self._rung)}

    def take_plan(self, plan: dict[str, Any]) -> bool:
        """Replace the plan, unless it is older than the one held; raises for what is no plan."""
        _readable(plan)
        if self.revision is not None and plan["rev"] < self.revision:
            return False
        self.plan = plan
        return True

    def forget_plan(self) -> None:
        """The hub has taken the plan away."""
        self.plan = None

    def take_reminder(self, reminder: dict[str, Any], now: int) -> bool:
        """Keep a single reminder; twice the same or an expired one is none. Raises like a plan."""
        if not isinstance(reminder["at"], int) or not isinstance(reminder["text"], dict):
            raise TypeError("no reminder")
        if reminder["exp"] <= now or reminder["id"] in self._rung:
            return False
        self._reminders[reminder["id"]] = reminder
        return True

    def due(self, now: int) -> list[Ring]:
        """What rings now, each only once and never after its window."""
        rings = [ring for ring in self._all(now) if ring.at <= now and ring.id not in self._rung]
        self._rung |= {ring.id for ring in rings}
        self._reminders = {i: r for i, r in self._reminders.items() if r["exp"] > now}
        return [ring for ring in rings if now < ring.ends_at]

    def _all(self, now: int) -> list[Ring]:
        rings = [
            Ring(r["id"], r["at"], r["exp"], r["text"], r.get("ack", True), r.get("who"))
            for r in self._reminders.values()
        ]
        if self.plan is None or self.plan["exp"] <= now:
            return rings
        for item in self.plan["items"]:
            after_ms = item.get("win", (900, 3600))[1] * 1000
            told = item.get("ack", True), item.get("who")
            rings += [Ring(i, at, at + after_ms, item["text"], *told) for at, i in item["occ"]]
        return rings


def _readable(plan: dict[str, Any]) -> None:
    """Whatever would fail when it rings fails now, while the old plan still holds."""
    numbers = [plan["rev"], plan["exp"], *(at for item in plan["items"] for at, _ in item["occ"])]
    windows = [item.get("win", (900, 3600))[1] for item in plan["items"]]
    texts = [item["text"] for item in plan["items"]]
    if not all(isinstance(each, int) for each in (*numbers, *windows)):
        raise TypeError("a number of the plan is none")
    if not all(isinstance(text, dict) for text in texts):
        raise TypeError("a text of the plan is none")
