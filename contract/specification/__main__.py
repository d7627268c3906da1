"""`python -m contract.specification`: write the specification, check it, note what is released."""

import argparse
import sys
from pathlib import Path
from typing import Final

from contract.specification import artefacts, released
from contract.specification.examples import TITLES

_EXAMPLES: Final = "tests/contract/golden"
_EPILOG: Final = """examples:
  python -m contract.specification write      make docs/contract.md and docs/hh1 anew
  python -m contract.specification check      exit code 1 when a file is not up to date,
                                              or something released was taken back
  python -m contract.specification release    note the present state as released
"""


def main(arguments: list[str]) -> int:
    """0: done, or up to date; 1: something differs; 2: not a checkout of the repository."""
    parser = argparse.ArgumentParser(
        prog="python -m contract.specification",
        description="The specification of HH/1, made from what the hub runs on.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=["write", "check", "release"])
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2])
    asked = parser.parse_args(arguments)
    try:
        wanted = artefacts.made(examples(asked.root))
    except FileNotFoundError as error:
        sys.stderr.write(f"{error.filename} is missing: run this in a checkout of the repository\n")
        return 2
    stale = [path for path, text in wanted.items() if _read(asked.root / path) != text]
    strange = [path for path in _present(asked.root) if path not in wanted]
    if asked.action == "write":
        return _write(asked.root, {path: wanted[path] for path in stale}, strange)
    broken = released.taken_back(noted(asked.root))
    if asked.action == "release" and not (stale or strange or broken):
        folder, files = asked.root / released.FOLDER, released.snapshot()
        return _write(folder, {n: t for n, t in files.items() if _read(folder / n) != t}, [])
    return _report(stale, strange, broken)


def examples(root: Path) -> dict[str, str]:
    """The text of each example of the index."""
    return {n: (root / _EXAMPLES / f"{n}.json").read_text(encoding="utf-8") for n in TITLES}


def noted(root: Path) -> dict[str, str]:
    """What was released, by the name of its file."""
    folder = root / released.FOLDER
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.*"))}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _present(root: Path) -> list[str]:
    found = (root / artefacts.SCHEMAS).glob("*.json")
    return sorted(str(path.relative_to(root)) for path in found)


def _write(root: Path, changed: dict[str, str], strange: list[str]) -> int:
    for path, text in changed.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {path}\n")
    for path in strange:
        (root / path).unlink()
        sys.stdout.write(f"removed {path}\n")
    return 0


def _report(stale: list[str], strange: list[str], broken: list[str]) -> int:
    for what in broken:
        sys.stderr.write(f"released, and taken back: {what}\n")
    for path in stale:
        sys.stderr.write(f"{path} is not up to date\n")
    for path in strange:
        sys.stderr.write(f"{path} is made by nothing any more\n")
    if stale or strange:
        sys.stderr.write("run: python -m contract.specification write\n")
    if stale or strange or broken:
        return 1
    sys.stdout.write("the specification is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
