"""Commands: each carried out once per id, never after its time, always answered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from firmware_sim.robot import signals
from firmware_sim.robot.rotation import rotate

if TYPE_CHECKING:
    from firmware_sim.robot.device import Robot

_LOG_LINES: Final = 20
_SELFTEST_S: Final = 10.0


class Answer(Struct, frozen=True, kw_only=True):
    """How it ended."""

    state: str = "ok"
    out: dict[str, Any] = field(default_factory=dict)
    session: str | None = None


Deed = Callable[[dict[str, Any]], Awaitable[Answer]]


class Orders:
    """Takes commands one after the other, each in its own time."""

    def __init__(self, robot: "Robot") -> None:
        self._robot = robot
        self._answers: dict[str, dict[str, Any]] = robot.memory.take("answers", {})
        self.carried_out: list[str] = []
        self.known: dict[str, Deed] = {
            "measure_now": self._measure,
            "ask": self._ask,
            "speak": self._speak,
            "call": self._call,
            "resend": self._resend,
            "selftest": self._selftest,
            "rebirth": self._rebirth,
            "rotate": self._rotate,
            "reboot": self._reboot,
            "log": self._log,
        }

    def take(self, command: dict[str, Any]) -> None:
        """Answer at once, and once more when it is done. The same id gets the same answer."""
        name, robot = command["id"], self._robot
        given = self._answers.get(name)
        if given is not None:
            robot.result(name, **given)
            return
        shown = robot.watch.millis()
        if shown is not None and command.get("exp") is not None and command["exp"] <= shown:
            self._finish(name, Answer(state="expired"))
            return
        deed = self.known.get(command["op"])
        if deed is None:
            self._finish(name, Answer(state="unsupported"))
            return
        self._answers[name] = {"state": "accepted"}
        robot.result(name, "accepted")
        self.carried_out.append(name)
        robot.start(self._carry_out(name, deed, command.get("args") or {}))

    async def _carry_out(self, name: str, deed: Deed, args: dict[str, Any]) -> None:
        try:
            answer = await deed(args)
        except (ValueError, KeyError, TypeError) as error:
            answer = Answer(state="error", out={"why": f"{type(error).__name__}: {error}"})
        self._finish(name, answer)

    def _finish(self, name: str, answer: Answer) -> None:
        said: dict[str, Any] = {"state": answer.state, "out": answer.out}
        if answer.session is not None:
            said["ses"] = answer.session
        self._answers[name] = said
        self._robot.memory.put(answers=dict(list(self._answers.items())[-200:]))
        self._robot.result(name, **said)
        self._robot.say(f"command {name}: {answer.state}")

    async def _measure(self, args: dict[str, Any]) -> Answer:
        """The person rests, then presses the button; nothing inflates by itself."""
        robot = self._robot
        await asyncio.sleep(float(args.get("rest_s") or 0) + robot.habits.person_s)
        session = f"s{robot.outbox.boot}-{len(self.carried_out)}"
        more: dict[str, Any] = {"ses": {"id": session, "n": 1, "of": 1, "done": 1}}
        if args.get("who"):
            more["who"] = args["who"]
        robot.observe([signals.pressure(138, 86, **more)])
        return Answer(session=session)

    async def _ask(self, args: dict[str, Any]) -> Answer:
        robot = self._robot
        if not robot.make.screen:
            return Answer(state="unsupported")
        robot.show(args["text"])
        await asyncio.sleep(robot.habits.person_s)
        return Answer(out={"qid": args["qid"], "answer": args["options"][0]["id"]})

    async def _speak(self, args: dict[str, Any]) -> Answer:
        self._robot.show(args["text"])
        return Answer()

    async def _call(self, _args: dict[str, Any]) -> Answer:
        self._robot.show({"zh-CN": "正在呼叫", "en": "Calling"})
        return Answer()

    async def _resend(self, args: dict[str, Any]) -> Answer:
        sent, gone = self._robot.outbox.reopen(args["boot"], args["from"], args["to"])
        return Answer(out={"sent": [list(each) for each in sent], "gone": [*map(list, gone)]})

    async def _selftest(self, _args: dict[str, Any]) -> Answer:
        """Whether what it says arrives: a birth has to be receipted, the time answered."""
        robot = self._robot
        seq, boot = robot.birth(), robot.outbox.boot
        asked = sum(kind == "time" for kind, _ in robot.received)
        robot.tell_uncounted("time", {"t1": robot.watch.machine_millis()})
        robot.diagnose(selftest=1.0)
        checks: dict[str, Callable[[], bool]] = {
            "birth": lambda: (boot, seq) not in {m.key for m in robot.outbox.waiting()},
            "time": lambda: sum(kind == "time" for kind, _ in robot.received) > asked,
        }
        found = {}
        for name, passed in checks.items():
            try:
                found[name] = bool(await robot.until(passed, _SELFTEST_S))
            except TimeoutError:
                found[name] = False
        return Answer(state="ok" if all(found.values()) else "error", out=found)

    async def _rebirth(self, _args: dict[str, Any]) -> Answer:
        self._robot.birth()
        return Answer()

    async def _rotate(self, args: dict[str, Any]) -> Answer:
        return Answer(out=await rotate(self._robot, args))

    async def _reboot(self, _args: dict[str, Any]) -> Answer:
        await self._robot.restart()
        return Answer()

    async def _log(self, _args: dict[str, Any]) -> Answer:
        self._robot.diagnose()
        return Answer(out={"lines": self._robot.log[-_LOG_LINES:]})
