"""The models this gateway can read. A new one: its file, and its line here."""

from typing import Final

from gateway.drivers import beurer_bm65
from gateway.drivers.driver import Driver

DRIVERS: Final[dict[str, Driver]] = {
    "beurer-bm65": beurer_bm65.DRIVER,
}


class UnknownModelError(ValueError):
    """No driver of that name."""


def driver(model: str) -> Driver:
    """The driver of a model; raises UnknownModelError and names the ones there are."""
    try:
        return DRIVERS[model]
    except KeyError:
        raise UnknownModelError(f"no driver for {model}; there are: {', '.join(DRIVERS)}") from None
