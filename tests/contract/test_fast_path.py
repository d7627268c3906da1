"""The fast path says what the general path says, or nothing; right messages go the fast way."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import cbor, codec, fast_path
from contract.errors import Refused
from contract.instants import to_millis
from contract.messages import Obs
from contract.observation import Observation, observe
from contract.vitals import VITALS
from ingest.decode import decode
from ingest.mqtt_session import Arrival
from ingest.numbers import digest_of
from tests.contract.corpus import UP, golden
from tests.contract.mutations import mutated

NOW = datetime(2026, 11, 22, 13, 40, 0, 123456, tzinfo=UTC)
T = to_millis(NOW) - 5_000
BATCHES = sorted(name for name, kind in UP.items() if kind == "obs")
# What is right and still goes the general way, and why.
GENERAL = {
    "obs_glucose.json": "is converted",
    "obs_without_clock.json": "has no time of its own",
    "obs_unknown.json": "has a vital sign nobody knows",
    "obs_above_range.json": "is a finding without a number",
}


def general(payload: bytes, now: datetime) -> tuple[Obs, Observation]:
    """What the exact way makes of a payload."""
    obs = codec.decode("obs", payload)
    assert isinstance(obs, Obs)
    return obs, observe(obs, received_at=now)


def same(payload: bytes, now: datetime = NOW) -> bool:
    """Whether the fast path took it; if it did, both ways agree in everything, in CBOR too."""
    taken = agrees(payload, now)
    if taken:
        values = json.loads(payload)
        assert agrees(cbor2.dumps(values), now)
        assert agrees(cbor.write(values), now)
    return taken


def agrees(payload: bytes, now: datetime) -> bool:
    """The same of one payload."""
    proven = fast_path.prove(payload, now)
    if proven is None:
        return False
    obs, observation = general(payload, now)
    assert proven.observation() == observation
    assert (observation.defects, observation.warnings, observation.unknown) == ([], [], [])
    assert digest_of(proven.obs) == digest_of(obs)
    for key in set(Obs.__struct_fields__) - {"ser"}:
        assert getattr(proven.obs, key) == getattr(obs, key)
    assert [(one.k, one.dev or "") for one in proven.obs.ser] == [
        (one.k, one.dev or "") for one in obs.ser
    ]
    return True


def batch(*series: dict[str, Any], **envelope: Any) -> bytes:
    """A batch as bytes."""
    said = {"v": 0, "boot": 12, "seq": 7, "t": T, "clk": "ntp", **envelope, "ser": list(series)}
    return json.dumps({k: v for k, v in said.items() if v is not None}).encode()


def pressure(**more: Any) -> dict[str, Any]:
    """One blood pressure."""
    return {"k": "bp", "dev": "cuff1", "o": [0], "c": {"sys": [148], "dia": [91]}, **more}


@pytest.mark.parametrize("name", BATCHES)
def test_right_examples_go_the_fast_way(name: str) -> None:
    """Every example of a batch that needs nothing but to be stored; the others are listed."""
    payload = golden(name)
    at = datetime.fromtimestamp(json.loads(payload).get("t", T) / 1000 + 3600, UTC)
    assert same(payload, at) is (name not in GENERAL)


@pytest.mark.parametrize("k", sorted(VITALS))
def test_every_vital_sign_goes_the_fast_way(k: str) -> None:
    """In its first unit, in the middle of what is plausible, as reading and as block."""
    vital = VITALS[k]
    columns = {part.key: [sum(part.plausible) / 2] * 2 for part in vital.parts if part.required}
    content = (
        {"c": columns | {"sys": [130, 140.5], "dia": [80, 90]}}
        if vital.named
        else {"y": [sum(vital.parts[0].plausible) / 2, round(vital.parts[0].plausible[1])]}
    )
    assert same(batch({"k": k, "o": [0, 1000], **content}))
    assert same(batch({"k": k, "dt": 1000, "u": vital.parts[0].unit, "q": [1, None], **content}))


@pytest.mark.parametrize(
    "payload",
    [
        batch(pressure()),
        batch(pressure(pos="sitting", site="upper_arm_l", how="manual", who="A", fl=["ihb"])),
        batch(pressure(who="r:0123456789abcdef", rec=7, fix=1, q=[90], u="mm[Hg]")),
        batch(pressure(ses={"id": "s1", "n": 2, "of": 3, "done": 1})),
        batch(pressure(o=[-86_400_000]), up=3, hist=1, rc=1, cerr=3, tp="00-a"),
        batch(pressure(c={"pr": [72.5], "map": [110], "dia": [91], "sys": [148]}), clk=None),
        batch({"k": "hr", "o": [0, 0, 5], "y": [70, 71, 72], "rec": 9}),
        batch({"k": "spo2", "dt": 1000, "y": [None, None]}, t=T - 10 * 86_400_000),
        batch({"k": "bp", "dt": 800, "c": {"sys": [120, None], "dia": [80, 81]}}),
    ],
)
def test_what_right_devices_send_goes_the_fast_way(payload: bytes) -> None:
    """Every optional key, several rows at one instant, gaps, backlog of some days."""
    assert same(payload)


@pytest.mark.parametrize(
    "payload",
    [
        batch({"k": "aura", "o": [0], "y": [1]}),
        batch(pressure(x_own=1)),
        batch(pressure(later=[[[1]]])),
        batch(pressure(ses={"id": "s", "later": 1})),
        batch(pressure(), x_own=1),
        batch(pressure(who="Z")),
        batch(pressure(fl=["wings"])),
        batch(pressure(fl=["failed"], c={"sys": [None], "dia": [None]})),
        batch(pressure(c={"sys": [None], "dia": [None]})),
        batch(pressure(c={"sys": [148], "dia": [140]})),
        batch(pressure(c={"sys": [148], "dia": [91], "map": [91]})),
        batch(pressure(c={"sys": [301], "dia": [91]})),
        batch(pressure(o=[0, 1])),
        batch(pressure(q=[1, 2])),
        batch(pressure(dt=1000)),
        batch(pressure(o=None)),
        batch(pressure(o=[200_000])),
        batch(pressure(o=[-40 * 86_400_000])),
        batch({"k": "glu", "o": [0], "y": [126], "u": "mg/dL"}),
        batch({"k": "steps", "o": [0], "y": [126], "u": "1"}),
        batch({"k": "spo2", "dt": 1000, "y": []}),
        batch({"k": "spo2", "dt": 1000, "y": [97, 20]}),
        batch({"k": "spo2", "dt": 86_400_000, "y": [97, 97]}),
        batch({"k": "hr", "y": [70]}),
        batch({"k": "hr", "o": [0], "y": [None]}),
        batch(pressure(), t=None, up=5),
        batch(pressure(), t=0),
        batch(pressure(), t=4_070_908_800_000),
        batch(pressure(), t=T - 31 * 86_400_000),
        batch(pressure(), clk="sundial"),
        batch(),
        batch(*[pressure()] * 65),
        batch(pressure(pos="\u0000")),
        batch({"k": "hr", "dt": 1, "y": [70] * 20_001}),
        b'{"v":0,"boot":1,"seq":1,"t":%d,"clk":"ntp","ser":[{"k":"hr","k":"pr","o":[0],"y":[70]}]}'
        % T,
    ],
)
def test_whatever_needs_a_word_goes_the_general_way(payload: bytes) -> None:
    """A defect, a warning, a doubt, a conversion, something unknown: never proved right."""
    assert fast_path.prove(payload, NOW) is None


@pytest.mark.parametrize("payload", [batch(pressure()), cbor.write(json.loads(batch(pressure())))])
def test_ingest_takes_the_fast_way(payload: bytes) -> None:
    """A right batch leaves the first stage understood, with its numbers and its digest."""
    decoded = decode(Arrival("hh/1/up/node0001/obs", payload, NOW))
    obs, observation = general(payload, NOW)
    assert decoded.observation == observation
    assert (decoded.boot, decoded.seq, decoded.digest) == (12, 7, digest_of(obs))


def test_the_last_of_a_key_written_twice_holds_either_way() -> None:
    """Twice the same key in a right message: the same result."""
    twice = batch(pressure()).replace(b'"o": [0]', b'"o": [0], "o": [5], "dev": "cuff2"')
    assert same(twice)


def test_the_hubs_clock_may_jump() -> None:
    """Each message is judged by its own time of arrival, also out of order."""
    for days in (0, 400, -400, 0, 0.001, -0.001):
        now = NOW + timedelta(days=days)
        own = batch(pressure(), t=to_millis(now) - 1000)
        assert same(own, now)
        if abs(days) > 1:
            assert not same(own, NOW)


COLUMN = st.lists(st.none() | st.integers(40, 160) | st.floats(40, 160), min_size=1, max_size=3)
RIGHT = st.fixed_dictionaries(
    {"k": st.sampled_from(["bp", "hr", "spo2", "temp", "glu", "wt"])},
    optional={
        "dev": st.sampled_from(["", "d1"]),
        "u": st.sampled_from(["mm[Hg]", "/min", "%", "Cel", "mg/dL"]),
        "dt": st.sampled_from([1, 1000, 60_000]),
        "o": st.lists(st.integers(-9, 9) | st.integers(-(2**53), 2**53), max_size=3),
        "y": COLUMN,
        "c": st.fixed_dictionaries(
            {"sys": COLUMN, "dia": COLUMN}, optional={"map": COLUMN, "pr": COLUMN}
        ),
        "q": st.lists(st.none() | st.integers(0, 101), max_size=3),
        "fl": st.lists(st.sampled_from(["motion", "demo", "failed", "wings"]), max_size=2),
        "who": st.sampled_from(["A", "Z", "A\n", "r:0123456789abcdef"]),
        "rec": st.integers(0, 9),
        "fix": st.integers(0, 1),
        "ses": st.fixed_dictionaries({"id": st.just("s")}, optional={"n": st.integers(0, 3)}),
    },
)


@settings(max_examples=400, deadline=None)
@given(
    series=st.lists(RIGHT, min_size=1, max_size=3),
    lag=st.sampled_from([-120_001, -120_000, 0, 5, 2_591_999_000, 2_592_000_001]),
)
def test_both_ways_agree_on_near_right_messages(series: list[dict[str, Any]], lag: int) -> None:
    """Whatever is proved right is understood the same way in general."""
    same(batch(*series, t=to_millis(NOW) - lag))


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(BATCHES), data=st.data())
def test_both_ways_agree_on_mutated_examples(name: str, data: st.DataObject) -> None:
    """Examples with bytes changed: proved right only where the general way refuses nothing."""
    if data.draw(st.booleans()):
        name = name.replace(".json", ".cbor")
    payload = mutated(golden(name), data)
    try:
        agrees(payload, NOW)
    except Refused as error:
        pytest.fail(f"proved right, and refused: {error}")
