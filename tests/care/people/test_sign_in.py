"""Signing in: by password, session and token; how long it lasts; who has to wait."""

from datetime import timedelta

import pytest

from care.people import sign_in
from care.people.account import NewAccount, close_account, make_token, open_account, set_password
from care.people.first_start import ensure_administrator
from care.people.password import WeakPasswordError, random_password
from runtime.clock import ManualClock
from store import audit
from store.pool import Connection
from store.staff import Staff

PASSWORD = "a very good one"
HERE = "192.0.2.7"


@pytest.fixture
async def wang(conn: Connection, clock: ManualClock) -> Staff:
    """A doctor with a password."""
    new = NewAccount(user_name="wang", display_name="王医生", password=PASSWORD)
    return await open_account(conn, new, by=None, now=clock.now())


async def attempt(
    conn: Connection, clock: ManualClock, given: str, *, user: str = "wang", address: str = HERE
) -> sign_in.Opened | sign_in.Denied:
    """One try at the door."""
    return await sign_in.sign_in(
        conn, user_name=user, given=given, address=address, now=clock.now()
    )


async def test_the_right_password_opens_a_session(
    conn: Connection, clock: ManualClock, wang: Staff
) -> None:
    """A session names its person; neither the password nor the token is stored as it is."""
    opened = await attempt(conn, clock, PASSWORD, user=" Wang ")
    assert isinstance(opened, sign_in.Opened)
    person = await sign_in.by_session(conn, opened.token, now=clock.now())
    assert person is not None
    assert (person.staff_id, person.role, person.via) == (wang.id, "doctor", "session")
    stored = await (await conn.execute("SELECT token_sha256 FROM sign_in_session")).fetchall()
    assert opened.token.encode() not in [row[0] for row in stored]
    hashed = await (await conn.execute("SELECT password_hash FROM staff")).fetchone()
    assert hashed is not None
    assert hashed[0].startswith("$argon2id$")


@pytest.mark.parametrize(
    ("used_after", "asked_after", "lasts"),
    [
        pytest.param((), timedelta(hours=11, minutes=59), True, id="a working day"),
        pytest.param((), timedelta(hours=12), False, id="idle for too long"),
        pytest.param((11, 22, 33), timedelta(hours=44), True, id="used again and again"),
        pytest.param(tuple(range(11, 167, 11)), timedelta(hours=168), False, id="a week at most"),
    ],
)
async def test_a_session_ends_when_idle_and_after_a_week(
    conn: Connection,
    clock: ManualClock,
    wang: Staff,
    used_after: tuple[int, ...],
    asked_after: timedelta,
    lasts: bool,
) -> None:
    """12 hours without use end a session, and 7 days end it however much it is used."""
    opened = await attempt(conn, clock, PASSWORD)
    assert isinstance(opened, sign_in.Opened)
    start = clock.now()
    for hours in used_after:
        moment = start + timedelta(hours=hours)
        assert await sign_in.by_session(conn, opened.token, now=moment) is not None
    at_last = await sign_in.by_session(conn, opened.token, now=start + asked_after)
    assert (at_last is not None) is lasts


async def test_signing_out_ends_the_session(
    conn: Connection, clock: ManualClock, wang: Staff
) -> None:
    """After signing out the token is worth nothing, and the audit has in, out and from where."""
    opened = await attempt(conn, clock, PASSWORD)
    assert isinstance(opened, sign_in.Opened)
    await sign_in.sign_out(conn, opened.token, opened.person, now=clock.now())
    assert await sign_in.by_session(conn, opened.token, now=clock.now()) is None
    lines = await audit.of_subject(conn, subject_kind="user", subject_id="wang")
    assert [line.action for line in lines] == ["sign_out", "sign_in"]
    assert lines[1].address == HERE


