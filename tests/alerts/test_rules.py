"""Each rule with a table of cases: values in, verdict out, no database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest

from alerts.reasons import TEXTS, Reason, words
from alerts.rules import (
    call_for_help,
    failed_measurements,
    low_pressure,
    missed_doses,
    no_reading,
    plan_running_out,
    severe_pressure,
)
from alerts.rules.call_for_help import Call
from alerts.rules.registry import READING_RULES, RULES
from alerts.verdict import Lateness, Tier, Verdict, lateness
from alerts.window import Answer, Sign, SignKind, Window, answer_of, answered_event
from contract.vitals import FLAGS
from store.feed import EventItem
from store.plan import RunningOut
from store.window import SettledDose, Silent, WindowReading

T0 = datetime(2026, 3, 4, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def reading(
    minute: float,
    sys: float | None,
    dia: float | None = 80,
    *,
    flags: str = "",
    clock: str = "ntp",
    session: str | None = None,
    done: bool = False,
    late: timedelta = timedelta(0),
    who: str | None = None,
) -> WindowReading:
    """A reading so many minutes after midnight."""
    at = T0 + minute * MINUTE
    return WindowReading(
        device_id=1,
        node_id="node0001",
        kind="bp",
        measured_at=at,
        ordinal=0,
        patient_id=1,
        values=(sys, dia if sys is not None else None, None, None),
        flags=FLAGS[flags].mask if flags else 0,
        clock=clock,
        who=who,
        session_id=session,
        session_done=done,
        received_at=at + late,
    )


def window(
    *readings: WindowReading,
    profile: str = "cn",
    signs: Sequence[Sign] = (),
    owned: bool = True,
) -> Window:
    """A window in which every reading is judged."""
    ordered = tuple(sorted(readings, key=lambda one: one.measured_at))
    return Window(
        profile=profile,
        readings=ordered,
        judged_from=T0 - timedelta(days=1),
        signs=tuple(signs),
        owned=owned,
    )


def stances(verdicts: Sequence[Verdict]) -> list[str]:
    """What became of each reading beyond the limit, in order."""
    return [verdict.stance.value for verdict in verdicts]


R = reading
SEVERE = [
    # profile, readings, what becomes of those over the limit
    ("cn", [R(0, 179, 109)], []),
    ("cn", [R(0, 180, 80)], ["waiting"]),
    ("cn", [R(0, 140, 110)], ["waiting"]),
    ("cn", [R(0, 140, 112)], ["waiting"]),
    ("us_uk", [R(0, 140, 112)], []),
    ("esc", [R(0, 180, 112)], []),
    ("us_uk", [R(0, 181, 112)], ["waiting"]),
    ("us_uk", [R(0, 150, 120)], ["at_once"]),
    ("cn", [R(0, 200, 80)], ["at_once"]),
    ("cn", [R(0, 199, 119)], ["waiting"]),
    # the repeat: 1 to 15 min apart, each at or over
    ("cn", [R(0, 184), R(1, 184)], ["confirmed", "confirmed"]),
    ("cn", [R(0, 184), R(15, 184)], ["confirmed", "confirmed"]),
    ("cn", [R(0, 184), R(15.1, 184)], ["waiting", "waiting"]),
    ("cn", [R(0, 184), R(5, 150)], ["refuted"]),
    ("cn", [R(0, 184), R(5, 150), R(9, 184)], ["confirmed", "confirmed"]),
    ("cn", [R(0, 184), R(15.1, 150)], ["waiting"]),
    ("cn", [R(0, 184), R(0.5, 150)], ["waiting"]),
    # what came before is no repeat
    ("cn", [R(0, 150), R(5, 184)], ["waiting"]),
    # the session's mean
    ("cn", [R(0, 186), R(2, 175)], ["confirmed"]),
    ("cn", [R(0, 186), R(2, 173)], ["refuted"]),
    # two within seconds are one look at the same moment: the repeat after a rest is still due
    ("cn", [R(0, 185), R(0.1, 184)], ["waiting", "waiting"]),
    ("cn", [R(0, 185), R(0.1, 184), R(1, 178)], ["confirmed", "confirmed"]),
    ("cn", [R(0, 174), R(2, 187)], ["confirmed"]),
    ("cn", [R(0, 186), R(2, 175), R(5, 120)], ["confirmed"]),
    # guided sessions
    ("cn", [R(0, 186, session="s")], ["waiting"]),
    ("cn", [R(0, 186, session="s"), R(1, 150, session="s")], ["waiting"]),
    ("cn", [R(0, 186, session="s"), R(1, 150, session="s", done=True)], ["refuted"]),
    ("cn", [R(0, 186, session="s"), R(1, 175, session="s", done=True)], ["confirmed"]),
    ("cn", [R(0, 186, session="s", done=True)], ["waiting"]),
    # what a reading's quality means
    ("cn", [R(0, 210, flags="demo")], []),
    ("cn", [R(0, 184, flags="implausible")], ["waiting"]),
    # at 200/120 nobody waits, however hard to believe
    ("cn", [R(0, 210, flags="implausible")], ["at_once"]),
    ("cn", [R(0, 184), R(3, 88)], ["waiting"]),
    ("cn", [R(0, 184), R(3, 120, flags="implausible")], ["waiting"]),
    ("cn", [R(0, 184), R(3, 120, flags="demo")], ["waiting"]),
    ("cn", [R(0, 184), R(3, 120, clock="untrusted")], ["waiting"]),
    ("cn", [R(0, 184, clock="untrusted")], ["waiting"]),
    ("cn", [R(0, 184, flags="ihb")], ["waiting"]),
    ("cn", [R(0, None, flags="above_range")], ["at_once"]),
    ("cn", [R(0, None, flags="below_range")], []),
    ("cn", [R(0, None, flags="failed")], []),
]


@pytest.mark.parametrize(("profile", "readings", "expected"), SEVERE)
def test_safety_06_severe_pressure(
    profile: str, readings: list[WindowReading], expected: list[str]
) -> None:
    """Limits by profile, the repeat, the session's mean, quality: each case."""
    verdicts = severe_pressure.judge_window(window(*readings, profile=profile), T0 + MINUTE)
    assert stances(verdicts) == expected
    assert {verdict.rule for verdict in verdicts} <= {"severe_pressure"}


