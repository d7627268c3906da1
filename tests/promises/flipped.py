"""One bit of PostgreSQL's files turned over, where the server cannot see it happen."""

from pathlib import Path
from typing import NamedTuple

from psycopg import AsyncConnection

from tests.fixtures.fix_trial import Trial

_PAGE = 8192


class Files(NamedTuple):
    """The table most readings are in and its identity's index: their names and files."""

    table: str
    index: str
    table_file: str
    index_file: str


async def files_of(trial: Trial) -> Files:
    """Where the readings are."""
    async with await AsyncConnection.connect(trial.database_url) as conn:
        cursor = await conn.execute(
            "SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text,"
            " pg_relation_filepath(i.indrelid), pg_relation_filepath(i.indexrelid) FROM pg_index i"
            " WHERE i.indisprimary AND i.indrelid ="
            " (SELECT tableoid FROM reading GROUP BY 1 ORDER BY count(*) DESC LIMIT 1)"
        )
        return Files(*(await cursor.fetchall())[0])


def flip(trial: Trial, file: str, page: int) -> None:
    """Stop the hub, turn one bit of one page over, and start it again."""
    path = trial.hub.data / "postgres" / "data" / file
    trial.hub.stop()
    assert path.stat().st_size >= (page + 2) * _PAGE, "there are too few pages to damage one"
    _turn_over(path, page * _PAGE + _PAGE - 100)
    trial.hub.start_again()
    trial.hub.until_up()


def _turn_over(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x10]))


def administrator_url(trial: Trial) -> str:
    """The way in of the server's administrator, to the hub's database."""
    password = (trial.hub.data / "secrets" / "postgres-postgres").read_text().strip()
    return f"postgresql://postgres:{password}@{trial.database_url.rpartition('@')[2]}"
