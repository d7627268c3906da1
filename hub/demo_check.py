"""`hearthbeat demo --check`: the whole loop, hop by hop, on real parts and without a hand.

`STEPS` is the list to read. Each step is one leg of the two loops; a hop that does not happen in
time ends the walk naming it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from hub.composition import Hub
from hub.demo_home import LiveHome
from hub.doctor import Doctor
from hub.hops import Walk
from hub.webhook_listener import WebhookListener
from runtime.clock import Clock

NORMAL: Final = (128, 79, 66)
SEVERE: Final = (192, 114, 88)
SEVERE_AGAIN: Final = (188, 112, 86)
_ZONE: Final = ZoneInfo("Asia/Shanghai")


@dataclass(kw_only=True)
class Scene:
    """Everything the steps act on; `episode` and `call` are found on the way."""

    hub: Hub
    home: LiveHome
    doctor: Doctor
    hooks: WebhookListener
    walk: Walk
    clock: Clock
    episode: int = 0
    call: int = 0
    call_button: str = ""
    severe_at: datetime | None = None
    dose: dict[str, Any] = field(default_factory=dict)

    @property
    def patient(self) -> str:
        """The patient's address in the API."""
        return f"/api/patients/{self.home.home.patient_id}"


async def home_comes_up(scene: Scene) -> None:
    """The gateway connects, and the hub knows what it is."""

    async def connected() -> dict[str, Any] | None:
        view = await scene.home.robot.view()
        return view if view["online"] and view["hub_ready"] else None

    async def known() -> dict[str, Any] | None:
        node = await scene.doctor.get(f"/api/nodes/{scene.home.home.node_id}")
        return node if node["state"] == "ready" else None

    await scene.walk.hop("gateway: connected to the broker, hub ready", connected, within_s=20)
    await scene.walk.hop("ingest: the node's birth and state are stored", known)


async def normal_reading(scene: Scene) -> None:
    """A normal reading arrives and frightens nobody."""
    scene.home.measure(*NORMAL)
    await _reading_stored(scene, NORMAL, "ingest: normal reading, cuff to API")


async def severe_reading(scene: Scene) -> None:
    """A severe one opens a pending episode: nobody is paged, the robot asks for a repeat."""
    scene.severe_at = scene.clock.now()
    scene.home.measure(*SEVERE)
    await _reading_stored(scene, SEVERE, "ingest: severe reading, cuff to API")

    async def pending() -> dict[str, Any] | None:
        return await _open_episode(scene, "severe_pressure")

    found = await scene.walk.hop(
        "alerts: episode waits for the repeat", pending, detail=lambda e: e["confirmation"]
    )
    if found["confirmation"] != "waiting" or scene.hooks.of_episode(found["id"]):
        raise ValueError("a single severe reading paged somebody")
    scene.episode = int(found["id"])
    robot = scene.home.robot
    question = await scene.walk.hop(
        "downlink: the robot asks about symptoms", lambda: robot.card("question")
    )
    await robot.press("answer", id_=question["id"], value="no")
    await scene.walk.hop("downlink: the robot asks to measure again", lambda: robot.card("session"))


async def call_for_help(scene: Scene) -> None:
    """The button: heard at once, told to the team, answered, closed, each step on the screen."""
    press = scene.home.robot.press("call")
    await scene.walk.act("gateway: the call button is pressed", press)
    await _call_says(scene, "accepted", "ingest: the call for help has landed")

    async def opened() -> dict[str, Any] | None:
        return await _open_episode(scene, "call_for_help")

    episode = await scene.walk.hop("alerts: the call is an episode", opened)
    scene.call = int(episode["id"])
    await _told(scene, scene.call, "alerts: the call is told by webhook")
    await _call_says(scene, "notified", "downlink: the robot says the team has been told")
    path = f"/api/episodes/{scene.call}"
    acknowledge = scene.doctor.post(f"{path}/acknowledge", {})
    await scene.walk.act("care: the call is acknowledged through the API", acknowledge)
    await _call_says(scene, "answered", "downlink: the robot says that somebody answers")
    ending = {"outcome": "called", "next_step": "Telephone again tomorrow morning."}
    await scene.walk.act("care: the call is resolved", scene.doctor.post(f"{path}/resolve", ending))
    await _call_says(scene, "closed", "downlink: the robot knows it is over")
    await scene.home.robot.press("close_call")


async def plan_edited(scene: Scene) -> None:
    """A medicine is added; the device has the revision and says so."""
    await _put_cards_away(scene)
    # Doses are due at whole minutes; the next one, unless the plan could not be there in time.
    due = scene.clock.now().astimezone(_ZONE) + timedelta(seconds=66)
    item = {"drug": "氨氯地平 Amlodipine", "dose_text": "5 mg", "times": [f"{due:%H:%M}"]}
    edit = scene.doctor.post(f"{scene.patient}/plan/items", item)
    await scene.walk.act("care: a medicine is added to the plan", edit, detail=f"due {due:%H:%M}")

    async def on_device() -> dict[str, Any] | None:
        (device,) = (await scene.doctor.get(f"{scene.patient}/plan"))["devices"]
        return device if device["on_device"] else None

    await scene.walk.hop(
        "downlink: the device confirms the edited plan",
        on_device,
        within_s=8,
        detail=lambda d: f"revision {d['confirmed_revision']}",
    )