LOW = [
    ([R(0, 90, 60)], (), []),
    ([R(0, 89, 60)], (), [("waiting", Tier.ATTENTION)]),
    ([R(0, 79, 50)], (), [("waiting", Tier.SEVERE)]),
    ([R(0, 86, 60), R(4, 88, 60)], (), [("confirmed", Tier.ATTENTION)] * 2),
    ([R(0, 86, 60), R(4, 104, 60)], (), [("refuted", Tier.ATTENTION)]),
    # what is severe the other way is no normal repeat
    ([R(0, 86, 60), R(4, 184, 100)], (), [("waiting", Tier.ATTENTION)]),
    ([R(0, 98, 60)], (SignKind.SYMPTOM,), [("at_once", Tier.SEVERE)]),
    ([R(0, 98, 60)], (SignKind.FALL,), [("at_once", Tier.SEVERE)]),
    ([R(0, 100, 60)], (SignKind.FALL,), []),
    ([R(0, None, flags="below_range")], (), [("at_once", Tier.SEVERE)]),
    ([R(0, None, flags="above_range")], (), []),
]


@pytest.mark.parametrize(("readings", "signs", "expected"), LOW)
def test_safety_06_low_pressure(
    readings: list[WindowReading],
    signs: tuple[SignKind, ...],
    expected: list[tuple[str, Tier]],
) -> None:
    """Below 90, below 100 with a sign, below 80, LO: each case."""
    said = [Sign(T0 - 20 * MINUTE, kind) for kind in signs]
    verdicts = low_pressure.judge_window(window(*readings, signs=said), T0 + MINUTE)
    assert [(v.stance.value, v.tier) for v in verdicts] == expected


