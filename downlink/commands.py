"""What an answer does to the state of a command. Pure."""

from typing import Final

FINAL: Final = frozenset({"ok", "error", "busy", "unsupported", "expired"})


def next_state(current: str, said: str, *, answered: bool) -> str | None:
    """The state after the device's answer; None when it stays.

    The device's first final word stands. Expired without an answer is only the hub's guess:
    a final word that comes later corrects it.
    """
    if said == "accepted":
        return said if current in ("queued", "sent") else None
    # Our own guess comes back over the feed: it must not count as the device's word.
    if said not in FINAL or said == current:
        return None
    if current not in FINAL or (current == "expired" and not answered):
        return said
    return None
