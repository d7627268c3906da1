"""What the robot does with what the hub says: one function for each kind of message.

Whatever arrives, it survives: what it cannot read it drops and notes, keys it does not know it
ignores, words it does not know are words of somebody newer.
"""

import time
from typing import TYPE_CHECKING, Any, Final

from firmware_sim.robot.encoding import to_values
from firmware_sim.robot.orders import Orders
from firmware_sim.robot.updates import Updates

if TYPE_CHECKING:
    from firmware_sim.robot.device import Robot

_STATUS: Final = "status"


class Hearing:
    """Reads and acts, in the event loop."""

    def __init__(self, robot: "Robot") -> None:
        self._robot = robot
        self.orders = Orders(robot)
        self.updates = Updates(robot)
        self.unreadable = 0
        self._deeds = {
            "plan": self._plan,
            "reminder": self._reminder,
            "cmd": self._command,
            "config": self._config,
            "fw": self.updates.take,
            "time": self._time,
            "fb": self._feedback,
            _STATUS: self._status,
        }

    def take(self, topic: str, payload: bytes, _retained: bool) -> None:
        """One message from the broker; never raises."""
        kind = topic.rpartition("/")[2]
        if not payload:
            self._cleared(kind)
            return
        try:
            body = to_values(payload)
            deed = self._deeds.get(kind)
            if deed is not None:
                deed(body)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            self.unreadable += 1
            self._robot.say(f"dropped {kind}: {type(error).__name__}")
            return
        self._robot.heard_one(kind, body)

    def _cleared(self, kind: str) -> None:
        """An empty retained message takes back what was retained."""
        robot = self._robot
        if kind == "plan":
            robot.plans.forget_plan()
            robot.memory.put(plans=robot.plans.kept())
        robot.heard_one(f"{kind} cleared", {})

    def _plan(self, body: dict[str, Any]) -> None:
        robot = self._robot
        if robot.plans.take_plan(body):
            robot.memory.put(plans=robot.plans.kept())
            robot.acknowledge({"id": f"plan:{body['rev']}", "st": "received"})
            robot.state("ready")

    def _reminder(self, body: dict[str, Any]) -> None:
        robot = self._robot
        if robot.plans.take_reminder(body, robot.watch.machine_millis()) and body.get("ack", True):
            robot.acknowledge({"id": body["id"], "st": "received"})

    def _command(self, body: dict[str, Any]) -> None:
        if not self._robot.mischief.mute_commands:
            self.orders.take(body)

    def _config(self, body: dict[str, Any]) -> None:
        self._robot.settings.take(self._robot, body)

    def _time(self, body: dict[str, Any]) -> None:
        robot = self._robot
        step = robot.watch.learn(body["t1"], body["t2"], body["t3"])
        if step is not None:
            robot.send("event", {"type": "clock_step", "sev": "info", "ms": step})

    def _status(self, body: dict[str, Any]) -> None:
        self._robot.hub = body["s"]

    def _feedback(self, body: dict[str, Any]) -> None:
        robot = self._robot
        if robot.mischief.deaf:
            return
        receipt = body.get("rcpt")
        if receipt is not None:
            robot.outbox.receipted(receipt["boot"], receipt["upto"], receipt.get("also", ()))
        if body.get("say"):
            robot.show(body["say"])
        if body.get("after") is not None:
            until = time.monotonic() + float(body["after"])
            if body.get("ok") is False:
                robot.outbox.held_until = until
            else:
                robot.outbox.slow_until = until
        if body.get("ok") is False:
            self._refused(body)

    def _refused(self, body: dict[str, Any]) -> None:
        robot, about = self._robot, body.get("ref") or {}
        robot.say(f"refused {body.get('code')} at {body.get('path')!r}: {body.get('msg')}")
        boot, seq = about.get("boot"), about.get("seq")
        if boot is None or seq is None:
            return
        if body.get("retry"):
            pause = float(body.get("after") or robot.habits.retry_s)
            robot.outbox.later(boot, seq, time.monotonic() + pause)
        elif robot.outbox.drop(boot, seq) and not body.get("kept"):
            robot.diagnose(dropped=1.0)
