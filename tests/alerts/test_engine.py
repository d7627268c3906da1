"""The engine itself: duplicates, restarts, faults that stop nobody else, doses, batches."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest

from alerts import judgement
from alerts.engine import MODULES, Engine, Module
from alerts.rules import registry, severe_pressure
from alerts.settings import AlertsSettings
from alerts.subjects import Affected
from alerts.verdict import Verdict
from alerts.window import Window
from runtime.clock import ManualClock
from store.pool import Pool
from tests.alerts.home import Home

Passes = Callable[[float], Awaitable[None]]
MINUTE = timedelta(minutes=1)


async def test_promise_25_a_reading_seen_ten_times_is_one_alarm(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """The same batch again and again: one episode, one notification, one question."""
    items = await home.send(home.row(186, 112))
    for _ in range(9):
        await home.append(items)
    await engine.cycle()
    await home.append(items)
    await engine.cycle()
    assert len((await home.episode())["evidence"]) == 1
    assert len(await home.commands()) == 2
    clock.advance(120)
    again = await home.send(home.row(188, 112))
    await engine.cycle()
    await home.append([*items, *again])
    await engine.cycle()
    assert await home.told() == [home.staff[0]]


async def test_a_feed_read_anew_does_no_harm(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """The cursor set back to the beginning: nothing is opened, told or asked again."""
    await home.bp(186, 112)
    await home.happens("sos", "c1")
    await passes(400)
    await home.bp(142, 84)
    await passes(1)
    before = await home.all("SELECT id, state, evidence, round, step FROM episode ORDER BY id")
    count = await home.one("SELECT count(*) AS n FROM notification")
    await home.conn.execute("UPDATE feed_cursor SET position = 0")
    await engine.cycle()
    after = await home.all("SELECT id, state, evidence, round, step FROM episode ORDER BY id")
    assert after == before
    assert await home.one("SELECT count(*) AS n FROM notification") == count


async def test_a_new_engine_continues_where_the_old_one_was(
    home: Home, pool: Pool, settings: AlertsSettings, clock: ManualClock
) -> None:
    """An engine for every step: deadline, ladder and restart are all in the database."""

    async def turn(seconds: float) -> None:
        clock.advance(seconds)
        async with Engine(pool, settings, clock) as engine:
            await engine.cycle()

    await home.bp(186, 112)
    for seconds in (0, 359, 1, 300, 300, 600):
        await turn(seconds)
    assert await home.told() == [*home.staff, home.staff[0]]


async def test_two_engines_open_and_tell_once(
    home: Home, pool: Pool, settings: AlertsSettings, clock: ManualClock
) -> None:
    """Both turn at once on the same feed and the same deadlines."""
    for number in range(5):
        await home.happens("sos", f"c{number}")
    await home.bp(186, 112)
    async with Engine(pool, settings, clock) as one, Engine(pool, settings, clock) as other:
        await asyncio.gather(one.cycle(), other.cycle())
        clock.advance(360)
        await asyncio.gather(one.cycle(), other.cycle())
    assert len(await home.episodes()) == 6
    keys = await home.all("SELECT episode_id FROM notification WHERE round = 0 AND step = 1")
    assert len(keys) == 6


async def test_one_person_whose_rule_fails_stops_nobody_else(
    home: Home, engine: Engine, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is a technical episode; the others are paged; it is tried again until it works."""
    troubled = await home.make.patient(home.area, team_id=home.team)

    def failing(window: Window, now: object) -> list[Verdict]:
        if any(reading.patient_id == troubled for reading in window.readings):
            raise RuntimeError("a mistake in a rule")
        return severe_pressure.judge_window(window, clock.now())

    rules = dict(registry.READING_RULES)
    monkeypatch.setattr(judgement, "READING_RULES", rules | {"severe_pressure": failing})
    await home.send(
        home.row(210, 125), home.row(210, 125, at=clock.now() - MINUTE, patient=troubled)
    )
    await engine.cycle()
    opened = {(e["rule"], e["patient_id"]) for e in await home.episodes()}
    assert opened == {("severe_pressure", home.patient), ("engine_fault", troubled)}
    fault = await home.episode("engine_fault")
    assert (fault["priority"], fault["policy"]["via"]) == ("technical", "patient_team")
    assert "mistake" not in str(fault["evidence"])

    monkeypatch.setattr(judgement, "READING_RULES", rules)
    clock.advance(61)
    await engine.cycle()
    opened = {(e["rule"], e["patient_id"], e["state"]) for e in await home.episodes()}
    assert ("severe_pressure", troubled, "open") in opened
    assert ("engine_fault", troubled, "closed") in opened