@pytest.mark.parametrize(
    ("minutes", "found"),
    [([0, 7, 15], 3), ([0, 7, 15.1], 0), ([0, 1], 0), ([0, 1, 2, 3], 4), ([0, 40, 45, 50], 3)],
)
def test_failed_measurements(minutes: list[float], found: int) -> None:
    """Three within 15 minutes, and every one of them is evidence."""
    failed = [reading(minute, None, flags="failed") for minute in minutes]
    assert len(failed_measurements.judge_window(window(*failed), T0)) == found


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        (timedelta(minutes=15), Lateness.LIVE),
        (timedelta(minutes=15, seconds=1), Lateness.LATE),
        (timedelta(hours=24), Lateness.LATE),
        (timedelta(hours=24, seconds=1), Lateness.OLD),
        (-timedelta(minutes=2), Lateness.LIVE),
    ],
)
def test_safety_01_lateness(behind: timedelta, expected: Lateness) -> None:
    """15 minutes and 24 hours, the limits included."""
    assert lateness(T0, T0 + behind) is expected


def test_unowned_readings_of_different_slots_do_not_confirm_each_other() -> None:
    """Slot A and slot B are two people."""
    readings = [reading(0, 184, who="A"), reading(3, 186, who="B")]
    verdicts = severe_pressure.judge_window(window(*readings, owned=False), T0)
    assert [(v.stance.value, v.subject) for v in verdicts] == [("waiting", "A"), ("waiting", "B")]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"answer": "yes"}, Answer.YES),
        ({"answer": "有"}, Answer.YES),
        ({"answer": True}, Answer.YES),
        ({"answer": "no"}, Answer.NO),
        ({"answer": "没有"}, Answer.NO),
        ({"answer": "maybe"}, Answer.UNKNOWN),
        ({"answer": None}, Answer.UNKNOWN),
        ({"answer": {"yes": 1}}, Answer.UNKNOWN),
        ({}, Answer.UNKNOWN),
    ],
)
def test_answers(said: dict[str, object], expected: Answer) -> None:
    """Only a yes is a yes, only a no is a no."""
    assert answer_of(said) is expected
    assert answered_event({"ctx": {**said, "qid": "symptoms"}}) is expected
    assert answered_event({"ctx": {**said, "qid": "hungry"}}) is Answer.UNKNOWN


def dose(day: int, state: str, item: int = 1) -> SettledDose:
    """The dose of a day."""
    return SettledDose(
        id=f"r{item}-{day}",
        patient_id=1,
        plan_item_id=item,
        node_id="node0001",
        due_at=T0 + timedelta(days=day),
        state=state,
    )


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("m", None),
        ("mm", Reason.TWO_DOSES_MISSED),
        ("mmm", Reason.THREE_DOSES_MISSED),
        ("mmmmm", Reason.THREE_DOSES_MISSED),
        ("mmt", None),
        ("mmtm", None),
        ("tmm", Reason.TWO_DOSES_MISSED),
        ("msm", None),
        ("mlm", None),
        ("", None),
    ],
)
def test_missed_doses(states: str, expected: Reason | None) -> None:
    """In a row, up to the newest settled dose; skipped and taken late end a row."""
    names = {"m": "missed", "t": "taken", "s": "skipped", "l": "late_taken"}
    doses = [dose(day, names[letter]) for day, letter in enumerate(states)]
    verdict = missed_doses.judge_doses(doses, None)
    assert (verdict.reason if verdict else None) == expected
    if verdict is not None:
        assert (verdict.tier == Tier.ATTENTION) == (expected is Reason.THREE_DOSES_MISSED)


def test_missed_doses_of_different_drugs_are_not_added_up() -> None:
    """Three drugs missed once each are one bad morning, not three in a row."""
    doses = [dose(0, "missed", item) for item in (1, 2, 3)]
    assert [len(list(g)) for _, g in groupby(doses, key=lambda d: d.plan_item_id)] == [1, 1, 1]
    assert missed_doses.judge_doses(doses, None) is None


def test_missed_doses_somebody_dealt_with_do_not_count_again() -> None:
    """After a resolution only later doses count."""
    doses = [dose(day, "missed") for day in range(4)]
    assert missed_doses.judge_doses(doses, doses[2].due_at) is None
    assert missed_doses.judge_doses(doses, doses[1].due_at) is not None


def silent(nodes: Sequence[str | None], links: Sequence[str | None]) -> Silent:
    """Nothing for four days."""
    return Silent(
        patient_id=1,
        node_id="node0001",
        last_at=T0 - timedelta(days=4),
        created_at=T0 - timedelta(days=40),
        expect_s=259_200,
        nodes=tuple(nodes),
        links=tuple(links),
    )


