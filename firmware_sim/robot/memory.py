"""What a robot remembers through a restart: one JSON file, or nothing at all.

Without a file it is a chip without flash: its boot number is random and nothing outlives it. With
one, boot and connect numbers count on, and credentials, plan, settings, answers to commands and
what was not receipted yet are kept.
"""

import base64
import json
import os
import random
from pathlib import Path
from typing import Any, Final

# Samples of a waveform, which JSON has no form for.
_BYTES: Final = "base64"


class Memory:
    """`take` and `put` by name; `put` returns when it is on the disk."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._kept: dict[str, Any] = {}
        if path is not None and path.exists():
            self._kept = json.loads(path.read_text(encoding="utf-8"), object_hook=_whole)

    @property
    def durable(self) -> bool:
        """Whether it outlives the robot."""
        return self._path is not None

    def take(self, name: str, default: Any = None) -> Any:
        """What was put under this name."""
        return self._kept.get(name, default)

    def put(self, **values: Any) -> None:
        """Keep these; None forgets."""
        self._kept |= values
        self._kept = {name: value for name, value in self._kept.items() if value is not None}
        if self._path is not None:
            self._write(self._path)

    def next_boot(self) -> int:
        """The number of this start."""
        if not self.durable:
            boot = int(self.take("boot", random.randrange(2**31)))  # noqa: S311 - not a secret
        else:
            boot = int(self.take("boot", 0))
        self.put(boot=boot + 1)
        return boot + 1

    def next_connect(self) -> int:
        """The number of this connect; it only ever grows."""
        connects = int(self.take("connects", 0)) + 1
        self.put(connects=connects)
        return connects

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self._kept, file, default=_split)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def _split(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} cannot be remembered")


def _whole(value: dict[str, Any]) -> Any:
    return base64.b64decode(value[_BYTES]) if value.keys() == {_BYTES} else value
