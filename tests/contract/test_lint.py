"""`hearthbeat lint`: the words of the hub without a hub, for every shape a file can have."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from contract import cbor, spot
from contract.captures import cut
from contract.instants import to_millis
from contract.lint import Linted, lint, lint_file
from contract.pointer import pointer
from hub.main import app
from tests.contract import corpus

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
T = to_millis(NOW)
WRONG = f"""{{"v":0,"boot":1,"seq":2,
 "t":{T},"clk":"ntp",
 "ser":[{{"k":"bp","dev":"cuff1","u":"kPa","o":[0],"c":{{"sys":[17.1],"dia":[10.5]}}}},
        {{"k":"spo2","dt":1000,"y":[97,"98"]}},
        {{"k":"hr","dt":1000,"y":[970]}},
        {{"k":"zz","dt":1000,"y":[1]}}
]}}"""
RIGHT = f'{{"v":0,"boot":1,"seq":2,"t":{T},"ser":[{{"k":"hr","dt":1000,"y":[61]}}]}}'


def told(linted: Linted) -> list[tuple[str, str, tuple[int, int] | None]]:
    """Code, path, and line with column of each finding."""
    return [(f.defect.code, f.defect.path, f.place and tuple(f.place)) for f in linted.findings]


def command(*arguments: str, stdin: bytes = b"", **environment: str) -> tuple[int, str]:
    """`hearthbeat lint` in this process."""
    env = {"LC_ALL": "C", "COLUMNS": "200", **environment}
    done = CliRunner().invoke(app, ["lint", *arguments], input=stdin, env=env)
    return done.exit_code, done.output


def test_one_look_finds_everything() -> None:
    """A wrong type refuses the whole batch; the other series are looked at all the same."""
    found = lint(WRONG.encode(), now=NOW)
    assert str(found.kind) == "up/obs"
    assert found.guessed
    assert (found.kept, found.dropped) == (0, 4)
    assert sorted(told(found), key=lambda one: one[1]) == [
        ("E3102", "/ser/0/u", (3, 37)),
        ("E2101", "/ser/1/y/1", (4, 39)),
        ("E3101", "/ser/2/y/0", (5, 34)),
        ("W2001", "/ser/3/k", (6, 14)),
    ]
    packed = lint(cbor.write(json.loads(WRONG)), now=NOW)
    assert {(code, path) for code, path, _ in told(packed)} == {
        (code, path) for code, path, _ in told(found)
    }


@pytest.mark.parametrize("name", [*corpus.UP, *corpus.DOWN])
def test_the_corpus_is_clean_and_known_by_its_keys(name: str) -> None:
    """Every released example passes, and its kind is told without its topic."""
    found = lint(corpus.golden(name), now=NOW)
    assert not found.refused, told(found)
    assert found.kind.name == (corpus.UP | corpus.DOWN)[name]


def test_partial_acceptance_is_counted() -> None:
    """What the hub would keep and drop, with the time checks at the time given."""
    obs = json.loads(WRONG)
    del obs["ser"][1]
    found = lint(json.dumps(obs).encode(), now=NOW, topic="hh/1/up/4k2m9x0qa1bz/obs")
    assert (found.kept, found.dropped, found.guessed) == (1, 2, False)
    late = lint(RIGHT.encode(), now=NOW + timedelta(days=40))
    assert [f.defect.code for f in late.findings] == ["W3203"]
    early = lint(RIGHT.encode(), now=NOW - timedelta(minutes=3))
    assert [(code, place) for code, _, place in told(early)] == [("W3201", (1, 29))]
    assert not early.refused


@pytest.mark.parametrize(
    ("payload", "code", "place"),
    [
        (b'{"v":0,"boot":1,\n "seq":4,"ser":[{"k":"bp"', "E2001", (2, 26)),
        (b'{"v":0,\n"boot":1,"x":"\xff"}', "E2002", (2, 15)),
        (b'{"v":0,"boot":1,"seq":0,\n"ser":[{"k":"hr","dt":1000}]}', "E2107", (2, 8)),
        (b'{"v":0,"boot":1,"ser":[]}', "E2102", (1, 1)),
        (b"", "E2007", None),
        (b"[" * 100_000, "E2008", None),
        (b"\xa1\x61", "E2010", None),
    ],
)
def test_a_place_is_pointed_at_wherever_it_can_be(
    payload: bytes, code: str, place: tuple[int, int] | None
) -> None:
    """Also in text that breaks off; a missing key has its object; bytes have no lines."""
    (finding,) = lint(payload, now=NOW, topic="obs").findings
    assert finding.defect.code == code
    assert (finding.place and tuple(finding.place)) == place


def test_lines_of_mosquitto_sub_and_json_lines_are_cut() -> None:
    """Each message at its line, by its topic; text over several lines stays one message."""
    recorded = f"hh/1/up/4k2m9x0qa1bz/obs {RIGHT}\nhh/1/up/4k2m9x0qa1bz/obs {WRONG}\n"
    recorded += 'hh/1/up/4k2m9x0qa1bz/quark {}\nhh/1/hub/status {"s":"ready","spec":"1.0"}\n'
    found = lint_file(recorded.encode(), now=NOW)
    assert [one.line for one in found] == [1, 2, 9, 10]
    assert [one.refused for one in found] == [False, True, True, False]
    assert ("E3102", "/ser/0/u", (4, 37)) in told(found[1])
    assert [f.defect.code for f in found[2].findings] == ["E1001"]
    lines = lint_file(f"{RIGHT}\n{{broken\n\n{RIGHT}\n".encode(), now=NOW)
    assert [one.line for one in lines] == [1, 2, 4]
    assert [one.refused for one in lines] == [False, True, False]
    assert len(lint_file(WRONG.encode()[:-20], now=NOW)) == 1


def test_a_key_nobody_knows_is_a_warning() -> None:
    """A slip of the pen is found at its place; a key of the maker's own is none."""
    slip = RIGHT.replace('"k":"hr"', '"k":"hr","sitee":"finger","x_mine":1')
    found = lint(slip.encode(), now=NOW)
    assert [(code, path) for code, path, _ in told(found)] == [("W2003", "/ser/0/sitee")]
    assert not found.refused


