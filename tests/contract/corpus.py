"""The golden corpus: every example of the specification, and on which topic it travels."""

from pathlib import Path

from contract.specification.examples import INDEX

FOLDER = Path(__file__).parent / "golden"


def _kinds(*directions: str) -> dict[str, str]:
    """File names of the JSON examples of some directions, with their kind."""
    found = {}
    for title, entries in INDEX.items():
        direction, kind = title.split("/")
        if direction in directions:
            found |= {f"{name}.json": kind for name in entries}
    return found


UP = _kinds("up")
DOWN = _kinds("dn", "hub")
CLAIM = _kinds("claim")
# The same messages in CBOR, by the name of their file.
TWINS = {
    path.name: path.with_suffix(".json").name
    for path in sorted(FOLDER.iterdir())
    if path.suffix == ".cbor"
}


def golden(name: str) -> bytes:
    """The bytes of one example."""
    return (FOLDER / name).read_bytes()
