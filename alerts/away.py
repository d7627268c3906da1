"""What it looks like when the database itself is away: nothing is anybody's fault, try again."""

from typing import Final

import psycopg

AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError)
