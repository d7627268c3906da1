"""The robot's configuration: what the hub wants, what holds, and the report of both."""

from typing import TYPE_CHECKING, Any

from contract.configuration import DEFAULTS, settle
from firmware_sim.robot.memory import Memory

if TYPE_CHECKING:
    from firmware_sim.robot.device import Robot


class Settings:
    """Kept through a restart. A refused setting keeps its old value."""

    def __init__(self, memory: Memory, encoding: str) -> None:
        self._memory = memory
        self._own = {**DEFAULTS, "enc": encoding}
        kept = memory.take("config") or {}
        self.revision: int | None = kept.get("rev")
        self._applied: dict[str, Any] = kept.get("applied") or dict(self._own)

    @property
    def encoding(self) -> str:
        """What it sends in."""
        return str(self._applied.get("enc", "json"))

    def value(self, key: str) -> Any:
        """A setting in force."""
        return self._applied.get(key)

    def connected(self, robot: "Robot") -> None:
        """Nothing to say: the report is retained."""

    def take(self, robot: "Robot", config: dict[str, Any]) -> None:
        """Work by a revision of the configuration and report it; an older one is ignored."""
        revision = int(config["rev"])
        if self.revision is not None and revision <= self.revision:
            return
        checked = settle(config["set"], self._applied, self._own)
        self.revision, self._applied = revision, checked.applied
        self._memory.put(config={"rev": revision, "applied": checked.applied})
        errors = [{"path": error.path, "msg": error.msg} for error in checked.errors]
        body = {"rev": revision, "applied": checked.applied, "errors": errors}
        robot.send("config", body)
        robot.state("ready")
        robot.say(f"configuration {revision}: {len(errors)} refused")
