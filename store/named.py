"""Named SQL: each `sql/<noun>.sql` is cut at its `-- name:` headers into a dictionary.

A block looks like this; the line under the header says what the query is for:

    -- name: claim_due
    -- The notifications whose time has come, locked against other senders.
    SELECT ...
"""

import re
from functools import cache
from importlib import resources

_HEADER = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def queries(noun: str) -> dict[str, bytes]:
    """Every named query of `sql/<noun>.sql`, as bytes: psycopg takes no built-up text."""
    text = resources.files("store").joinpath("sql", f"{noun}.sql").read_text(encoding="utf-8")
    cut = _HEADER.split(text)
    return {name: body.strip().encode() for name, body in zip(cut[1::2], cut[2::2], strict=True)}
