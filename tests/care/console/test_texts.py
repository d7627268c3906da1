"""The words: complete in both languages, used, and never asked for by a key that is not there."""

import re
from pathlib import Path

import pytest

from alerts import actions
from care.console.episode_dialogs import OUTCOMES
from care.console.texts import TEXTS, Say, TextError, _read
from store.worklist import SECTIONS

CONSOLE = Path(__file__).parents[3] / "care" / "console"


def _sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in CONSOLE.glob("*.py"))


def test_every_literal_key_exists() -> None:
    """A page never asks for a text that is missing: it would fail in front of a doctor."""
    asked = set(re.findall(r'say\(\s*"([a-z_]+\.[a-z_0-9-]+)"', _sources()))
    assert len(asked) > 80
    assert asked - set(TEXTS) == set()


def test_no_text_is_left_over() -> None:
    """Every text is asked for by its key, or its group is chosen from by a value of the data."""
    source = _sources().replace("'", '"')
    left = []
    for key in TEXTS:
        group, _, name = key.partition(".")
        chosen = f'"{group}.{{' in source or f'known("{group}"' in source
        whole = f'"{key}"' in source or f'"{name}"' in source or f'}}.{name}"' in source
        if not (chosen or whole):
            left.append(key)
    assert left == []


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_values_of_the_data_have_words(locale: str) -> None:
    """Sections, outcomes and states are said in both languages."""
    say = Say(locale)
    for section in SECTIONS:
        assert say(f"section.{section}")
        assert say(f"section_short.{section}")
    assert set(OUTCOMES) == set(actions.OUTCOMES)
    assert all(say(f"outcome.{outcome}") for outcome in OUTCOMES)
    assert say.known("node_state", "never-heard-of", "as it came") == "as it came"


def test_a_missing_language_stops_the_program() -> None:
    """A text in one language only, or with other places to fill in, is refused at start."""
    with pytest.raises(TextError, match="in zh and in en"):
        _read({"a": {"b": {"zh": "甲"}}})
    with pytest.raises(TextError, match="different things"):
        _read({"a": {"b": {"zh": "{n} 个", "en": "some"}}})
