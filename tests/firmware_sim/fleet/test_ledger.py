"""The books: what is written can be read, also after a death in the middle of a record."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.fleet.ledger import (
    VERSION,
    Acked,
    BlockDue,
    End,
    Head,
    Ledger,
    LedgerError,
    ReadingDue,
    Receipted,
    Sent,
    read,
)

HEAD = Head(VERSION, 1, 2, 3, {"rate": 5.0})
_NUMBERS = st.integers(0, 2**53)
_VALUES = st.tuples(*[st.none() | st.floats(allow_nan=False) | st.integers(0, 300)] * 4)
_READINGS = st.builds(
    ReadingDue,
    dev=st.text(max_size=8),
    kind=st.just("bp"),
    measured_ms=st.none() | _NUMBERS,
    ordinal=_NUMBERS,
    values=_VALUES,
    who=st.none() | st.sampled_from("ABH"),
    patient=st.none() | _NUMBERS,
    clock=st.just("ntp"),
    anchored=st.booleans(),
    role=st.sampled_from(["new", "conflict", "fix"]),
)
_BLOCKS = st.builds(
    BlockDue,
    dev=st.just("ox1"),
    kind=st.just("spo2"),
    part=st.just(0),
    start_ms=_NUMBERS,
    step_ms=st.integers(1, 1000),
    samples=st.lists(st.none() | st.integers(0, 100), max_size=80).map(tuple),
    patient=st.none(),
    clock=st.just("ntp"),
)
_SENT = st.builds(
    Sent,
    node=st.integers(0, 10_000),
    boot=st.integers(0, 2**32 - 1),
    seq=st.integers(-1, 2**53),
    kind=st.just("obs"),
    sha256=st.binary(min_size=32, max_size=32),
    at_ms=_NUMBERS,
    sent_ms=st.none() | _NUMBERS,
    readings=st.lists(_READINGS, max_size=4).map(tuple),
    blocks=st.lists(_BLOCKS, max_size=2).map(tuple),
)
_RECORDS = st.lists(
    _SENT | st.builds(Acked, *[_NUMBERS] * 4) | st.builds(Receipted, *[_NUMBERS] * 5), max_size=12
)


def write(path: Path, records: list) -> None:
    """Books with these records."""
    path.unlink(missing_ok=True)
    with Ledger(path) as books:
        for record in records:
            books.note(record)


@settings(max_examples=60, deadline=None)
@given(records=_RECORDS, torn=st.integers(0, 200))
def test_a_torn_end_costs_nothing_that_was_whole(
    tmp_path_factory: pytest.TempPathFactory, records: list, torn: int
) -> None:
    """Cut anywhere, the books give a beginning of what was written; uncut, all of it."""
    path = tmp_path_factory.mktemp("books") / "ledger"
    write(path, [HEAD, *records])
    assert list(read(path)) == [HEAD, *records]
    os.truncate(path, max(path.stat().st_size - torn, 0))
    found = list(read(path))
    assert found == [HEAD, *records][: len(found)]
    assert torn or len(found) == len(records) + 1


def test_books_longer_than_the_reading_piece_are_read_whole(tmp_path: Path) -> None:
    """Records lie across the pieces the file is read in."""
    records = [Acked(1, 2, seq, 10**12) for seq in range(150_000)]
    path = tmp_path / "ledger"
    write(path, [HEAD, *records])
    assert path.stat().st_size > 2 * 2**20
    assert list(read(path)) == [HEAD, *records]


def test_what_was_flushed_is_there_without_closing(tmp_path: Path) -> None:
    """A reader sees what a writer that still runs has flushed, and no more."""
    path = tmp_path / "ledger"
    with Ledger(path) as books:
        books.note(HEAD)
        books.flush()
        books.note(End(1, 2, 3, 4))
        assert list(read(path)) == [HEAD]
    assert list(read(path)) == [HEAD, End(1, 2, 3, 4)]


def test_books_are_private_and_never_written_over(tmp_path: Path) -> None:
    """Only the owner reads them, and a second writer is turned away."""
    path = tmp_path / "ledger"
    write(path, [HEAD])
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        Ledger(path)


@pytest.mark.parametrize("raw", [b"\x00\x00\x00\x02hi", b"\x00\x00\x00\x01\x90"])
def test_another_file_is_no_ledger(tmp_path: Path, raw: bytes) -> None:
    """It is said, not guessed at."""
    path = tmp_path / "other"
    path.write_bytes(raw)
    with pytest.raises(LedgerError):
        list(read(path))


def test_another_version_is_told(tmp_path: Path) -> None:
    """Books of a later version are not read as if they were of this one."""
    path = tmp_path / "later"
    write(path, [Head(VERSION + 1, 1, 2, 3, {})])
    with pytest.raises(LedgerError, match="version"):
        list(read(path))
