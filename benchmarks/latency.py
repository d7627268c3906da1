"""From measurement to commit: listens to the feed and compares the times in it."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
from rig import Rig


class Told:
    """Milliseconds from each measurement to the moment a listener heard of its commit."""

    def __init__(self) -> None:
        self.ms: list[float] = []

    def text(self) -> str:
        """As a line."""
        ordered = sorted(self.ms)
        if not ordered:
            return "nothing"
        p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
        return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {ordered[-1]:.0f} ms"


@contextlib.contextmanager
def latencies(made: Rig) -> Iterator[Told]:
    """Listens while open; at its end `Told` holds what was committed meanwhile."""
    told = Told()
    heard: dict[int, float] = {}
    with psycopg.connect(made.database.url, autocommit=True) as conn:
        conn.execute("LISTEN feed")
        over = threading.Event()
        ear = threading.Thread(target=_listen, args=(conn, heard, over))
        ear.start()
        try:
            yield told
        finally:
            over.set()
            ear.join()
        rows = conn.execute("SELECT id, payload FROM batch ORDER BY id").fetchall()
    for number, payload in rows:
        for item in msgspec.msgpack.decode(payload) if number in heard else ():
            told.ms += [heard[number] - at for at in item.get("at", ())]


def _listen(conn: Any, heard: dict[int, float], over: threading.Event) -> None:
    while not over.is_set():
        for note in conn.notifies(timeout=0.2):
            heard[int(note.payload)] = time.time() * 1000
