"""One reading that waits: value, device, time, why, and the people it may be of."""

from collections.abc import Callable
from functools import partial

from nicegui import ui

from care.console import words
from care.console.assign_dialogs import AssignDialogs
from care.console.frame import Frame
from care.console.pieces import button, element, label, pill
from care.people.queue import Question
from care.people.undecided import Candidate, is_pseudonym
from store.deed import Load, Ref
from store.unassigned import Usual


class Card:
    """One reading as one browser sees it."""

    def __init__(self, page: Frame, dialogs: AssignDialogs, ticked: Callable[[], None]) -> None:
        self.page, self.dialogs = page, dialogs
        self.question: Question
        self._shown: Question | None = None
        with element("section", "panel waiting") as self.root:
            self.tick = ui.checkbox(on_change=ticked)
            self.facts = element("div", "waiting__facts")
            self.people = element("div", "waiting__people")

    @property
    def ticked(self) -> bool:
        """Whether it is selected."""
        return bool(self.tick.value)

    def untick(self) -> None:
        """Select it no longer."""
        self.tick.value = False

    def show(self, question: Question) -> None:
        """Bring it up to date; drawn again only when something changed."""
        self.question = question
        if question == self._shown:
            return
        self._shown = question
        one, say = question.reading, self.page.say
        when = words.moment(say, one.measured_at, one.time_zone, self.page.console.now())
        value = " ".join(words.reading(one.kind, (one.v0, one.v1, one.v2, one.v3))).strip()
        names = {"when": when, "value": value}
        self.root.props["aria-label"] = f"{value} {when}"
        self.tick.props["aria-label"] = say("unassigned.choose", **names)
        self.facts.clear()
        with self.facts:
            self._facts(when, value)
        self.people.clear()
        with self.people:
            self._people(names)

    def _facts(self, when: str, value: str) -> None:
        one, say = self.question.reading, self.page.say
        label(value, "waiting__value", tag="h2")
        label(f"{words.kind_name(say, one.kind)} · {when}", "waiting__line")
        device = (one.node_label or one.node_id, one.model, one.dev)
        label(" · ".join(part for part in device if part), "panel__fine")
        with element("div", "pills"):
            pill(say(f"unassigned_why.{self.question.why}"), "pending")
            if one.who is not None:
                key = "station" if is_pseudonym(one.who) else "slot"
                pill(say(f"unassigned.{key}", who=one.who[:20]), "plain")
            for name in words.flags(say, one.flags):
                pill(name, "plain")
            late = one.received_at - one.measured_at
            if late > words.LATE_AFTER:
                pill(say("readings.late", span=words.span(say, late)), "late")

    def _people(self, names: dict[str, str]) -> None:
        question, say = self.question, self.page.say
        ref = Ref(*question.reading.identity)
        for person in question.candidates:
            self._person(person, question.usual.get(person.patient_id), ref, names)
        if not question.candidates:
            label(say("unassigned.no_candidates"), "panel__fine")
        with element("div", "pills"):
            button(
                say("unassigned.somebody_else"),
                "quiet",
                partial(self.dialogs.ask_whose, Load([ref])),
                said=say("unassigned.somebody_said", **names),
            )
            button(
                say("unassigned.nobody"),
                "quiet",
                partial(self.dialogs.ask_why_nobody, Load([ref])),
                said=say("unassigned.nobody_said", **names),
            )

    def _person(
        self, person: Candidate, usual: Usual | None, ref: Ref, names: dict[str, str]
    ) -> None:
        say = self.page.say
        with element("div", "waiting__person"):
            button(
                say("unassigned.give", name=person.name),
                "second",
                partial(self.dialogs.give, Load([ref]), person.patient_id, person.name),
                said=say("unassigned.give_said", name=person.name, **names),
            )
            told = [say("unassigned.no_usual")]
            if usual is not None:
                value, _ = words.reading(usual.kind, usual.values)
                told = [say("unassigned.usual", value=value, n=usual.times)]
            if not person.bound:
                told.append(say("unassigned.not_bound"))
            label(" · ".join(told), "panel__fine")
