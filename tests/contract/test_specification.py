"""The specification: made by one command, complete, and true to what the hub does."""

import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from contract import messages, vitals
from contract.claim_code import read_qr
from contract.clocks import QUALITIES
from contract.configuration import SETTINGS
from contract.operations import OPERATIONS, STATES, check
from contract.specification import artefacts, page, schemas, summaries
from contract.specification.__main__ import examples, main
from contract.specification.clauses import BOOK, ID, NORMATIVE, read
from contract.specification.examples import TITLES, TOPICS
from contract.specification.keys import KEYS, known_keys
from contract.specification.rates import HARD_BURST, HARD_PER_S, HARD_SAMPLES, SOFT, SOFT_SAMPLES
from ingest.throttle import SOFT as KEPT
from ingest.throttle import Limits

ROOT = Path(__file__).parents[2]
EXAMPLES = examples(ROOT)
PAGE = (ROOT / artefacts.PAGE).read_text(encoding="utf-8")
CLAUSE_LINE = re.compile(r'^- <a id="(HH1-\w+-\d+)"></a>.*$', re.MULTILINE)


def test_the_command_finds_nothing_to_write() -> None:
    """What `make check` runs: exit code 0 and one line."""
    done = subprocess.run(
        [sys.executable, "-m", "contract.specification", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_notices_every_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed file, a missing one and a strange one: 1 and their names; write mends all."""
    golden = tmp_path / "tests/contract/golden"
    golden.mkdir(parents=True)
    for name, text in EXAMPLES.items():
        (golden / f"{name}.json").write_text(text, encoding="utf-8")
    where = ["--root", str(tmp_path)]
    assert main(["write", *where]) == 0
    (tmp_path / artefacts.PAGE).write_text("changed", encoding="utf-8")
    (tmp_path / artefacts.ASYNCAPI).unlink()
    (tmp_path / artefacts.SCHEMAS / "up-dream.json").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert main(["check", *where]) == 1
    told = capsys.readouterr().err
    assert all(name in told for name in (artefacts.PAGE, artefacts.ASYNCAPI, "up-dream.json"))
    assert main(["write", *where]) == 0
    assert main(["check", *where]) == 0


def test_the_command_says_where_it_can_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outside a checkout there are no examples: exit code 2 and what to do."""
    assert main(["check", "--root", str(tmp_path)]) == 2
    assert "checkout" in capsys.readouterr().err


# --- clauses ------------------------------------------------------------------------------


def test_nothing_is_demanded_outside_a_clause() -> None:
    """A sentence with MUST, SHOULD or MAY has an id that a check can cite."""
    outside = CLAUSE_LINE.sub("", PAGE)
    assert [line for line in outside.splitlines() if NORMATIVE.search(line)] == []
    texts = [key.says for entries in KEYS.values() for key in entries.values()]
    assert [text for text in texts if NORMATIVE.search(text)] == []


def test_every_clause_stands_on_the_page_once() -> None:
    """In its chapter, with its level and its text."""
    assert sorted(CLAUSE_LINE.findall(PAGE)) == sorted(clause.id for clause in BOOK.clauses)
    for clause in BOOK.clauses:
        assert ID.match(clause.id)
        assert clause.says in PAGE


def test_every_conformance_check_has_a_clause() -> None:
    """The 64 checks of the bench, each citing what it shows."""
    assert list(BOOK.checks) == list(range(1, 65))
    shown = {number for clause in BOOK.clauses for number in clause.checks}
    assert shown == set(BOOK.checks)
    assert {letter for check in BOOK.checks.values() for letter in check.by} <= set("PSHFO")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- {id: HH1-AAA-01, for: A, says: It MUST.}\n" * 2, "used twice"),
        ("- {id: HH1-AA-1, for: A, says: It MUST.}", "no id"),
        ("- {id: HH1-AAA-01, for: A, says: It may.}", "neither MUST"),
        ("- {id: HH1-AAA-01, for: A, checks: [9], says: It MUST.}", "do not exist"),
    ],
)
def test_a_mistake_in_the_clauses_is_named(text: str, complaint: str) -> None:
    """Ids twice or malformed, nothing demanded, checks that do not exist."""
    with pytest.raises(ValueError, match=complaint):
        read(f"clauses:\n{text}\nchecks: {{1: {{by: P, title: One}}}}\n")


# --- keys and words -----------------------------------------------------------------------


def structs() -> set[type[msgspec.Struct]]:
    """Every message and what is inside them."""
    found = {getattr(messages, name) for name in messages.__all__}
    return {struct for struct in found if struct is not messages.Envelope}


def test_every_key_is_explained_and_nothing_else() -> None:
    """A new key without a sentence fails here; so does a sentence without a key."""
    used: dict[str, set[str]] = {name: set() for name in KEYS}
    for struct in structs():
        names = {base.__name__ for base in struct.__mro__} & set(KEYS)
        for key in known_keys(struct):
            for name in names:
                used[name] |= {key} & set(KEYS[name])
    assert used == {name: set(entries) for name, entries in KEYS.items()}


def test_words_are_those_the_hub_knows() -> None:
    """Clocks, commands and settings, where the hub has a list of its own."""
    assert set(KEYS["Envelope"]["clk"].words) == QUALITIES
    assert list(KEYS["Command"]["op"].words) == list(OPERATIONS)
    assert KEYS["Result"]["st"].words == STATES
    assert all(f"| `{key}` |" in PAGE for key in SETTINGS)


