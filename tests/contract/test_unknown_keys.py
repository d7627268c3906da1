"""Keys nobody knows are named with their place; everything the specification has is known."""

import json

import cbor2
import pytest

from contract.unknown_keys import MAX_TOLD, unknown_keys
from tests.contract.corpus import CLAIM, DOWN, TWINS, UP, golden


@pytest.mark.parametrize("name", sorted([*UP, *(twin for twin in TWINS if TWINS[twin] in UP)]))
def test_every_key_of_an_example_is_known(name: str) -> None:
    """In both encodings; `x_` keys are the maker's own."""
    assert unknown_keys(UP[TWINS.get(name, name)], golden(name)) == []


@pytest.mark.parametrize("name", sorted(DOWN))
def test_every_key_the_hub_sends_is_known(name: str) -> None:
    """Renamed keys (`from`) are known by their name on the wire."""
    assert unknown_keys(DOWN[name], golden(name), direction="dn") == []


@pytest.mark.parametrize("name", sorted(CLAIM))
def test_every_key_of_a_claim_is_known(name: str) -> None:
    """Requests and answers (`pass`, `nonce`)."""
    part = "res" if b'"ok"' in golden(name) else "req"
    assert unknown_keys(part, golden(name), direction="claim") == []


def test_a_misspelt_key_is_named_with_its_place() -> None:
    """At the top, in a series, in a session, in a list of devices; in JSON, CBOR and read."""
    batch = {
        "v": 0,
        "boots": 1,
        "x_own": {"any": 1},
        "ser": [{"k": "hr"}, {"k": "bp", "unit": "kPa", "ses": {"id": "s", "a/b": 1}, "x_y": 0}],
    }
    wanted = ["/boots", "/ser/1/unit", "/ser/1/ses/a~1b"]
    for said in (json.dumps(batch).encode(), cbor2.dumps(batch), batch):
        assert unknown_keys("obs", said) == wanted
    assert unknown_keys("birth", {"devs": [{"dev": "a"}, {"devs": "b"}]}) == ["/devs/1/devs"]
    assert unknown_keys("event", {"ctx": {"free": {"of": "rules"}}, "kind": 1}) == ["/kind"]
    assert unknown_keys("config", {"applied": {"any": 1}}) == []


def test_what_is_no_message_has_no_unknown_keys() -> None:
    """Torn bytes, other kinds and lists: nothing to say here."""
    for kind, said in (("obs", b"{"), ("obs", b"\xa1"), ("vitals", b'{"a":1}'), ("obs", b"[]")):
        assert unknown_keys(kind, said) == []
    assert unknown_keys("obs", {"ser": {"k": 1}, "seq": []}) == []


def test_not_more_is_told_than_anyone_reads() -> None:
    """Ten thousand unknown keys: the first ones."""
    many = {f"k{n}": n for n in range(10_000)}
    assert len(unknown_keys("obs", many)) == MAX_TOLD
