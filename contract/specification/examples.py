"""The index of the golden corpus: which examples there are, on which topic each travels."""

from collections.abc import Mapping
from importlib import resources
from typing import Final

from contract.read_yaml import read_yaml

INDEX: Final[Mapping[str, Mapping[str, str]]] = read_yaml(
    resources.files("contract").joinpath("examples.yaml").read_text(encoding="utf-8")
)
TITLES: Final = {name: title for entries in INDEX.values() for name, title in entries.items()}
TOPICS: Final = {name: topic for topic, entries in INDEX.items() for name in entries}

Examples = Mapping[str, str]
"""The text of each JSON example by its name."""
