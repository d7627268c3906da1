"""The plan on the device: kept through a restart, rung by the device's own clock, answered once.

`gateway/ringing.py` decides; this remembers and acts. Doses live in memory and on disk; when the
disk refuses, memory goes on, because a dose must be asked for all the same.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

import msgspec
import structlog
from msgspec import structs

from contract.instants import to_millis
from contract.messages import Acknowledgement, Plan, Reminder
from gateway import ringing
from gateway.reports import Reports
from gateway.ringing import Dose, Item
from gateway.sql import statements
from gateway.storage import Storage, StorageUnavailableError
from gateway.timekeeper import Timekeeper

_LOG = structlog.get_logger()
_SQL: Final = statements("dose")
_REVISION: Final = "plan_rev"
KEPT: Final = timedelta(days=40)
NOTICE: Final = timedelta(hours=12)

OnPrompt = Callable[[Dose], None]


class Reminders:
    """Doses and ad-hoc reminders of this node."""

    def __init__(
        self, storage: Storage, reports: Reports, timekeeper: Timekeeper, *, on_prompt: OnPrompt
    ) -> None:
        self._storage = storage
        self._reports = reports
        self._time = timekeeper
        self._on_prompt = on_prompt
        self._doses = {dose.id: dose for dose in map(_dose, storage.rows(_SQL["all"]))}
        self.revision: int | None = storage.fact(_REVISION)

    def _now(self) -> int:
        return to_millis(self._time.now())

    # --- what comes down ----------------------------------------------------------------------

    def accept(self, plan: Plan) -> bool:
        """Take a plan over, unless it is older, the same, or expired; then say so to the hub."""
        now = self._now()
        if self.revision is not None and plan.rev <= self.revision:
            return False
        if self._time.known and plan.exp <= now:
            _LOG.warning("plan_expired", rev=plan.rev)
            return False
        planned = ringing.merge(self._doses, ringing.occurrences(plan, now=now))
        gone = ringing.taken_away(self._doses.values(), plan)
        received = Acknowledgement(id=f"plan:{plan.rev}", st="received", at=now)
        self._save([*planned, *gone], [received], revision=plan.rev)
        _LOG.info("plan_received", rev=plan.rev, doses=len(planned), withdrawn=len(gone))
        return True

    def clear(self) -> None:
        """The plan was taken from the broker: nothing of it rings any more, and whatever
        revision comes next is new."""
        gone = [
            structs.replace(dose, withdrawn=True)
            for dose in self._doses.values()
            if dose.rev > 0 and ringing.stands(dose)
        ]
        self._save(gone, [], revision=None)
        _LOG.info("plan_cleared", withdrawn=len(gone))

    def accept_reminder(self, reminder: Reminder) -> bool:
        """Take an ad-hoc reminder; one known already or expired is ignored."""
        now = self._now()
        if reminder.id in self._doses or (self._time.known and reminder.exp <= now):
            return False
        self._save([ringing.single(reminder, now=now)], [])
        return True

    # --- time passes --------------------------------------------------------------------------

    def tick(self) -> bool:
        """Ring and record what is due; whether anything was. Without a time nothing rings."""
        if not self._time.known:
            return False
        now = self._now()
        actions = ringing.decide(self._doses.values(), now)
        for action in actions:
            if isinstance(action, ringing.Prompt):
                self._prompt(action, now)
            else:
                self._miss(action)
        return bool(actions)

    def _prompt(self, action: ringing.Prompt, now: int) -> None:
        dose = ringing.prompted(action.dose, now)
        self._save([dose], self._ack(dose, "shown", now) if action.first else [])
        self._on_prompt(dose)

    def _miss(self, action: ringing.Miss) -> None:
        dose = ringing.missed(action.dose, action.at)
        why = None if action.shown else "not_shown"
        self._save([dose], self._ack(dose, "missed", action.at, why=why))
        _LOG.info("dose_missed", dose=dose.id, shown=action.shown)

    # --- what the person says -----------------------------------------------------------------

    def answer(self, dose_id: str, said: str, *, by: str = "button") -> bool:
        """`taken`, `skipped` or `snoozed`; False when there is nothing to answer."""
        dose, now = self._doses.get(dose_id), self._now()
        answered = None if dose is None else ringing.answer(dose, said, now)
        if answered is None:
            return False
        st = said if said == "snoozed" else answered.outcome or said
        self._save([answered], self._ack(answered, st, now, by=by))
        return True

    def notice(self, dose_id: str) -> bool:
        """The person has read that a dose was missed."""
        dose = self._doses.get(dose_id)
        if dose is None or dose.noticed:
            return False
        self._save([structs.replace(dose, noticed=True)], [])
        return True

    def open(self) -> list[Dose]:
        """The doses that stand on the screen, in the order they are due."""
        now = self._now()
        asked = (dose for dose in self._doses.values() if ringing.is_open(dose, now))
        return sorted(asked, key=lambda dose: (dose.due, dose.id))

    def missed(self) -> list[Dose]:
        """Doses whose time has passed lately and of which the person has not read so."""
        since = self._now() - NOTICE // timedelta(milliseconds=1)
        return [
            dose
            for dose in self._doses.values()
            if dose.outcome == "missed" and not (dose.noticed or dose.withdrawn)
            if dose.closes >= since
        ]

    def next_due(self) -> Dose | None:
        """The next dose to come."""
        now = self._now()
        coming = [dose for dose in self._doses.values() if ringing.stands(dose) and dose.due > now]
        return min(coming, key=lambda dose: (dose.due, dose.id), default=None)

    def serves_several(self) -> bool:
        """Whether the plan is for more than one person, so that each dose says whose it is."""
        people = {d.item.who for d in self._doses.values() if d.rev > 0 and not d.withdrawn}
        return len(people) > 1

    def may_snooze(self, dose: Dose) -> bool:
        """Whether `later` may be offered."""
        return ringing.may_snooze(dose, self._now())

    # --- remembering --------------------------------------------------------------------------

    def _ack(
        self, dose: Dose, st: str, at: int, *, by: str | None = None, why: str | None = None
    ) -> list[Acknowledgement]:
        if not dose.item.ack:
            return []
        who = dose.item.who
        return [Acknowledgement(id=dose.id, st=st, at=at, by=by, why=why, who=who)]

    def _save(
        self,
        doses: Iterable[Dose],
        acks: list[Acknowledgement],
        *,
        revision: int | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> None:
        """On disk together with what is said of it; then in memory."""
        doses = list(doses)
        try:
            with self._storage.transaction():
                for dose in doses:
                    self._storage.change(_SQL["put"], _values(dose))
                if revision is not msgspec.UNSET:
                    self._storage.set_fact(_REVISION, revision)
                self._reports.acknowledge(acks)
        except StorageUnavailableError as error:
            _LOG.error("doses_not_stored", error=str(error))
            self._reports.acknowledge(acks)
        self._doses.update((dose.id, dose) for dose in doses)
        if revision is not msgspec.UNSET:
            self.revision = revision

    def forget(self) -> None:
        """Let go of doses so old that nobody delivers them again."""
        before = self._now() - KEPT // timedelta(milliseconds=1)
        with self._storage.transaction():
            self._storage.change(_SQL["forget"], {"before": before})
        self._doses = {key: dose for key, dose in self._doses.items() if dose.closes >= before}


def _values(dose: Dose) -> dict[str, Any]:
    return structs.asdict(dose) | {"item": msgspec.json.encode(dose.item)}


def _dose(row: Any) -> Dose:
    values = dict(row)
    values["item"] = msgspec.json.decode(values["item"], type=Item)
    values["noticed"] = bool(values["noticed"])
    values["withdrawn"] = bool(values["withdrawn"])
    return Dose(**values)