async def test_a_deadline_is_kept_though_the_rule_fails(
    home: Home, engine: Engine, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Safety rule 13: what waits is paged at its deadline even if it cannot be judged again."""
    await home.bp(186, 112)
    await engine.cycle()

    def failing(window: Window, now: object) -> list[Verdict]:
        raise RuntimeError("a mistake in a rule")

    rules = dict(registry.READING_RULES) | {"severe_pressure": failing}
    monkeypatch.setattr(judgement, "READING_RULES", rules)
    clock.advance(360)
    await engine.cycle()
    assert (await home.episode("severe_pressure"))["state"] == "open"
    assert home.staff[0] in await home.told()


async def test_a_deadline_is_kept_though_nothing_can_be_loaded(
    home: Home, engine: Engine, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Safety rule 13, too, where the window of readings cannot even be put together."""
    await home.bp(186, 112)
    await engine.cycle()

    async def failing(*_: object) -> list[object]:
        raise ValueError("a window that nobody can load")

    monkeypatch.setattr(judgement, "_matters", failing)
    clock.advance(360)
    await engine.cycle()
    assert (await home.episode("severe_pressure"))["state"] == "open"
    assert home.staff[0] in await home.told()


async def test_what_cannot_be_worked_out_holds_up_nothing_else(home: Home, engine: Engine) -> None:
    """One item of a batch is poison: it is told as a fault, the calls and readings land."""
    await home.happens("answer", "a1", at=datetime(1, 1, 1, tzinfo=UTC))
    await home.happens("sos", "c1")
    await home.bp(210, 125)
    await engine.cycle()
    found = {(e["rule"], e["state"]) for e in await home.episodes()}
    rules = ("call_for_help", "severe_pressure", "engine_fault")
    assert found == {(rule, "open") for rule in rules}
    assert await home.told() == [home.staff[0]] * 3


async def test_a_module_that_fails_keeps_no_other_from_running(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """The last module still runs, the failure is a technical episode, and ends with it."""
    trouble = True

    async def run(turn: object) -> bool:
        if trouble:
            raise ValueError("broken")
        return False

    engine.modules = (Module("broken", run), *engine.modules)
    await home.make.staff(role="admin")
    await home.happens("sos")
    await engine.cycle()
    assert await home.told() == [home.staff[0]]
    fault = await home.episode("engine_fault")
    assert fault["policy"]["via"] == "administrators"
    trouble = False
    await engine.cycle()
    assert (await home.episode("engine_fault"))["state"] == "closed"


async def test_a_call_lands_even_if_its_patient_cannot_be_written(
    home: Home, engine: Engine
) -> None:
    """Safety rule 4: without the patient rather than not at all."""
    await home.make.staff(role="admin")
    await home.happens("sos", patient=987_654)
    await engine.cycle()
    episode = await home.episode()
    assert (episode["patient_id"], episode["priority"]) == (None, "high")
    assert len(await home.told()) == 1


async def test_the_engine_waits_for_a_database_that_is_away(
    home: Home, engine: Engine, pool: Pool
) -> None:
    """A cycle says so by OperationalError; the next one works."""
    await home.conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'alerts-test'"
    )
    await home.happens("sos")
    for _ in range(5):
        try:
            await engine.cycle()
            break
        except psycopg.OperationalError:
            continue
    assert await home.told() == [home.staff[0]]


async def test_missed_doses_reach_the_team_and_are_taken_back(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Two are a worklist entry, three tell the team, a late 'taken' corrects it."""
    item = await home.plan_item()
    due = [clock.now() - timedelta(hours=hours) for hours in (36, 24, 12)]
    await home.dose(item, due[0], "missed")
    await engine.cycle()
    assert await home.episodes() == []
    await home.dose(item, due[1], "missed")
    await engine.cycle()
    assert (await home.episode())["priority"] == "low"
    assert await home.told() == []
    await home.dose(item, due[2], "missed")
    await engine.cycle()
    episode = await home.episode()
    assert (episode["priority"], episode["reason"]) == ("medium", "three_doses_missed")
    assert await home.told() == [home.staff[0]]
    await home.dose(item, due[2], "late_taken")
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["outcome"]) == ("closed", "withdrawn")


async def test_a_resolved_row_of_missed_doses_starts_from_zero(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """After somebody dealt with three, the fourth alone opens nothing."""
    item = await home.plan_item()
    for hours in (48, 36, 24):
        await home.dose(item, clock.now() - timedelta(hours=hours), "missed")
    await engine.cycle()
    await home.resolve((await home.episode())["id"], outcome="called")
    await home.dose(item, clock.now() - timedelta(hours=12), "missed")
    await engine.cycle()
    assert len(await home.episodes()) == 1
    await home.dose(item, clock.now(), "missed")
    await engine.cycle()
    assert len(await home.episodes()) == 2


async def test_a_corrected_reading_takes_its_episode_back(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """190 was 130: the episode is withdrawn with a trace, the person's chart is right."""
    row = home.row(190, 112)
    items = await home.send(row)
    await engine.cycle()
    await home.conn.execute("UPDATE reading SET v0 = 130, v1 = 82")
    fields = {name: getattr(items[0], name) for name in items[0].__struct_fields__}
    await home.append([type(items[0])(**(fields | {"change": "corrected"}))])
    await engine.cycle()
    episode = await home.episode()
    assert (episode["state"], episode["outcome"]) == ("closed", "withdrawn")
    assert ("update", "evidence_corrected") in await home.history(episode["id"])


async def test_a_severe_value_under_a_used_identity_is_judged(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """A device that gives two readings one time: the second is kept beside and alarms."""
    at = clock.now()
    await home.bp(128, 80, at=at)
    await engine.cycle()
    await home.bp(214, 122, at=at)
    await engine.cycle()
    assert await home.one("SELECT count(*) AS n FROM reading_conflict") == {"n": 1}
    assert await home.told() == [home.staff[0]]


async def test_two_values_of_one_message_under_a_used_identity_are_two_pieces(
    home: Home, engine: Engine, clock: ManualClock
) -> None:
    """Each is evidence of its own, and looking again finds nothing new."""
    at = clock.now()
    await home.bp(128, 80, at=at)
    both = [msgspec.structs.replace(home.row(sys, 122, at=at), seq=99) for sys in (214, 226)]
    await home.send(*both)
    await engine.cycle()
    (found,) = await home.episodes()
    assert sorted(piece["values"][0] for piece in found["evidence"]) == [214, 226]
    before = await home.history(found["id"])
    await home.bp(128, 80, at=at - MINUTE)
    await engine.cycle()
    assert await home.history(found["id"]) == before


async def test_promise_26_a_shuffled_day_ends_in_the_same_episodes(
    home: Home, engine: Engine, clock: ManualClock, passes: Passes
) -> None:
    """One patient in order, two others shuffled, cut and doubled: the same rows in the end."""
    day = [(0, 184), (3, 190), (60, 186), (64, 142), (300, 182), (420, 204), (600, 138), (610, 181)]
    start = clock.now() - timedelta(hours=20)
    patients = [home.patient]
    devices = [home.device]
    for number in (2, 3):
        patients.append(await home.make.patient(home.area, team_id=home.team))
        devices.append(await home.make.device(home.node, f"cuff{number}"))

    def rows(who: int) -> list[object]:
        return [
            home.row(
                *(sys, 90),
                at=start + minute * MINUTE,
                patient=patients[who],
                device=devices[who],
            )
            for minute, sys in day
        ]

    await home.send(*rows(0))
    await engine.cycle()
    for who, seed in ((1, 7), (2, 11)):
        shuffled = rows(who)
        random.Random(seed).shuffle(shuffled)
        for cut in (shuffled[:3], shuffled[2:5], shuffled[5:], shuffled[:4]):
            await home.send(*cut)
            await passes(2)
    await passes(60)
    found: dict[int, list[object]] = {patient: [] for patient in patients}
    for e in await home.episodes():
        if e["rule"] == "severe_pressure":
            row = (e["onset_at"], e["last_evidence_at"], e["state"], e["confirmation"])
            found[e["patient_id"]].append(row)
    first, *others = (sorted(rows, key=str) for rows in found.values())
    assert others == [first, first]
    assert len(first) >= 2


async def test_a_batch_of_many_people_is_judged_in_a_few_queries(
    home: Home, settings: AlertsSettings, clock: ManualClock
) -> None:
    """Normal readings of two hundred people cost as many statements as those of one."""
    affected = Affected()
    rows = []
    for number in range(200):
        patient = await home.make.patient(home.area, team_id=home.team)
        rows.append(home.row(130, 80, patient=patient, ordinal=number))
        affected.patient(patient, clock.now())
    await home.send(*rows)
    statements = 0

    class Counting(psycopg.AsyncCursor[object]):
        async def execute(self, *what: object, **how: object) -> object:
            nonlocal statements
            statements += 1
            return await super().execute(*what, **how)  # type: ignore[arg-type]

    home.conn.cursor_factory = Counting
    await judgement.judge(home.conn, affected, settings=settings, now=clock.now())
    assert 0 < statements <= 6


def test_the_modules_are_one_visible_list() -> None:
    """The order is the architecture; the outbox comes last."""
    names = [module.name for module in MODULES]
    assert names == [
        *("intake", "confirmation", "escalation", "expiry", "silence", "plans", "retrial"),
    ]
