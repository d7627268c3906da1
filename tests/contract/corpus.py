"""The golden corpus: every example of the specification, and on which topic it travels."""

from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
UP = {
    "obs.json": "obs",
    "birth.json": "birth",
    "state_ready.json": "state",
    "state_lost.json": "state",
    "event_call_doctor.json": "event",
    "event_cancel.json": "event",
    "event_fall.json": "event",
    "event_clock_step.json": "event",
    "ack.json": "ack",
    "ack_plan.json": "ack",
    "wave.json": "wave",
    "res.json": "res",
    "res_answer.json": "res",
    "time_request.json": "time",
}
DOWN = {
    "fb_answered.json": "fb",
    "fb_reject.json": "fb",
    "fb_receipt.json": "fb",
    "plan.json": "plan",
    "reminder.json": "reminder",
    "cmd.json": "cmd",
    "cmd_ask.json": "cmd",
    "time_answer.json": "time",
    "hub_status.json": "status",
}


def golden(name: str) -> bytes:
    """The bytes of one example."""
    return (FOLDER / name).read_bytes()