@pytest.mark.parametrize("name", [name for name, topic in TOPICS.items() if topic == "dn/cmd"])
def test_every_command_shown_may_be_given(name: str) -> None:
    """What lets a command out of the hub has nothing against the examples."""
    command = json.loads(EXAMPLES[name])
    assert check(command["op"], command["args"]) == []


def test_every_operation_is_shown() -> None:
    """Each has an example."""
    shown = {json.loads(EXAMPLES[n])["op"] for n, topic in TOPICS.items() if topic == "dn/cmd"}
    assert shown == set(OPERATIONS)


def test_rates_are_those_the_hub_keeps() -> None:
    """The page, ingest's soft rates, and its hard one."""
    assert {rate.kind: (rate.per_s, rate.burst) for rate in SOFT} == {
        kind: (rate.per_s, rate.burst) for kind, rate in KEPT.items()
    }
    assert tuple(Limits().hard) == (HARD_PER_S, HARD_BURST)
    assert tuple(Limits().soft_samples) == SOFT_SAMPLES
    assert tuple(Limits().hard_samples) == HARD_SAMPLES
    assert "10 a minute, 10 at once" in PAGE


# --- schemas ------------------------------------------------------------------------------


def described(schema: Any, place: str = "") -> Iterator[str]:
    """The places of keys without a description, in a schema of ours."""
    if isinstance(schema, dict):
        for key, value in schema.get("properties", {}).items():
            if "description" not in value:
                yield f"{place}/{key}"
        for key, value in schema.items():
            if key not in {"if", "then"}:
                yield from described(value, f"{place}/{key}")


def test_every_key_of_every_schema_is_described() -> None:
    """Also inside the definitions."""
    for name, schema in schemas.components().items():
        assert list(described(schema, name)) == []


def test_a_new_vital_sign_reaches_everything_made() -> None:
    """One entry in the dictionary: schemas and AsyncAPI know it, and its range."""
    text = (ROOT / "contract/vitals.yaml").read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    part = {"key": "bmi", "zh": "体质指数", "en": "BMI", "units": [{"ucum": "1"}], "loinc": []}
    part |= {"mdc": None, "possible": [5, 150], "plausible": [10, 80]}
    raw["vitals"].append({"k": "bmi", "zh": "体质指数", "en": "Body mass", "parts": [part]})
    more = vitals.parse(yaml.safe_dump(raw, allow_unicode=True)).vitals
    made = artefacts.made(EXAMPLES, more)
    for path in (artefacts.ASYNCAPI, f"{artefacts.SCHEMAS}/up-obs.json"):
        assert "bmi" in made[path]
        assert "bmi" not in artefacts.made(EXAMPLES)[path]


def test_a_place_nobody_fills_stops_the_page() -> None:
    """A table, a group of clauses or an example that does not exist."""
    parts = schemas.components()
    for place in ("{{table none}}", "{{clauses QQQ}}", "{{example none}}", "{{keys None}}"):
        with pytest.raises(KeyError):
            page.written(place, parts, EXAMPLES)


# --- worked examples ----------------------------------------------------------------------


def mac(*lines: str) -> str:
    """HMAC-SHA256 as the page describes it, by nobody's code but the library's."""
    return hmac.new(bytes(range(16)), "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def test_the_proofs_are_what_the_page_says() -> None:
    """Both proofs computed anew from the messages shown; the page and the messages agree."""
    asked, told = (json.loads(EXAMPLES[n]) for n in ("claim_prove", "claim_certificate"))
    request, authority = (
        hashlib.sha256(t.encode()).hexdigest() for t in (asked["csr"], told["ca"])
    )
    unit = mac(asked["serial"], asked["nonce"], request)
    without = mac(asked["serial"], asked["nonce"])
    hub = mac("hub", told["serial"], asked["nonce"], told["node"], authority)
    assert (asked["proof"], told["proof"]) == (unit, hub)
    assert json.loads(EXAMPLES["claim_prove_password"])["proof"] == without
    assert json.loads(EXAMPLES["claim_password"])["proof"] == hub
    for said in (unit, without, hub, summaries.SECRET.hex(), request, authority):
        assert f"| `{said}` |" in PAGE


def test_the_signed_bytes_are_written_out() -> None:
    """The hexadecimal lines of the page are the bytes that were signed."""
    shown = [bytes.fromhex(h).decode() for h in re.findall(r"\(hex\) \| `([0-9a-f]+)` \|", PAGE)]
    assert [text.count("\n") for text in shown] == [1, 2, 4]
    assert [mac(text) for text in shown] == re.findall(r"`proof` of the [^|]+ \| `(\w+)`", PAGE)


def test_the_printed_code_can_be_read() -> None:
    """The QR text of the page is a right one, and its readable form is the same code."""
    text, grouped = (
        re.search(r"^ +(HH1:\S+)$", PAGE, re.MULTILINE),
        re.search(r"`(\w{5}-\w{5})`", PAGE),
    )
    assert text
    assert grouped
    printed = read_qr(text[1])
    assert printed
    assert (printed.serial, printed.code) == ("HB24-000137", grouped[1].replace("-", ""))
    assert len(TITLES) == len(EXAMPLES)
