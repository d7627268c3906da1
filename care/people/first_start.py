"""The first start: there is no default password, so one is made and shown once."""

from datetime import datetime

from care.people.account import NewAccount, open_account
from care.people.password import random_password
from store import staff
from store.pool import Connection

USER = "admin"


async def ensure_administrator(conn: Connection, now: datetime) -> tuple[str, str] | None:
    """Make the first administrator and return (user, password); None when there is one.

    Safe to run by two at once. The password is nowhere else: show it.
    """
    async with conn.transaction():
        if await staff.has_administrator(conn):
            return None
        taken = await staff.by_user(conn, USER) is not None
        user, secret = ("administrator" if taken else USER), random_password()
        new = NewAccount(
            user_name=user, display_name="Administrator", role="admin", password=secret
        )
        await open_account(conn, new, by=None, now=now)
    return user, secret
