"""What a fleet does: how many, how fast, what mix, how badly behaved, and who the nodes are."""

from pathlib import Path

import msgspec
from msgspec import Struct, field


class AccountsError(Exception):
    """The file of accounts is not there or makes no sense; the message says what to do."""


class Device(Struct, frozen=True, kw_only=True):
    """A device behind a node. `who` maps each slot ('' is the whole device) to the patient it
    measures in the hub; the fleet only copies that number into its ledger."""

    dev: str
    type: str = "bpm"
    who: dict[str, int] = field(default_factory=dict)


class Account(Struct, frozen=True, kw_only=True):
    """A node as the hub knows it: its id (user name and client id too), password, devices.

    The fleet uses a `bpm` for pressures and an `oximeter` for batches and blocks; what is not
    there is not sent. A `bpm` with slots is a shared device.
    """

    node: str
    password: str
    devs: tuple[Device, ...] = ()


class Mix(Struct, frozen=True, kw_only=True):
    """How often each kind of message comes, relative to the others."""

    single: float = 1.0  # one blood pressure
    batch: float = 0.0  # ten saturations and ten pulses with offsets of their own
    block: float = 0.0  # 60 samples with a regular step
    event: float = 0.0  # a fault of a device, never a call for help
    ack: float = 0.0  # the answer to a dose nobody knows


class Mischief(Struct, frozen=True, kw_only=True):
    """Shares (0 to 1) of what goes wrong. Of all messages: `tenfold`, `late`, `malformed`; of the
    single pressures: the clocks, `fix` and `conflict`; of those on shared devices: the slots."""

    tenfold: float = 0.0  # sent ten times in a row
    late: float = 0.0  # sent after one to five later ones
    malformed: float = 0.0
    clock_1970: float = 0.0
    clock_2099: float = 0.0
    clock_tomorrow: float = 0.0
    clock_none: float = 0.0  # no time, only the uptime
    fix: float = 0.0  # corrects an earlier pressure
    conflict: float = 0.0  # says an earlier pressure again with another value
    unknown_slot: float = 0.0  # names a slot nobody has
    no_slot: float = 0.0  # names none, on a device of several people


class FleetOptions(Struct, frozen=True, kw_only=True):
    """Everything a run depends on. With the same seed, boot, start and accounts a fleet makes the
    same messages with the same times; only when they leave depends on the machine."""

    broker: str  # mqtt://127.0.0.1:1883, loopback only; who the nodes are say the accounts
    accounts: tuple[Account, ...]
    ledger: Path  # is made new; a file that is there is never written over
    seed: int = 1
    boot: int | None = None  # None: the second of the start, so that a second run counts anew
    start_ms: int | None = None  # the planned times count from here; None: when all are connected
    rate: float = 50.0  # messages a second, over all nodes
    ramp_s: float = 0.0  # seconds from nothing to the rate
    burst_factor: float = 1.0  # during bursts the rate is that many times higher
    burst_every_s: float = 60.0
    burst_s: float = 5.0
    minutes: float = 1.0  # how long new messages are made
    mix: Mix = Mix()
    mischief: Mischief = Mischief()
    share_v311: float = 0.0  # of nodes that speak MQTT 3.1.1
    share_cbor: float = 0.0  # of nodes that speak CBOR
    resend_s: float = 60.0  # what has no receipt after that long is sent again
    catch_up_per_s: float = 20.0  # backlog of one node
    settle_s: float = 60.0  # at the end: how long to wait for the last receipts
    obey_hub_status: bool = True  # False: measurements are sent whatever the hub says
    connects_per_s: float = 500.0  # at the start, over all nodes
    reconnect_base_s: float = 1.0
    reconnect_cap_s: float = 120.0
    reconnect_min_s: float = 5.0  # never oftener than that
    refused_s: float = 60.0  # after wrong credentials, or a session taken over
    keep_alive_s: int = 60
    will_delay_s: int = 30


_DECODER = msgspec.json.Decoder(tuple[Account, ...])


def read_accounts(path: Path) -> tuple[Account, ...]:
    """The nodes of an accounts file, as `hearthbeat node fleet` writes it.

    Raises AccountsError.
    """
    try:
        found = _DECODER.decode(path.read_bytes())
    except OSError as error:
        raise AccountsError(
            f"{path}: {error.strerror}; `hearthbeat node fleet` makes such a file"
        ) from error
    except msgspec.DecodeError as error:
        raise AccountsError(f"{path} is no file of accounts: {error}") from error
    if not found:
        raise AccountsError(f"{path} names no node")
    return found


def write_accounts(path: Path, accounts: tuple[Account, ...]) -> None:
    """Write an accounts file that only its owner can read: it holds passwords."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(msgspec.json.encode(accounts))
