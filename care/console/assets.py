"""The files every page loads: one style sheet and one mark, cached until they change."""

import hashlib
from pathlib import Path
from typing import Final, Literal

from fastapi import APIRouter
from starlette.responses import FileResponse

_HERE: Final = Path(__file__).parent
Asset = Literal["style.css", "mark.svg"]
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


def path_of(name: Asset) -> Path:
    """Where the file is."""
    return _HERE / name


def url_of(name: Asset) -> str:
    """Its address, which changes with its content."""
    digest = hashlib.sha256(path_of(name).read_bytes()).hexdigest()
    return f"/console-static/{name}?v={digest[:12]}"


@router.get("/console-static/{name}")
async def asset(name: Asset) -> FileResponse:
    """One of the files."""
    return FileResponse(path_of(name), headers=_FOR_EVER)


STYLE: Final = url_of("style.css")
MARK: Final = url_of("mark.svg")
