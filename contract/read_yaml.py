"""Our own tables in YAML, read fast: every process reads some of them before it does anything."""

from typing import Any

import yaml

# The same language; the one in C takes a tenth of the time, and is not everywhere.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str) -> Any:
    """What the text says. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - both are safe
