"""The keys of a hub's directory, for commands that have to open or sign something."""

from pathlib import Path

from hub.admin.reach import REFUSED, end
from hub.home import Home
from runtime.authority import Authority, NoAuthorityError
from runtime.sealing import CannotUnsealError, Sealer, load_sealer


def sealer_of(data: Path) -> Sealer:
    """The key that seals the secrets of units; ends the command where it is not to be had."""
    try:
        return load_sealer(Home(data).unit_key)
    except CannotUnsealError as error:
        end(REFUSED, f"{error}; give its directory with --data")


def authority_of(data: Path) -> Authority:
    """The hub's own certificate authority; ends the command where it is not to be had."""
    try:
        return Authority.load(Home(data).authority)
    except NoAuthorityError as error:
        end(REFUSED, f"{error}: only who runs the hub may use it; give its directory with --data")
