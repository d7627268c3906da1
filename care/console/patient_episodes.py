"""A patient's episodes, open and closed, each with its evidence and what happened to it."""

from datetime import datetime

from nicegui import ui

from alerts.cards import Card
from care.console import judgement, words
from care.console.episode_dialogs import EpisodeDialogs
from care.console.frame import Frame, Refresh
from care.console.pieces import button, element, label, pill
from store import chart
from store.chart import Episode, Patient, Step
from store.pool import Connection


class EpisodesPart:
    """The list, drawn again only when an episode or its history changed."""

    def __init__(self, page: Frame, person: Patient, done: Refresh) -> None:
        self.page, self.person = page, person
        self.dialogs = EpisodeDialogs(page, done)
        self.shown: tuple[list[Episode], dict[int, list[Step]]] | None = None
        with element("section", "panel") as panel:
            panel.props["aria-label"] = page.say("episodes.title")
            with element("div", "panel__head"):
                label(page.say("episodes.title"), tag="h2")
            self.body = element("div", "episodes")
            self.none = label(page.say("episodes.none"), "note", tag="p")

    async def refresh(self, conn: Connection, now: datetime) -> None:
        """Read and show."""
        found = await chart.episodes(
            conn, patient_id=self.person.id, staff_id=self.page.visitor.staff_id
        )
        history = await chart.history(conn, episode_ids=[episode.id for episode in found])
        self.none.visible = not found
        if (found, history) == self.shown:
            return
        self.shown = (found, history)
        self.body.clear()
        with self.body:
            for episode in found:
                self._episode(episode, history.get(episode.id, []), now)

    def _episode(self, episode: Episode, steps: list[Step], now: datetime) -> None:
        say, zone = self.page.say, self.person.time_zone
        open_now = episode.state != "closed"
        look = episode.priority if open_now else "closed"
        with element("article", f"episode episode--{look}") as root:
            root.props["data-episode"] = str(episode.id)
            with element("div", "pills"):
                pill(say(f"tier.{episode.priority}"), episode.priority if open_now else "plain")
                pill(say(f"state.{episode.state}"), episode.state)
                if episode.confirmation in ("confirmed", "unconfirmed", "refuted"):
                    pill(say(f"confirmation.{episode.confirmation}"), episode.confirmation)
                if episode.late:
                    when = words.moment(say, episode.onset_at, zone, now)
                    pill(say("worklist.late", when=when), "late")
            card = judgement.of(episode, say.locale, zone)
            title = card.title
            label(title, "episode__title", tag="h3")
            label(words.moment(say, episode.opened_at, zone, now), "panel__fine")
            for line in self._ending(episode, now):
                label(line, "episode__line")
            if open_now and card.next_step:
                label(say("worklist.advice", advice=card.next_step), "card__advice")
            self._more(episode, steps, card, now)
            if open_now and self.page.visitor.may("handle_episode"):
                self._actions(episode, title)

    def _ending(self, episode: Episode, now: datetime) -> list[str]:
        say, zone = self.page.say, self.person.time_zone
        lines = []
        if episode.state == "acknowledged" and episode.acknowledged_at is not None:
            when = words.moment(say, episode.acknowledged_at, zone, now)
            who = episode.acknowledged_by or say("app.unknown")
            lines.append(say("worklist.acknowledged", who=who, when=when))
        if episode.closed_at is not None:
            when = words.moment(say, episode.closed_at, zone, now)
            if episode.closed_by:
                lines.append(say("episodes.closed", who=episode.closed_by, when=when))
            else:
                lines.append(say("episodes.closed_by_system", when=when))
        if episode.outcome:
            outcome = say.known("outcome", episode.outcome, episode.outcome)
            lines.append(say("episodes.outcome", outcome=outcome))
        if episode.next_step:
            lines.append(say("episodes.next_step", step=episode.next_step))
        if episode.note:
            lines.append(say("episodes.note", note=episode.note))
        return lines

    def _more(self, episode: Episode, steps: list[Step], card: Card, now: datetime) -> None:
        """The evidence and the history, opened by the reader."""
        say, zone = self.page.say, self.person.time_zone
        with ui.expansion(say("episodes.more")).classes("more"), element("div", "more__body"):
            label(say("episodes.evidence"), "field__label")
            for line in card.evidence:
                label(line, "more__fact")
            label(say("episodes.history"), "field__label")
            with element("ol", "steps"):
                for step in steps:
                    who = step.actor_name or say("phase.engine")
                    phase = say.known("phase", step.phase, step.phase)
                    when = words.moment(say, step.at, zone, now)
                    parts = (when, phase, who, judgement.why(say, episode, step))
                    label(" · ".join(dict.fromkeys(part for part in parts if part)), tag="li")
            label(card.rule, "panel__fine")

    def _actions(self, episode: Episode, title: str) -> None:
        say, name = self.page.say, self.person.name
        with element("div", "episode__actions"):
            if episode.state != "acknowledged":
                button(
                    say("worklist.acknowledge"),
                    "main",
                    lambda: self.dialogs.acknowledge(episode.id, name, title, episode.priority),
                    said=say("worklist.acknowledge_who", who=name, what=title),
                )
            button(
                say("worklist.resolve"),
                "main" if episode.state == "acknowledged" else "second",
                lambda: self.dialogs.resolve(episode.id, name, title),
                said=say("worklist.resolve_who", who=name, what=title),
            )