async def test_failures_slow_down_and_then_lock_out(
    conn: Connection, clock: ManualClock, wang: Staff
) -> None:
    """Five tries are free; then even the right password waits 2, 4, … seconds from here."""
    for _ in range(5):
        assert await attempt(conn, clock, "guess") == sign_in.Denied()
    assert await attempt(conn, clock, PASSWORD) == sign_in.Denied(wait_s=2.0)
    clock.advance(2)
    assert await attempt(conn, clock, "guess") == sign_in.Denied()
    assert await attempt(conn, clock, PASSWORD) == sign_in.Denied(wait_s=4.0)
    clock.advance(4)
    assert isinstance(await attempt(conn, clock, PASSWORD), sign_in.Opened)
    assert await attempt(conn, clock, "guess") == sign_in.Denied()


async def test_a_stranger_elsewhere_does_not_lock_the_owner_out(
    conn: Connection, clock: ManualClock, wang: Staff
) -> None:
    """The owner, at their own address, gets in while somebody else guesses from another."""
    for _ in range(8):
        await attempt(conn, clock, "guess", address="198.51.100.1")
    assert isinstance(await attempt(conn, clock, "guess", address="198.51.100.1"), sign_in.Denied)
    assert isinstance(await attempt(conn, clock, PASSWORD), sign_in.Opened)


async def test_an_unknown_account_answers_like_a_wrong_password(
    conn: Connection, clock: ManualClock, wang: Staff
) -> None:
    """Nobody learns which accounts exist: the same answer, the same back-off."""
    for _ in range(5):
        assert await attempt(conn, clock, "guess", user="nobody") == sign_in.Denied()
    assert await attempt(conn, clock, "guess", user="nobody") == sign_in.Denied(wait_s=2.0)


async def test_a_token_works_until_it_is_revoked(
    conn: Connection, clock: ManualClock, wang: Staff
) -> None:
    """A token is 256 random bits, stored only as a hash, and dies with the account."""
    secret = await make_token(conn, wang.id, label="script", by=None, now=clock.now())
    assert secret.startswith("hbt_")
    assert len(secret) == 4 + 43
    holder = await sign_in.by_token(conn, secret, now=clock.now())
    assert holder is not None
    assert holder.via == "token"
    assert await sign_in.by_token(conn, secret + "x", now=clock.now()) is None
    await close_account(conn, wang.id, by=None, now=clock.now())
    assert await sign_in.by_token(conn, secret, now=clock.now()) is None
    assert await attempt(conn, clock, PASSWORD) == sign_in.Denied()


async def test_a_new_password_ends_every_session(
    conn: Connection, clock: ManualClock, wang: Staff
) -> None:
    """Whoever knew the old password is out at once."""
    opened = await attempt(conn, clock, PASSWORD)
    assert isinstance(opened, sign_in.Opened)
    await set_password(conn, wang, "an even better one", by=None, now=clock.now())
    assert await sign_in.by_session(conn, opened.token, now=clock.now()) is None
    assert await attempt(conn, clock, PASSWORD) == sign_in.Denied()
    assert isinstance(await attempt(conn, clock, "an even better one"), sign_in.Opened)


@pytest.mark.parametrize("weak", ["short", "x" * 20, "wang-wang-wang", ""])
async def test_a_weak_password_is_not_taken(
    conn: Connection, clock: ManualClock, weak: str
) -> None:
    """Too short, all the same, or the user's own name: the message says what is needed."""
    new = NewAccount(user_name="wang", display_name="王", password=weak)
    with pytest.raises(WeakPasswordError, match="a password"):
        await open_account(conn, new, by=None, now=clock.now())


async def test_the_first_start_makes_one_administrator(
    conn: Connection, clock: ManualClock
) -> None:
    """A random password, once; the second start finds the administrator and makes nothing."""
    made = await ensure_administrator(conn, clock.now())
    assert made is not None
    user, secret = made
    opened = await attempt(conn, clock, secret, user=user)
    assert isinstance(opened, sign_in.Opened)
    assert opened.person.role == "admin"
    assert await ensure_administrator(conn, clock.now()) is None


def test_random_passwords_differ_and_are_easy_to_copy() -> None:
    """Four groups of five without look-alike characters."""
    made = {random_password() for _ in range(50)}
    assert len(made) == 50
    assert all(len(p) == 23 and not set(p) & set("il1o0") for p in made)