@pytest.mark.parametrize(
    ("nodes", "links", "reason", "technical"),
    [
        ([], [], Reason.NO_DEVICE, True),
        ([None], [None], Reason.GATEWAY_NEVER_SEEN, True),
        (["lost"], ["ready"], Reason.GATEWAY_SILENT, True),
        (["offline"], [None], Reason.GATEWAY_SILENT, True),
        (["ready"], ["lost"], Reason.DEVICE_SILENT, True),
        (["ready"], ["out_of_range"], Reason.DEVICE_OUT_OF_RANGE, True),
        (["ready"], ["sleeping"], Reason.PERSON_DID_NOT_MEASURE, False),
        (["ready"], [None], Reason.PERSON_DID_NOT_MEASURE, False),
        (["lost", "ready"], [None, "ready"], Reason.PERSON_DID_NOT_MEASURE, False),
    ],
)
def test_no_reading(
    nodes: list[str | None], links: list[str | None], reason: Reason, technical: bool
) -> None:
    """Gateway, device, range and person are told apart."""
    verdict = no_reading.judge_silence(silent(nodes, links), T0)
    assert verdict is not None
    assert (verdict.reason, verdict.technical, verdict.tier) == (reason, technical, 0)


def test_no_reading_within_the_plan_is_nothing() -> None:
    """Exactly the planned interval is still kept."""
    kept = silent(["ready"], [None])
    assert no_reading.judge_silence(kept, T0 - timedelta(days=1)) is None


@pytest.mark.parametrize(("hours", "alarm"), [(48, False), (47.9, True), (-1, True)])
def test_plan_running_out(hours: float, alarm: bool) -> None:
    """Less than 48 hours on the device, whatever the hub has planned."""
    row = RunningOut(
        node_id="node0001",
        device_holds_until=T0 + timedelta(hours=hours),
        holds_until=T0 + timedelta(days=14),
    )
    assert (plan_running_out.judge_plan(row, T0) is not None) is alarm


@pytest.mark.parametrize(
    ("type_", "body", "is_call"),
    [
        ("call_doctor", {}, True),
        ("sos", {}, True),
        ("fall", {"conf": 0.2}, True),
        ("no_motion", {}, True),
        ("SOS", {}, True),
        (" Call-Doctor", {}, True),
        ("gas", {"sev": "critical"}, True),
        ("gas", {"sev": "info"}, False),
        ("cancel", {"sev": "critical"}, False),
        ("answer", {"sev": "critical"}, False),
        ("clock_step", {}, False),
    ],
)
def test_safety_04_calls_for_help(type_: str, body: dict[str, object], is_call: bool) -> None:
    """Every call by type, and whatever else a device calls critical."""
    event = EventItem(
        row_id=1,
        node_id="node0001",
        event_id="e1",
        type=type_,
        patient_id=None,
        occurred_at=T0,
        received_at=T0,
        ref=None,
        body=body,
    )
    assert call_for_help.is_call(event) is is_call
    if is_call:
        assert call_for_help.judge_call(Call(event=event)).tier == Tier.EMERGENCY


def test_every_rule_and_reason_says_what_it_is_in_both_languages() -> None:
    """Names, sources, next steps and reasons; nothing untranslated."""
    assert set(TEXTS) == set(Reason)
    texts = [*TEXTS.values()]
    for name, rule in RULES.items():
        assert rule.name == name
        assert rule.version >= 1
        texts += [rule.title, rule.source, rule.next_step]
    assert all(text.zh and text.en and text.zh != text.en for text in texts)
    assert set(READING_RULES) < set(RULES)
    assert words("gone_from_the_code").zh == "gone_from_the_code"


def test_safety_10_no_text_advises_a_drug_change() -> None:
    """Safety rule 17: advice is to measure, rest, call; never a dose."""
    forbidden = ("加量", "减量", "停药", "补服一", "increase the dose", "stop the drug")
    said = [text for rule in RULES.values() for text in (rule.next_step.zh, rule.next_step.en)]
    assert [text for text in said if any(word in text for word in forbidden)] == []
