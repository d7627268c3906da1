"""Safety rules 1, 2 and 5: late data, wrong clocks, readings nobody owns."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from alerts.engine import Engine
from runtime.clock import ManualClock
from store.window import WindowReading
from tests.alerts.home import Home

Passes = Callable[[float], Awaitable[None]]
HOURS = timedelta(hours=1)


async def test_safety_01_late_is_told_as_late_with_its_time(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """A severe reading of five hours ago pages as late, measured at its time, and asks nothing."""
    await home.bp(186, 112, at=clock.now() - 5 * HOURS)
    await passes(6)
    episode = await home.episode()
    assert (episode["late"], episode["confirmation"]) == (True, "unconfirmed")
    assert episode["onset_at"] == clock.now() - 5 * HOURS - timedelta(seconds=6)
    assert await home.told() == [home.staff[0]]
    body = (await home.all("SELECT body FROM notification"))[0]["body"]
    assert "迟到数据，测量于" in body["text"]["zh-CN"]
    assert "late, measured at" in body["text"]["en"]
    assert await home.commands() == []


async def test_safety_01_a_late_pair_pages_at_once(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Two severe readings of this morning arrive together: confirmed, late, told now."""
    at = clock.now() - 3 * HOURS
    rows = [home.row(188, 114, at=at), home.row(186, 112, at=at + timedelta(minutes=2))]
    await home.send(*rows)
    await engine.cycle()
    episode = await home.episode()
    assert (episode["late"], episode["confirmation"]) == (True, "confirmed")
    assert await home.told() == [home.staff[0]]