def test_the_topic_may_be_its_end_only() -> None:
    """Where both sides have a kind of a name, the keys tell; a claim has two sides too."""
    desired = b'{"v":0,"rev":3,"set":{"dev":1}}'
    assert str(lint(desired, now=NOW, topic="config").kind) == "dn/config"
    assert str(lint(b'{"t1":5}', now=NOW, topic="time").kind) == "up/time"
    assert str(lint(b'{"serial":"A1B2"}', now=NOW, topic="claim").kind) == "claim/req"
    with pytest.raises(LookupError):
        lint(b"{}", now=NOW, topic="quark")


def test_the_command_tells_a_person(tmp_path: Path) -> None:
    """Code, place, value, rule, remedy, in the language of the terminal; exit code 1."""
    file = tmp_path / "obs.json"
    file.write_text(WRONG, encoding="utf-8")
    code, said = command(str(file), "--now", NOW.strftime("%Y-%m-%dT%H:%M:%S"))
    assert code == 1
    assert f"{file}:3:37  E3102 unit_not_allowed  /ser/0/u" in said
    assert "bp.sys must be in mm[Hg]" in said
    assert "docs/contract.md#E3102" in said
    assert "0 series kept, 4 dropped; 3 refused, 1 warnings" in said
    code, said = command(str(file), "--topic", "obs", LC_ALL="zh_CN.UTF-8")
    assert "该体征不允许使用此单位" in said
    assert "怎么办" in said


def test_the_command_tells_a_program() -> None:
    """--json: one object a message; exit codes 0, 1 and 2; warnings count only when strict."""
    late = ("--now", "2027-02-01T00:00:00")
    code, said = command("-", "--json", "--lang", "zh", *late, stdin=RIGHT.encode())
    (one,) = json.loads(said)
    assert code == 0
    assert (one["kind"], one["kept"], one["refused"]) == ("up/obs", 1, False)
    (finding,) = one["findings"]
    assert (finding["code"], finding["line"], finding["column"]) == ("W3203", 1, 29)
    assert finding["meaning"].startswith("读数早于")
    assert command("-", "--strict", *late, stdin=RIGHT.encode())[0] == 1
    assert command("-", stdin=b"{}")[0] == 1
    code, said = command("/no/such/file")
    assert (code, "No such file" in said) == (2, True)
    code, said = command("-", "--topic", "quark", stdin=b"{}")
    assert (code, "no kind of message" in said) == (2, True)


def test_it_works_where_no_server_is_installed() -> None:
    """A device maker's machine: no database driver, no web framework."""
    code = (
        "import sys, io; "
        "sys.modules |= dict.fromkeys(['psycopg', 'fastapi', 'nicegui', 'httpx', 'aiomqtt']); "
        "from hub.main import app; app(['lint', '--topic', 'obs', '-'], standalone_mode=False)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, input=b"{}", capture_output=True, check=False
    )
    assert b"E2102" in done.stdout, done.stderr


def test_a_card_number_is_not_repeated() -> None:
    """What stands in `who` may be one: told by its length only, as the hub does."""
    obs = json.loads(RIGHT)
    obs["ser"][0]["who"] = "330127194911220012"
    code, said = command("-", stdin=json.dumps(obs).encode())
    assert code == 0
    assert "W4001" in said
    assert "330127" not in said


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_file_breaks_it(content: bytes) -> None:
    """Anything at all is messages with findings, never an error; nothing is lost in cutting."""
    found = lint_file(content, now=NOW)
    assert len(found) == len(cut(content))
    assert all(one.findings or not one.refused for one in found)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(_JSON, st.sampled_from([None, 2]), st.data())
def test_a_pointer_leads_to_the_value_it_names(value: Any, indent: int | None, data: Any) -> None:
    """Whatever the layout: the characters at the place are the value's own."""
    steps: list[str | int] = []
    at = value
    while isinstance(at, dict | list) and at and data.draw(st.booleans()):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        steps.append(data.draw(st.sampled_from(keys)))
        at = at[steps[-1]]
    text = json.dumps(value, indent=indent)
    found = spot.find(text, pointer(steps))
    assert found is not None
    assert found.exact
    assert json.loads(text[found.start : found.end]) == at
