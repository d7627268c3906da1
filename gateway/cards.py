"""What is going on, as cards for the screen. Pure: state in, words and buttons out."""

from gateway import texts
from gateway.commands import Question
from gateway.guidance import READINGS, Session
from gateway.help_call import Call
from gateway.ringing import Dose
from gateway.screen.view import Button, Card
from gateway.texts import Text


def call_card(call: Call, *, unheard: bool, may_cancel: bool, number: str) -> Card:
    """How far the call for help has come."""
    if call.cancelled:
        return Card(
            kind="call",
            id=call.id,
            title=texts.CALL_CANCELLED,
            text=texts.CALL_CANCELLED_HOW,
            buttons=[_ok("close_call", call.id)],
        )
    if unheard:
        return Card(
            kind="call",
            id=call.id,
            tone="grave",
            title=texts.CALL_UNHEARD,
            text=texts.fill(texts.CALL_UNHEARD_HOW, number=number),
        )
    over = call.stage in {"answered", "closed"}
    cancel = Button(do="cancel_call", id=call.id, label=texts.CANCEL_CALL)
    return Card(
        kind="call",
        id=call.id,
        tone="calm" if over else "care",
        title=texts.CALL_STAGES.get(call.stage, texts.CALL_STAGES["sent"]),
        text=call.say or texts.fill(texts.CALL_WAIT, number=number),
        buttons=[_ok("close_call", call.id)] if over else [cancel] if may_cancel else [],
    )


def dose_card(dose: Dose, *, more: int, may_snooze: bool, several_people: bool) -> Card:
    """Ask for a dose, or say what a reminder says."""
    if not dose.item.ack or dose.item.kind not in {"med", "medication"}:
        return Card(
            kind="reminder",
            id=dose.id,
            title=texts.REMINDER,
            text=dose.item.text,
            buttons=[Button(do="take", id=dose.id, label=texts.OK, look="main")],
        )
    who = dose.item.who
    buttons = [Button(do="take", id=dose.id, label=texts.TAKEN, look="main")]
    if may_snooze:
        buttons.append(Button(do="snooze", id=dose.id, label=texts.LATER))
    buttons.append(Button(do="skip", id=dose.id, label=texts.SKIP, look="quiet"))
    return Card(
        kind="dose",
        id=dose.id,
        title=_for(texts.DOSE, who) if several_people and who else texts.DOSE,
        text=dose.item.text,
        note=texts.fill(texts.DOSE_MORE, n=more) if more else {},
        buttons=buttons,
    )


def _for(title: Text, who: str) -> Text:
    whom = texts.fill(texts.FOR, who=who)
    return {language: title[language] + whom[language] for language in texts.LANGUAGES}


def missed_card(dose: Dose) -> Card:
    """Its time has passed: do not take it now, and say if you did."""
    return Card(
        kind="missed",
        id=dose.id,
        tone="care",
        title=texts.MISSED,
        text=texts.MISSED_ADVICE,
        note=dose.item.text,
        buttons=[
            _ok("noticed", dose.id),
            Button(do="take", id=dose.id, label=texts.TOOK_IT, look="quiet"),
        ],
    )


def session_card(session: Session, seconds_left: int) -> Card:
    """Rest, or press start: the next step of measuring."""
    resting = session.stage == "resting"
    if resting:
        title, text = (texts.REST_AGAIN if session.readings else texts.REST), texts.REST_HOW
    else:
        title, text = texts.PRESS_START, texts.PRESS_START_HOW
    if session.who is not None:
        title = _for(title, session.who)
    number = len(session.readings) + 1
    progress = texts.fill(texts.READING_OF, n=number, of=session.of)
    return Card(
        kind="session",
        id=session.id,
        title=title,
        text=text,
        note=texts.ASKED if session.of < READINGS else progress,
        seconds_left=seconds_left if resting else None,
        buttons=[Button(do="stop", id=session.id, label=texts.STOP, look="quiet")],
    )


def advice_card(level: str, number: str) -> Card:
    """What to do about a grave reading, until somebody calls."""
    return Card(
        kind="advice",
        id=level,
        tone="care",
        title=texts.ADVICE_TITLE[level],
        text=texts.fill(texts.ADVICE[level], number=number),
        buttons=[_ok("heard_advice", level)],
    )


def question_card(question: Question) -> Card:
    """A question of the team, with its answers."""
    return Card(
        kind="question",
        id=question.id,
        title=texts.QUESTION,
        text=question.text,
        buttons=[
            Button(do="answer", id=question.id, value=value, label=label)
            for value, label in question.options
        ],
    )


def message_card(command_id: str, words: Text) -> Card:
    """Something the team has to say."""
    return Card(
        kind="message",
        id=command_id,
        title=texts.MESSAGE,
        text=words,
        buttons=[_ok("heard", command_id)],
    )


def unbound_card(serial: str) -> Card:
    """This unit is no node yet: somebody has to scan its code."""
    return Card(
        kind="unbound",
        id=serial,
        title=texts.UNBOUND,
        text=texts.UNBOUND_HOW,
        note=texts.fill(texts.UNBOUND_SERIAL, serial=serial),
    )


def _ok(do: str, card_id: str) -> Button:
    return Button(do=do, id=card_id, label=texts.OK, look="main")
