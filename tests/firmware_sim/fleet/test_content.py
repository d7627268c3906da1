"""What a fleet says is what the contract understands, and means what the books say."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codec import decode
from contract.errors import Refused
from contract.instants import to_millis
from contract.messages import Obs
from contract.observation import observe
from firmware_sim.fleet import Account, Device, Mischief, Mix
from firmware_sim.fleet.content import Author, Content, Encoding
from firmware_sim.fleet.ledger import NOT_COUNTED
from firmware_sim.fleet.message import Message, kind_of
from firmware_sim.fleet.plan import Plan

T0 = 1_795_354_700_000
NOW = datetime.fromtimestamp(T0 / 1000, UTC)
ACCOUNT = Account(
    node="fleetnode1",
    password="x",
    devs=(
        Device(dev="cuff1", who={"A": 1, "B": 2}),
        Device(dev="ox1", type="oximeter", who={"": 1}),
    ),
)
EVERYTHING = Mischief(
    tenfold=0.05, late=0.05, malformed=0.1, clock_1970=0.05, clock_2099=0.05, clock_tomorrow=0.05,
    clock_none=0.05, fix=0.1, conflict=0.1, unknown_slot=0.1, no_slot=0.1,
)  # fmt: skip
ALL_SORTS = frozenset({"single", "batch", "block", "event", "ack"})
MIX = Mix(single=3, batch=1, block=1, event=1, ack=1)


def made(seed: int, count: int, *, records: bool, every_ms: int) -> list[Message]:
    """What a node makes of a seed."""
    plan = Plan(
        (seed, 1), MIX, EVERYTHING, sorts=ALL_SORTS, records=records, block_step_ms=every_ms
    )
    found, seq = [], 0
    for place in range(count):
        one = plan.next(seq, T0 - 1_000_000 + place * every_ms)
        assert one is not None
        found.append(one.message)
        seq += one.message.seq != NOT_COUNTED
    return found


def author(seed: int, encoding: Encoding, *, records: bool) -> Author:
    """Who writes it."""
    return Author(
        ACCOUNT, 1, seed=seed, boot=5, started_ms=T0 - 2_000_000, encoding=encoding,
        records=records, block_step_ms=100, odd_slots=(0.1, 0.1),
    )  # fmt: skip


@given(
    seed=st.integers(0, 2**32),
    encoding=st.sampled_from(["json", "cbor"]),
    records=st.booleans(),
)
def test_the_contract_reads_what_the_books_say(
    seed: int, encoding: Encoding, records: bool
) -> None:
    """Every message: taken with these readings and blocks, or refused where that is expected."""
    writer = author(seed, encoding, records=records)
    for message in made(seed, 60, records=records, every_ms=100):
        content = writer.write(message, up_ms=2_000_000)
        try:
            decoded = decode(kind_of(message), content.payload)
        except Refused:
            assert content.rejected
            continue
        if isinstance(decoded, Obs):
            assert (decoded.boot, decoded.seq, decoded.rc) == (5, message.seq, 1)
            _compare(decoded, content)
        else:
            assert not content.rejected


def _compare(decoded: Obs, content: Content) -> None:
    found = observe(decoded, received_at=NOW)
    assert bool(found.defects) == content.rejected
    readings = [
        (r.dev, r.kind, to_millis(r.measured_at), r.ordinal, r.values, r.who, r.clock, r.fix)
        for r in found.readings
        if r.anchored
    ]
    due = [d for d in content.readings if d.anchored]
    assert readings == [
        (d.dev, d.kind, d.measured_ms, d.ordinal, d.values, d.who, d.clock, d.role == "fix")
        for d in due
    ]
    loose = [r for r in found.readings if not r.anchored]
    assert [(r.values, r.clock) for r in loose] == [
        (d.values, d.clock) for d in content.readings if not d.anchored
    ]
    assert [(b.dev, to_millis(b.start_at), b.step_ms, b.samples) for b in found.blocks] == [
        (b.dev, b.start_ms, b.step_ms, list(b.samples)) for b in content.blocks
    ]


@given(seed=st.integers(0, 2**32), records=st.booleans(), every_ms=st.integers(1, 300))
def test_identities_are_single_but_where_it_is_meant(
    seed: int, records: bool, every_ms: int
) -> None:
    """However fast a node is, readings and blocks do not collide; what says an earlier one again
    says so once, and with another value."""
    records = records or every_ms < 20
    writer = author(seed, "json", records=records)
    seen: dict[tuple[object, ...], list[tuple[object, ...]]] = {}
    for message in made(seed, 80, records=records, every_ms=every_ms):
        content = writer.write(message, up_ms=2_000_000)
        for due in content.readings:
            if due.anchored:
                key = (due.dev, due.kind, due.measured_ms, due.ordinal)
                seen.setdefault(key, []).append((due.role, due.values, due.who))
        for block in content.blocks:
            assert (block.dev, block.start_ms) not in seen
            seen[block.dev, block.start_ms] = []
    for said in seen.values():
        assert [role for role, _, _ in said] in ([], ["new"], ["new", "fix"], ["new", "conflict"])
        assert len({values for _, values, _ in said}) == len(said)


def test_the_same_message_is_written_the_same_again() -> None:
    """Nothing but the uptime changes between two sendings."""
    writer = author(9, "json", records=True)
    for message in made(9, 100, records=True, every_ms=100):
        first = writer.write(message, up_ms=2_000_000)
        message.tries = 1 if message.sort != "event" else 0
        assert writer.write(message, up_ms=2_000_000) == first


@pytest.mark.parametrize(("mischief", "share"), [(Mischief(late=0.2), 0.2), (Mischief(), 0.0)])
def test_shares_are_kept(mischief: Mischief, share: float) -> None:
    """Of many messages about as many go wrong as were asked for."""
    plan = Plan((1, 1), Mix(), mischief, sorts=ALL_SORTS, records=True, block_step_ms=100)
    late = 0
    for seq in range(5000):
        one = plan.next(seq, T0 + seq)
        assert one is not None
        late += one.behind > 0
    assert abs(late / 5000 - share) < 0.03
