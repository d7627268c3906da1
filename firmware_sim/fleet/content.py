"""What a message says and which rows it must lead to: a pure function of node and message.

Written from the specification alone, with plain dictionaries: nothing here decodes or encodes
with the hub's own code.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal, NamedTuple

import cbor2
import msgspec

from firmware_sim.fleet.chance import after, draw
from firmware_sim.fleet.ledger import BlockDue, ReadingDue
from firmware_sim.fleet.message import Message
from firmware_sim.fleet.options import Account, Device

Encoding = Literal["json", "cbor"]

SAMPLES: Final = 60
BATCH: Final = 10
UNKNOWN_SLOT: Final = "H"
_CUFF: Final = "bpm"
_OXIMETER: Final = "oximeter"
_1970_MS: Final = 1_000_000_000
_2099_MS: Final = 4_070_908_800_000
_DAY_MS: Final = 86_400_000
_TRUE_CLOCKS: Final = frozenset({"", "fix", "conflict"})
_SALT_SLOT: Final = 1
_SALT_RECORDS: Final = 2
_SALT_SAMPLES: Final = 3
_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Content(NamedTuple):
    """The bytes of a message, the `t` of its envelope, and the rows it must lead to."""

    payload: bytes
    sent_ms: int | None
    readings: tuple[ReadingDue, ...] = ()
    blocks: tuple[BlockDue, ...] = ()
    rejected: bool = False


class Author:
    """Writes the messages of one node. `started_ms` is when the node was switched on."""

    def __init__(
        self,
        account: Account,
        number: int,
        *,
        seed: int,
        boot: int,
        started_ms: int,
        encoding: Encoding = "json",
        records: bool = False,
        block_step_ms: int = 1000,
        odd_slots: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """`records`: readings carry record numbers, so that several may share a millisecond.

        `odd_slots`: of a shared device's pressures, how many name a slot nobody has, or none.
        """
        self.account = account
        self.cuff = _first(account, _CUFF)
        self.oximeter = _first(account, _OXIMETER)
        self._chance = draw(seed, number)
        self._boot = boot
        self.started_ms = started_ms
        self._records = records
        self._step_ms = block_step_ms
        self._encode: Callable[[Any], bytes] = _json if encoding == "json" else cbor2.dumps
        self._encoding = encoding
        self._slots = _slots(self.cuff)
        self._odd_slots = odd_slots
        self._samples = _samples(seed)

    def write(self, message: Message, *, up_ms: int) -> Content:
        """The content of a message that leaves `up_ms` after the node was switched on."""
        match message.sort:
            case "single":
                return self._single(message, up_ms)
            case "batch":
                return self._batch(message)
            case "block":
                return self._block(message)
            case "torn":
                return self._torn(message)
            case "wrong":
                return self._wrong(message)
            case _:
                body = self._said(message)
                return Content(self._pack(message, body), message.t)

    # --- measurements -------------------------------------------------------------------------

    def _single(self, message: Message, up_ms: int) -> Content:
        cuff = self.cuff
        assert cuff is not None  # noqa: S101 - the plan makes none without a cuff
        seq, at = message.about or (message.seq, message.t)
        record = seq if self._records else 0
        values = self._pressure(seq)
        if message.about is not None:
            values = (values[0] + 1 + message.seq % 4, values[1], values[2])
        who, patient = self._slot(seq)
        series: dict[str, Any] = {
            "k": "bp",
            "dev": cuff.dev,
            "o": [at - message.t],
            "c": {"sys": [values[0]], "dia": [values[1]], "pr": [values[2]]},
            "pos": "sitting",
        }
        if who is not None:
            series["who"] = who
        if record:
            series["rec"] = record
        if message.twist == "fix":
            series["fix"] = 1
        envelope, claim, clock, anchored = self._clock(message, up_ms, series)
        due = ReadingDue(
            cuff.dev,
            "bp",
            at if anchored else claim,
            record,
            (values[0], values[1], None, values[2]),
            who,
            patient,
            clock,
            anchored,
            message.twist if message.twist in ("fix", "conflict") else "new",
        )
        envelope["ser"] = [series]
        return Content(self._encode(envelope), envelope.get("t"), (due,))

    def _clock(
        self, message: Message, up_ms: int, series: dict[str, Any]
    ) -> tuple[dict[str, Any], int | None, str, bool]:
        """The envelope, the claimed time, the quality the hub must store, and whether the time of
        the device counts."""
        envelope = self._envelope(message)
        if message.twist in _TRUE_CLOCKS:
            return envelope, message.t, "ntp", True
        if message.twist == "clockless":
            del envelope["t"]
            series["o"] = [max(0, message.t - self.started_ms)]
            return envelope | {"clk": "none", "up": up_ms}, None, "derived", False
        wrong = {
            "1970": message.t % _1970_MS,
            "2099": _2099_MS + message.t % _1970_MS,
            "tomorrow": message.t + _DAY_MS,
        }[message.twist]
        return envelope | {"t": wrong}, wrong, "untrusted", False

    def _pressure(self, seq: int) -> tuple[int, int, int]:
        drawn = after(self._chance, seq)
        return 105 + (drawn & 31), 65 + (drawn >> 8 & 15), 60 + (drawn >> 16 & 31)

    def _slot(self, seq: int) -> tuple[str | None, int | None]:
        """Who is said to be measured, and who that is in the hub."""
        if not self._slots:
            return None, self.cuff.who.get("") if self.cuff else None
        drawn = after(after(self._chance, seq), _SALT_SLOT)
        dice, (unknown, none) = (drawn & 0xFFFF) / 65536, self._odd_slots
        if dice < unknown:
            return UNKNOWN_SLOT, None
        if dice < unknown + none:
            return None, None
        slot = self._slots[(drawn >> 16) % len(self._slots)]
        return slot, self.cuff.who[slot] if self.cuff else None

    def _batch(self, message: Message) -> Content:
        oximeter = self.oximeter
        assert oximeter is not None  # noqa: S101 - the plan makes none without an oximeter
        record = message.seq if self._records else 0
        start = after(self._chance, message.seq) & 63
        offsets = list(range(1 - BATCH, 1))
        patient = oximeter.who.get("")
        series, due = [], []
        for kind, shift in (("spo2", 0), ("pr", -28)):
            # A missing sample is no reading, so there is none here.
            values = [(value or 97) + shift for value in self._samples[start : start + BATCH]]
            one = {"k": kind, "dev": oximeter.dev, "o": offsets, "y": values}
            series.append(one | {"rec": record} if record else one)
            due += [
                ReadingDue(
                    oximeter.dev,
                    kind,
                    message.t + offset,
                    record,
                    (value, None, None, None),
                    None,
                    patient,
                    "ntp",
                    anchored=True,
                )
                for offset, value in zip(offsets, values, strict=True)
            ]
        return Content(self._pack(message, {"ser": series}), message.t, tuple(due))

    def _block(self, message: Message) -> Content:
        oximeter = self.oximeter
        assert oximeter is not None  # noqa: S101 - the plan makes none without an oximeter
        start = after(self._chance, message.seq) & 63
        samples = self._samples[start : start + SAMPLES]
        series = {"k": "spo2", "dev": oximeter.dev, "dt": self._step_ms, "y": samples}
        due = BlockDue(
            oximeter.dev,
            "spo2",
            0,
            message.t,
            self._step_ms,
            samples,
            oximeter.who.get(""),
            "ntp",
        )
        return Content(self._pack(message, {"ser": [series]}), message.t, blocks=(due,))

    # --- what else is said --------------------------------------------------------------------

    def _said(self, message: Message) -> dict[str, Any]:
        if message.body is not None:
            return message.body
        if message.sort == "event":
            said = {"id": f"{self._boot}-{message.seq}", "type": "device_fault", "sev": "info"}
            more = {"ctx": {"fault": "no_answer"}}
            return said | more | ({"try": message.tries + 1} if message.tries else {})
        if message.sort == "ack":
            dose = f"fleet-{self._boot}-{message.seq}"
            return {"acks": [{"id": dose, "st": "taken", "at": message.t, "by": "button"}]}
        return self._birth()

    def _birth(self) -> dict[str, Any]:
        devs = [{"dev": one.dev, "type": one.type} for one in self.account.devs]
        series: list[dict[str, Any]] = []
        if self.cuff is not None:
            series.append({"k": "bp", "dev": self.cuff.dev})
        if self.oximeter is not None:
            series.append({"k": "spo2", "dev": self.oximeter.dev, "dt": self._step_ms})
        cap = {"enc": ["json", "cbor"], "mqtt": 5, "cmd": ["resend", "rebirth"]}
        told = {"maker": "fleet", "model": "F1", "fw": "1", "spec": "1.0", "level": "gateway"}
        return told | {"cap": cap, "devs": devs, "ser": series}

    def _torn(self, message: Message) -> Content:
        """Nothing in it can be read: a JSON object that breaks off, or bytes."""
        if message.t & 1:
            text = b'{"v":0,"boot":%d,"ser":[{"k":"bp","o":[%d' % (self._boot, message.t)
            return Content(text, None, rejected=True)
        return Content(b"\x00" + after(self._chance, message.t).to_bytes(8, "big"), None,
                       rejected=True)  # fmt: skip

    def _wrong(self, message: Message) -> Content:
        """A message that is counted and whose only series nobody can take."""
        high: Any = 999 if message.seq & 1 else "high"
        series = {"k": "bp", "o": [0], "c": {"sys": [high], "dia": [80]}}
        if self.cuff is not None:
            series["dev"] = self.cuff.dev
        return Content(self._pack(message, {"ser": [series]}), message.t, rejected=True)

    def state(self, said: str, con: int) -> bytes:
        """A `state`, which is not counted."""
        return _json({"v": 0, "s": said, "con": con, "boot": self._boot})

    def will(self, con: int) -> bytes:
        """What the broker says when the connection is lost."""
        return _json({"v": 0, "s": "lost", "con": con})

    def _envelope(self, message: Message) -> dict[str, Any]:
        envelope = {
            "v": 0,
            "boot": self._boot,
            "seq": message.seq,
            "t": message.t,
            "clk": "ntp",
            "rc": 1,
        }
        if message.hist:
            envelope["hist"] = 1
        return envelope

    def _pack(self, message: Message, body: dict[str, Any]) -> bytes:
        return self._encode(self._envelope(message) | body)


def keeps_records(seed: int, number: int) -> bool:
    """Whether the meters of a node number their readings; a third of them do."""
    return draw(seed, number, _SALT_RECORDS) % 3 == 0


def _first(account: Account, type_: str) -> Device | None:
    return next((device for device in account.devs if device.type == type_), None)


def _slots(cuff: Device | None) -> tuple[str, ...]:
    return tuple(sorted(slot for slot in cuff.who if slot)) if cuff is not None else ()


@cache
def _samples(seed: int) -> tuple[int | None, ...]:
    """A long run of saturations, one in 32 of them missing, to cut blocks from."""
    drawn = [draw(seed, _SALT_SAMPLES, at) for at in range(SAMPLES + 64)]
    return tuple(None if one & 31 == 0 else 94 + (one >> 8) % 6 for one in drawn)