async def rings_offline(scene: Scene) -> None:
    """The broker stops; the reminder rings all the same and the dose is confirmed."""
    await scene.hub.keeper.suspend("mosquitto")

    async def rings() -> dict[str, Any] | None:
        return await scene.home.robot.card("dose")

    scene.dose = await scene.walk.hop(
        "gateway: the reminder rings, the broker is stopped", rings, within_s=75
    )
    take = scene.home.robot.press("take", id_=scene.dose["id"])
    await scene.walk.act("gateway: taken is pressed", take)

    async def put_away() -> bool | None:
        return await scene.home.robot.card("dose") is None or None

    await scene.walk.hop("gateway: the dose is confirmed on the robot", put_away)
    await scene.hub.keeper.resume("mosquitto")


async def dose_arrives(scene: Scene) -> None:
    """Back online, the answer arrives with its true time and counts."""

    async def taken() -> dict[str, Any] | None:
        doses = (await scene.doctor.get(f"{scene.patient}/doses"))["doses"]
        mine = [d for d in doses if d["id"] == scene.dose["id"] and d["state"] == "taken"]
        return mine[0] if mine else None

    await scene.walk.hop(
        "downlink: the dose is recorded, the broker is back",
        taken,
        within_s=20,
        detail=lambda d: f"taken at {d['state_at']}",
    )

    async def adherence() -> dict[str, Any] | None:
        found: dict[str, Any] = await scene.doctor.get(f"{scene.patient}/adherence")
        return found if found["taken"] >= 1 else None

    await scene.walk.hop("care: adherence shows it", adherence)


async def repeat_given(scene: Scene) -> None:
    """A minute later the second severe reading confirms; somebody is told, acts, and closes."""
    await _until_the_next_minute(scene)
    scene.home.measure(*SEVERE_AGAIN)
    await _reading_stored(scene, SEVERE_AGAIN, "ingest: the repeat, cuff to API")

    async def confirmed() -> dict[str, Any] | None:
        found: dict[str, Any] = await scene.doctor.get(f"/api/episodes/{scene.episode}")
        return found if found["confirmation"] == "confirmed" else None

    await scene.walk.hop("alerts: the episode is confirmed", confirmed)
    await _told(scene, scene.episode, "alerts: the episode is told by webhook")


async def dealt_with(scene: Scene) -> None:
    """The doctor acknowledges and resolves; the worklist is empty again."""
    path = f"/api/episodes/{scene.episode}"
    acknowledge = scene.doctor.post(f"{path}/acknowledge", {"note": "Calling the family."})
    await scene.walk.act("care: the episode is acknowledged through the API", acknowledge)
    ending = {"outcome": "called", "next_step": "Measure twice daily for a week."}
    resolve = scene.doctor.post(f"{path}/resolve", ending)
    await scene.walk.act("care: the episode is resolved with an outcome", resolve)

    async def gone() -> bool | None:
        return await _open_episode(scene, "severe_pressure") is None or None

    await scene.walk.hop("care: the worklist is clear of it", gone)


STEPS: Final[tuple[Callable[[Scene], Awaitable[None]], ...]] = (
    home_comes_up,
    normal_reading,
    severe_reading,
    call_for_help,
    plan_edited,
    rings_offline,
    dose_arrives,
    repeat_given,
    dealt_with,
)


async def _reading_stored(scene: Scene, values: tuple[int, int, int], hop: str) -> None:
    async def stored() -> dict[str, Any] | None:
        answer = await scene.doctor.get(f"{scene.patient}/readings", kind="bp", limit=5)
        for reading in answer["readings"]:
            found = reading["values"]
            if (found["sys"], found["dia"]) == values[:2]:
                return dict(reading)
        return None

    await scene.walk.hop(
        hop, stored, detail=lambda r: f"{r['values']['sys']:.0f}/{r['values']['dia']:.0f}"
    )


async def _open_episode(scene: Scene, rule: str) -> dict[str, Any] | None:
    for episode in (await scene.doctor.get("/api/episodes", state="open"))["episodes"]:
        if episode["rule"] == rule and episode["patient_id"] == scene.home.home.patient_id:
            return dict(episode)
    return None


async def _told(scene: Scene, episode: int, hop: str) -> None:
    async def posted() -> dict[str, Any] | None:
        posts = scene.hooks.of_episode(episode)
        return posts[0] if posts else None

    await scene.walk.hop(hop, posted, detail=lambda p: f"signed, priority {p['priority']}")


async def _call_says(scene: Scene, stage: str, hop: str) -> None:
    async def shown() -> str | None:
        return stage if stage in await scene.home.call_stages() else None

    await scene.walk.hop(hop, shown)


async def _put_cards_away(scene: Scene) -> None:
    """Whoever rests for the repeat reads the advice and says so; a dose waits behind both."""
    for kind, do in (("session", "stop"), ("advice", "heard_advice")):
        card = await scene.home.robot.card(kind)
        if card is not None:
            await scene.home.robot.press(do, id_=card["id"])


async def _until_the_next_minute(scene: Scene) -> None:
    """Two readings confirm when a minute apart, and this cuff's clock shows whole minutes."""
    if scene.severe_at is None:
        raise ValueError("the repeat comes after the first severe reading")
    following = scene.severe_at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    await asyncio.sleep(max(0.0, (following - scene.clock.now()).total_seconds() + 0.5))