async def test_safety_01_a_newer_normal_reading_supersedes_a_late_one(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Late and superseded: on the worklist with its reason, nobody is paged."""
    await home.bp(138, 84, at=clock.now() - HOURS)
    await engine.cycle()
    await home.bp(186, 112, at=clock.now() - 5 * HOURS)
    await passes(60)
    episode = await home.episode()
    assert (episode["state"], episode["priority"]) == ("open", "low")
    assert await home.told() == []
    assert await home.told(pages=False) == [home.staff[0]]
    assert ("suppress", "superseded_by_newer_normal") in await home.history(episode["id"])


async def test_safety_01_only_a_normal_reading_supersedes(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """Half an hour after 215/125 a pressure of 86/50 is no reason to keep quiet about it."""
    await home.bp(86, 50)
    await engine.cycle()
    await home.bp(215, 125, at=clock.now() - timedelta(minutes=30))
    await engine.cycle()
    episode = await home.episode("severe_pressure")
    assert (episode["state"], episode["tier"], episode["late"]) == ("open", 3, True)
    assert await home.told() == [home.staff[0]]


async def test_safety_01_over_a_day_is_for_the_worklist(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """A severe pair of last week is shown and pages nobody."""
    at = clock.now() - 7 * 24 * HOURS
    await home.send(home.row(188, 114, at=at), home.row(210, 125, at=at + timedelta(minutes=2)))
    await passes(3600)
    episode = await home.episode()
    assert (episode["priority"], episode["state"]) == ("low", "open")
    assert await home.told() == []
    assert await home.told(pages=False) == [home.staff[0]]
    assert ("suppress", "older_than_a_day") in await home.history(episode["id"])


@pytest.mark.parametrize(("ago", "late", "paged"), [(0, False, 1), (3, True, 1), (30, False, 0)])
async def test_safety_01_a_replayed_reading_is_as_late_as_its_replay(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes, ago: int, late: bool, paged: int
) -> None:
    """Refused when it came, taken after a fix hours later: it became known then. A severe one of
    now is confirmed as usual, of this morning it pages as late, of yesterday it is listed."""
    at = clock.now() - ago * HOURS
    row = home.row(186, 112, at=at, received=at)
    await home.send(msgspec.structs.replace(row, replayed_at=clock.now()))
    await passes(360)
    episode = await home.episode()
    assert episode["late"] is late
    assert len(await home.told()) == paged
    assert (len(await home.commands()) > 0) is (ago == 0)


async def test_safety_01_fifteen_minutes_late_is_still_live(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Up to 15 min the hub treats it as live and asks for the repeat."""
    await home.bp(186, 112, at=clock.now() - timedelta(minutes=15))
    await engine.cycle()
    assert (await home.episode())["late"] is False
    assert len(await home.commands()) == 2


async def test_safety_01_late_data_withdraws_with_a_trace(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """A normal repeat that arrives after the page takes the episode back, and says why."""
    at = clock.now()
    await home.bp(186, 112, at=at)
    await passes(360)
    assert await home.told() == [home.staff[0]]
    await home.bp(136, 82, at=at + timedelta(minutes=4))
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["outcome"]) == ("closed", "withdrawn")
    assert episode["confirmation"] == "refuted"
    history = await home.history(episode["id"])
    assert ("update", "repeat_normal") in history
    assert history[-1] == ("end", "repeat_normal")
    await passes(3600)
    assert await home.told() == [home.staff[0]]


async def test_safety_01_a_late_call_pages_as_late_and_an_old_one_is_listed(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Events page up to a day late; older ones go to the worklist."""
    await home.happens("sos", "late1", at=clock.now() - 3 * HOURS)
    await home.happens("sos", "old1", at=clock.now() - 30 * HOURS)
    await engine.cycle()
    late, old = await home.episodes("call_for_help")
    assert (late["late"], late["priority"]) == (True, "high")
    assert (old["priority"], old["state"]) == ("low", "open")
    assert await home.told() == [home.staff[0]]


async def test_safety_02_an_untrusted_time_does_not_hide_a_critical_value(
    home: Home, engine: Engine, passes: Passes
) -> None:
    """A reading stored at its arrival because its clock said 2099 is judged, and paged."""
    await home.bp(186, 112, clock="untrusted")
    await passes(360)
    assert (await home.episode())["priority"] == "high"
    assert await home.told() == [home.staff[0]]


async def test_safety_02_an_untrusted_normal_reading_refutes_nothing(
    home: Home, clock: ManualClock, passes: Passes
) -> None:
    """What was measured nobody knows when cannot be the repeat of a severe reading."""
    await home.bp(186, 112)
    await passes(120)
    await home.bp(120, 70, clock="untrusted")
    await passes(240)
    assert (await home.episode())["confirmation"] == "unconfirmed"
    assert await home.told() == [home.staff[0]]


@pytest.mark.parametrize(
    ("at", "clk"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), "manual"),
        (datetime(2099, 1, 1, tzinfo=UTC), "ntp"),
        (datetime(2024, 5, 1, tzinfo=UTC), "manual"),
    ],
)
async def test_safety_02_a_wrong_clock_never_hides_a_call(
    home: Home, engine: Engine, at: datetime, clk: str
) -> None:
    """A call for help with a time that is or may be wrong pages all the same."""
    await home.happens("call_doctor", at=at, clk=clk)
    await engine.cycle()
    assert (await home.episode())["priority"] == "high"
    assert await home.told() == [home.staff[0]]


async def test_safety_05_a_critical_value_nobody_owns_opens_on_the_device(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """The episode names the device and the candidates, and reaches the node's team."""
    other = await home.make.patient(home.area, name="张大爷", team_id=home.team)
    await home.make.bind(home.device, other, who="B")
    await home.bp(186, 112, patient=None)
    await passes(360)
    episode = await home.episode()
    assert (episode["patient_id"], episode["device_id"]) == (None, home.device)
    candidates = episode["evidence"][0]["detail"]["candidates"]
    assert sorted(candidates) == sorted([home.patient, other])
    assert await home.told() == [home.staff[0]]


async def test_safety_05_somebody_elses_normal_reading_refutes_nothing(
    home: Home, clock: ManualClock, passes: Passes
) -> None:
    """On a device of several people the next normal reading may be another person's."""
    await home.bp(186, 112, patient=None)
    await passes(120)
    await home.bp(120, 70, patient=None)
    await passes(240)
    assert (await home.episode())["confirmation"] == "unconfirmed"
    assert await home.told() == [home.staff[0]]


async def test_safety_05_assigning_the_reading_moves_the_episode(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """When the person becomes known, the device's episode ends and the person's begins."""
    row = home.row(210, 125, patient=None)
    await home.send(row)
    await engine.cycle()
    await home.conn.execute("UPDATE reading SET patient_id = %s", (home.patient,))
    item = (await home.send(home.row(120, 70, at=clock.now() - timedelta(days=2))))[0]
    moved = {"change": "reassigned", "measured_at": row.measured_at, "patient_id": home.patient}
    await home.append([type(item)(**{**_fields(item), **moved})])
    await engine.cycle()
    on_device, on_person = await home.episodes()
    assert (on_device["device_id"], on_device["outcome"]) == (home.device, "withdrawn")
    assert on_device["patient_id"] is None
    assert (on_person["patient_id"], on_person["state"]) == (home.patient, "open")


def _fields(item: object) -> dict[str, object]:
    return {name: getattr(item, name) for name in item.__struct_fields__}


def test_window_rows_know_their_place() -> None:
    """A reading beside another keeps the message it came with as part of its identity."""
    assert WindowReading.__struct_fields__[-1] == "beside"
