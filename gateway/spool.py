"""The spool: what must reach the hub, kept on disk until the hub's receipt.

A message gets its (boot, seq) when it is added and keeps it for ever; `boot` is new at each start
of the program and `seq` counts up from 0 in it, so a number is never used for two contents. What
may differ between two sendings of the same message is only what describes the sending: `hist`,
`try` and `up`, which the uplink adds. Deleted is on a receipt, or on a refusal for good, or when
the spool is over its limits (measurements only, the oldest first, counted).
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, TypeVar

import structlog
from msgspec import Struct, structs

from contract import codec
from contract.instants import to_millis
from contract.messages import Envelope, Feedback, Receipt
from gateway.sql import statements
from gateway.storage import Storage, StorageUnavailableError

_LOG = structlog.get_logger()
_SQL: Final = statements("spool")
Message = TypeVar("Message", bound=Envelope)

# Lower is sooner. A call for help overtakes everything.
PRIORITIES: Final = {
    "event": 0, "birth": 1, "config": 2, "ack": 2, "res": 2, "obs": 3, "wave": 4,
}  # fmt: skip
MEASUREMENTS: Final = frozenset({"obs", "wave"})
DROPPED: Final = "spool_dropped"


Key = tuple[int, int]  # boot, seq


class Stored(Struct, frozen=True, kw_only=True):
    """A spooled message. `id` is negative while it is only in memory (the disk refused it)."""

    id: int
    boot: int
    seq: int
    kind: str
    payload: bytes
    created: int
    tries: int = 0

    @property
    def key(self) -> Key:
        """What the message is called for ever."""
        return self.boot, self.seq


def _digest(message: Stored) -> bytes:
    """What proves that a stored message is the one that was added."""
    head = f"{message.boot} {message.seq} {message.kind} ".encode()
    return hashlib.blake2b(head + message.payload, digest_size=16).digest()


class Spool:
    """Messages of one node, in a Storage."""

    def __init__(self, storage: Storage, *, boot: int | None = None) -> None:
        self._storage = storage
        self.boot = secrets.randbits(32) if boot is None else boot
        self._next_seq = 0
        self._memory: list[Stored] = []

    def add(self, kind: str, message: Message, now: datetime) -> Message:
        """Number and store a message, inside the caller's transaction; returns it numbered.

        Raises StorageUnavailableError (from the transaction) when the disk takes nothing; then
        the number is given back.
        """
        numbered, stored = self._number(kind, message, now)
        self._storage.on_rollback(self._give_back)
        self._insert(stored)
        return numbered

    def add_urgent(self, kind: str, message: Message, now: datetime) -> Message:
        """The same in a transaction of its own; kept in memory when the disk refuses it."""
        try:
            with self._storage.transaction():
                return self.add(kind, message, now)
        except StorageUnavailableError as error:
            numbered, stored = self._number(kind, message, now)
            self._memory.append(stored)
            _LOG.error("spool_in_memory", kind=kind, seq=stored.seq, error=str(error))
            return numbered

    def _number(self, kind: str, message: Message, now: datetime) -> tuple[Message, Stored]:
        seq = self._next_seq
        numbered = structs.replace(message, boot=self.boot, seq=seq, rc=1)
        self._next_seq += 1
        stored = Stored(
            id=-1 - seq,
            boot=self.boot,
            seq=seq,
            kind=kind,
            payload=codec.encode(numbered),
            created=to_millis(now),
        )
        return numbered, stored

    def _give_back(self) -> None:
        self._next_seq -= 1

    def _insert(self, stored: Stored) -> None:
        values = structs.asdict(stored) | {
            "priority": PRIORITIES[stored.kind],
            "digest": _digest(stored),
        }
        self._storage.change(_SQL["add"], values)

    def settle(self) -> None:
        """Try again to bring to disk what is only in memory."""
        while self._memory:
            try:
                with self._storage.transaction():
                    self._insert(self._memory[0])
            except StorageUnavailableError:
                return
            self._memory.pop(0)

    def waiting(self, now: datetime, *, live_since: datetime, limit: int) -> list[Stored]:
        """The first messages in the order of sending: events, the description, acknowledgements
        and results, measurements since `live_since`, then the backlog from its oldest on.

        What fails its digest is put into quarantine and not returned.
        """
        sound, damaged = list(self._memory), []
        for part in ("first", "fresh", "backlog"):
            values = {"live_since": to_millis(live_since), "limit": limit - len(sound)}
            for row in self._storage.rows(_SQL[part], values) if values["limit"] > 0 else ():
                message = _stored(row)
                if row["digest"] == _digest(message):
                    sound.append(message)
                else:
                    damaged.append(message.id)
        if damaged:
            self._quarantine(damaged, now)
        return sound

    def _quarantine(self, ids: Iterable[int], now: datetime) -> None:
        try:
            with self._storage.transaction():
                for message_id in ids:
                    values = {"id": message_id, "found": to_millis(now)}
                    self._storage.change(_SQL["quarantine"], values)
                    self._storage.change(_SQL["delete"], values)
                    _LOG.error("spool_quarantined", message=message_id)
        except StorageUnavailableError as error:
            _LOG.error("spool_quarantine_failed", error=str(error))

    def receive(self, receipt: Receipt) -> set[Key]:
        """Delete what the hub has durably stored or refused; returns which.

        Raises StorageUnavailableError; then the messages are sent again and receipted again.
        """
        ranges = [(0, receipt.upto), *receipt.also]
        gone: set[Key] = set()
        with self._storage.transaction():
            for first, last in ranges:
                values = {"boot": receipt.boot, "first": first, "last": last}
                gone |= _keys(self._storage.rows(_SQL["receive"], values))
        for message in list(self._memory):
            if message.boot == receipt.boot and any(a <= message.seq <= b for a, b in ranges):
                self._memory.remove(message)
                gone.add(message.key)
        return gone

    def refuse(self, feedback: Feedback, now: datetime) -> set[Key]:
        """The hub refused a message for good: keep it with the reason, never send it again."""
        ref = feedback.ref
        if ref is None or ref.boot is None or ref.seq is None:
            return set()
        values: dict[str, Any] = {
            "boot": ref.boot,
            "first": ref.seq,
            "last": ref.seq,
            "code": feedback.code,
            "path": feedback.path,
            "msg": feedback.msg,
            "at": to_millis(now),
        }
        with self._storage.transaction():
            self._storage.change(_SQL["reject"], values)
            return _keys(self._storage.rows(_SQL["receive"], values))

    def count_try(self, message: Stored) -> None:
        """An event goes out (again); its `try` on the wire is one more than `tries`."""
        try:
            with self._storage.transaction():
                self._storage.change(_SQL["count_try"], {"id": message.id})
        except StorageUnavailableError as error:
            _LOG.warning("spool_try_not_counted", error=str(error))

    def newest(self, kind: str) -> int | None:
        """The id of the last message of a kind that still waits."""
        row = self._storage.row(_SQL["newest"], {"kind": kind})
        return None if row is None else row["id"]

    def waits(self, key: Key) -> bool:
        """Whether a message has no receipt yet."""
        if any(message.key == key for message in self._memory):
            return True
        return self._storage.row(_SQL["waits"], {"boot": key[0], "seq": key[1]}) is not None

    def held(self, boot: int, first: int, last: int) -> list[int]:
        """The numbers of a range that still wait here, in order."""
        values = {"boot": boot, "first": first, "last": last}
        on_disk = [row["seq"] for row in self._storage.rows(_SQL["held"], values)]
        ours = [m.seq for m in self._memory if m.boot == boot and first <= m.seq <= last]
        return sorted({*on_disk, *ours})

    @property
    def last_seq(self) -> int:
        """The number given last in this boot; -1 before the first."""
        return self._next_seq - 1

    @property
    def dropped(self) -> int:
        """How many measurements were ever dropped for want of room."""
        return int(self._storage.fact(DROPPED, 0))

    def depth(self) -> int:
        """How many messages wait."""
        row = self._storage.row(_SQL["depth"])
        return len(self._memory) + (row["messages"] if row else 0)

    def trim(self, *, older_than: datetime, max_bytes: int) -> set[Key]:
        """Drop measurements beyond the limits, the oldest first; returns which.

        Events, acknowledgements and results stay, whatever the limits. What was dropped is
        counted for ever in the fact `spool_dropped`.
        """
        values = {"before": to_millis(older_than), "bytes": max_bytes}
        with self._storage.transaction():
            dropped = _keys(self._storage.rows(_SQL["trim_age"], values))
            dropped |= _keys(self._storage.rows(_SQL["trim_size"], values))
            if dropped:
                total = int(self._storage.fact(DROPPED, 0)) + len(dropped)
                self._storage.set_fact(DROPPED, total)
        return dropped


def _keys(rows: Iterable[Any]) -> set[Key]:
    return {(row["boot"], row["seq"]) for row in rows}


def _stored(row: Any) -> Stored:
    return Stored(
        id=row["id"],
        boot=row["boot"],
        seq=row["seq"],
        kind=row["kind"],
        payload=row["payload"],
        created=row["created"],
        tries=row["tries"],
    )
