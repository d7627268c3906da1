"""Is the hub able to keep what it is sent? Troubles are named, and count once they last."""

from collections.abc import Callable

import structlog

_LOG = structlog.get_logger()


class Health:
    """Troubles by name with their beginning. Each change of state is logged once."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since: dict[str, float] = {}
        self._why: dict[str, str] = {}

    def trouble(self, name: str, reason: str) -> None:
        """This does not work now."""
        if name not in self._since:
            self._since[name] = self._monotonic()
            self._why[name] = reason
            _LOG.warning("trouble", what=name, reason=reason)

    def fine(self, name: str) -> None:
        """This works."""
        since = self._since.pop(name, None)
        self._why.pop(name, None)
        if since is not None:
            _LOG.info("trouble_over", what=name, lasted_s=round(self._monotonic() - since, 1))

    def lasting(self, seconds: float) -> list[str]:
        """What has not worked for that long."""
        now = self._monotonic()
        return sorted(name for name, since in self._since.items() if now - since >= seconds)

    def reasons(self) -> dict[str, str]:
        """Everything that does not work now, by name, with the reason it began with."""
        return dict(self._why)
