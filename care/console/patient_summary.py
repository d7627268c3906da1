"""The four figures at the top of a patient's page: latest, week, doses, target."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from care.console import words
from care.console.frame import Frame
from care.console.pieces import element, label
from measures.adherence import Adherence, adherence
from measures.adherence import Dose as MeasuredDose
from measures.session import Sample, Session, sessions
from measures.statistics import mean
from measures.target import Target
from store.chart import Dose, Patient, Pressure

# A mean of home pressures is valid from so many readings on so many days (clinical default).
ENOUGH_READINGS: Final = 12
ENOUGH_DAYS: Final = 4
DOSE_DAYS: Final = 30


class _Tile:
    """One figure: what it is, the figure, a word of judgement, what it rests on."""

    def __init__(self, title: str) -> None:
        with element("div", "tile"):
            label(title, "tile__title")
            with element("div", "tile__row"):
                self.value = label("–", "tile__value")
                self.trend = label("", "trend")
            self.fine = label("", "tile__fine")

    def show(self, value: str, fine: str, trend: str = "", kind: str = "") -> None:
        self.value.set_text(value)
        self.fine.set_text(fine)
        self.trend.set_text(trend)
        self.trend.classes(replace=f"trend trend--{kind}" if trend else "trend")


class SummaryPart:
    """Figures that answer the first questions of a doctor."""

    def __init__(self, page: Frame, person: Patient, target: Target) -> None:
        self.page, self.person, self.target = page, person, target
        say = page.say
        with element("section", "tiles") as tiles:
            tiles.props["aria-label"] = say("patient.summary")
            self.latest = _Tile(say("patient.latest"))
            self.week = _Tile(say("patient.week_mean"))
            self.doses = _Tile(say("patient.adherence", n=DOSE_DAYS))
            goal = _Tile(say("patient.target"))
        value = say("patient.target_value", sys=target.sys, dia=target.dia)
        goal.show(value, say("patient.target_why", why=self._why()))

    def _why(self) -> str:
        """Which rule chose the target."""
        say, person = self.page.say, self.person
        if person.target_sys is not None:
            return say("target.own")
        profile = say.known("profile", person.profile, person.profile)
        if person.frail:
            return f"{profile} · {say('patient.frail')}"
        if person.birth_date is None:
            return f"{profile} · {say('target.age_unknown')}"
        years = words.age(person.birth_date, self.page.console.now().date())
        return f"{profile} · {say('person.age', n=years)}"

    def show(
        self,
        pressures: Sequence[Pressure],
        doses: Sequence[Dose],
        week: datetime,
        now: datetime,
    ) -> None:
        """Show the figures; pressures come newest first."""
        self._latest(pressures, now)
        good = [p for p in pressures if p.measured_at >= week and words.counts(p.flags, p.clock)]
        self._week(
            [
                Sample(p.measured_at, p.sys, p.dia)
                for p in good
                if p.sys is not None and p.dia is not None
            ]
        )
        since = now - timedelta(days=DOSE_DAYS)
        self._doses([dose for dose in doses if since <= dose.due_at <= now])

    def _latest(self, pressures: Sequence[Pressure], now: datetime) -> None:
        say = self.page.say
        if not pressures:
            self.latest.show("–", say("patients.no_reading"))
            return
        newest = pressures[0]
        when = words.moment(say, newest.measured_at, self.person.time_zone, now)
        if newest.sys is None or newest.dia is None:
            self.latest.show(" · ".join(words.flags(say, newest.flags)) or "–", when)
            return
        pulse = say("patient.pulse", n=words.number(newest.pulse)) if newest.pulse else ""
        fine = " · ".join(part for part in (when, pulse) if part)
        text, kind = self._judge(newest.sys, newest.dia)
        self.latest.show(words.pressure(newest.sys, newest.dia), fine, text, kind)

    def _week(self, samples: list[Sample]) -> None:
        say = self.page.say
        found: list[Session] = sessions(samples)
        if not found:
            self.week.show("–", say("patient.too_few"))
            return
        sys, dia = mean([s.sys for s in found]), mean([s.dia for s in found])
        zone = words.zone(self.person.time_zone)
        days = {s.start.astimezone(zone).date() for s in found}
        enough = len(samples) >= ENOUGH_READINGS and len(days) >= ENOUGH_DAYS
        fine = say("patient.week_mean_n", n=len(found))
        if not enough:
            fine = f"{fine} · {say('patient.too_few')}"
        text, kind = self._judge(sys, dia)
        self.week.show(words.pressure(round(sys), round(dia)), fine, text, kind)

    def _judge(self, sys: float, dia: float) -> tuple[str, str]:
        if self.target.met(sys, dia):
            return self.page.say("patient.in_target"), "met"
        return self.page.say("patient.above_target"), "above"

    def _doses(self, doses: Sequence[Dose]) -> None:
        say = self.page.say
        figures: Adherence = adherence(
            [
                MeasuredDose(d.due_at, d.window_from, d.window_to, d.state, d.state_at)
                for d in doses
            ],
            words.zone(self.person.time_zone),
        )
        if figures.taking is None or figures.timing is None:
            self.doses.show("–", say("patient.adherence_none"))
            return
        share = say("patient.share", n=round(100 * figures.taking))
        of = say("patient.adherence_of", taken=figures.taken, due=figures.prescribed)
        timing = say("patient.adherence_time", share=round(100 * figures.timing))
        self.doses.show(share, f"{of} · {timing}")
