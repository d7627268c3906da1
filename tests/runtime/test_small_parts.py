"""Clock, back-off, settings, ports, files, metrics: small, and everything stands on them."""

import asyncio
import os
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from runtime import metrics
from runtime.backoff import full_jitter
from runtime.clock import ManualClock, SystemClock
from runtime.free_port import free_port, is_free
from runtime.private_files import kept_secret, private_directory, write_private
from runtime.settings import Broker, ServiceSettings, parse_broker_url


def test_a_manual_clock_moves_only_by_hand():
    """It stands still, advances both ways and jumps; always UTC."""
    clock = ManualClock(datetime(2026, 3, 4, tzinfo=UTC))
    assert clock.now() == clock.now()
    assert clock.advance(90.5) == datetime(2026, 3, 4, 0, 1, 30, 500000, tzinfo=UTC)
    clock.set(datetime.fromisoformat("2026-03-04T08:00:00+08:00"))
    assert clock.now().isoformat() == "2026-03-04T00:00:00+00:00"
    assert SystemClock().now().tzinfo is UTC


@settings(max_examples=100)
@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0.01, 10))
def test_jitter_stays_below_its_ceiling(attempt, luck, base):
    """Never negative, never over the cap, never over base doubled by each attempt."""
    waited = full_jitter(attempt, base=base, cap=60.0, rand=lambda: luck)
    assert 0 <= waited <= min(60.0, base * 2.0 ** min(attempt, 60))


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://a:b@h:1", Broker("h", 1, "a", "b", False)),
        ("mqtts://a:p%40ss@h", Broker("h", 8883, "a", "p@ss", True)),
        ("mqtt://127.0.0.1", Broker("127.0.0.1", 1883, None, None, False)),
        ("mqtt://u:p@[::1]:7", Broker("::1", 7, "u", "p", False)),
    ],
)
def test_a_broker_url_is_taken_apart(url, broker):
    """User and password are decoded, ports default by scheme."""
    assert parse_broker_url(url) == broker


@pytest.mark.parametrize("url", ["http://h", "mqtt://", "h:1883", ""])
def test_another_url_is_refused_without_repeating_it(url):
    """The message shows the form, never the URL: it may hold a password."""
    with pytest.raises(ValueError, match="looks like"):
        parse_broker_url(url)


def test_settings_come_from_the_environment(monkeypatch):
    """HEARTHBEAT_ names; what is missing is named."""
    monkeypatch.setenv("HEARTHBEAT_DATABASE_URL", "postgresql://x")
    monkeypatch.delenv("HEARTHBEAT_BROKER_URL", raising=False)
    with pytest.raises(ValidationError, match="broker_url"):
        ServiceSettings()
    monkeypatch.setenv("HEARTHBEAT_BROKER_URL", "mqtt://x")
    assert ServiceSettings().metrics_port is None


def test_private_files_are_replaced_whole_and_readable_to_nobody_else(tmp_path):
    """0700 and 0600 whatever the umask; no draft is left; a reader keeps the old text."""
    old_mask = os.umask(0)
    try:
        folder = private_directory(tmp_path / "a" / "b")
        write_private(folder / "f", "old")
        with (folder / "f").open() as reader:
            write_private(folder / "f", "new")
            assert reader.read() == "old"
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "f").stat().st_mode) == 0o600
    assert [p.name for p in folder.iterdir()] == ["f"]


def test_a_secret_is_made_once_and_kept(tmp_path):
    """128 random bits, the same at every reading, another in another file."""
    first = kept_secret(tmp_path / "a")
    assert len(bytes.fromhex(first)) == 16
    assert kept_secret(tmp_path / "a") == first
    assert kept_secret(tmp_path / "b") != first


def test_a_tally_counts_as_a_histogram_does():
    """Each limit counts what is at or below it, the last one everything."""
    tally = metrics.tally("tests_tally", "Of a test.", (0.1, 1.0))
    assert metrics.tally("tests_tally", "Of a test.", (0.1, 1.0)) is tally
    tally.add([0.05, 0.1, 0.5])
    tally.add([7.0])
    (family,) = tally.collect()
    assert {s.labels["le"]: s.value for s in family.samples if "le" in s.labels} == {
        "0.1": 2,
        "1.0": 3,
        "+Inf": 4,
    }
    assert {s.name: s.value for s in family.samples if "le" not in s.labels} == {
        "hearthbeat_tests_tally_count": 4,
        "hearthbeat_tests_tally_sum": pytest.approx(7.65),
    }


def test_a_free_port_is_none_that_a_connection_is_given_by_chance(monkeypatch, tmp_path):
    """Below the system's range for outgoing connections: who keeps it finds it again. Two who ask
    get two, and a row is free as a whole."""
    given_away = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if given_away < 21_000:
        pytest.skip("this system gives nearly every port to outgoing connections")
    found = {free_port() for _ in range(20)}
    assert len(found) > 10
    assert all(20_000 <= port < given_away for port in found)
    first = free_port(row=4)
    (tmp_path / "range").write_text(f"{first + 60}\t60999\n")
    monkeypatch.setattr("runtime.free_port._GIVEN_AWAY", tmp_path / "range")
    monkeypatch.setattr("runtime.free_port._LOWEST", first)
    with socket.create_server(("127.0.0.1", first + 3)):
        assert not is_free(first + 3)
        rows = {free_port(row=4) for _ in range(30)}
    assert all(first + 3 < port <= first + 56 for port in rows)


def test_a_free_port_is_found_where_the_system_gives_all_to_connections(monkeypatch, tmp_path):
    """Then any port will do; the last port of all begins no row."""
    monkeypatch.setattr("runtime.free_port._GIVEN_AWAY", tmp_path / "none")
    first = free_port(row=3)
    assert all(is_free(first + n) for n in range(3))
    assert not is_free(65_536)


async def test_metrics_health_and_readiness_are_served_on_loopback():
    """A counter shows by its name; readiness follows the service, health the process; the port is
    gone afterwards."""
    counted = metrics.counter("tests_total", "Counts in a test.", ("room",))
    assert metrics.counter("tests_total", "Counts in a test.", ("room",)) is counted
    counted.labels("runtime").inc()
    port, now = free_port(), metrics.Readiness()
    url = f"http://127.0.0.1:{port}"
    async with metrics.served(port, lambda: now), httpx.AsyncClient() as client:
        text = (await client.get(f"{url}/metrics")).text
        assert 'hearthbeat_tests_total{room="runtime"} 1.0' in text
        assert "tests_created" not in text
        assert (await client.get(f"{url}/ready")).status_code == 200
        now = metrics.Readiness(False, "standby", {"database": "away"})
        answer = await client.get(f"{url}/ready")
        assert answer.status_code == 503
        assert answer.json() == {
            "ready": False,
            "role": "standby",
            "reasons": {"database": "away"},
        }
        assert (await client.get(f"{url}/health")).status_code == 200
        assert (await client.get(f"{url}/else")).status_code == 404
        async with metrics.served(port):
            assert (await client.get(f"{url}/ready")).status_code == 200
        assert (await client.get(f"{url}/ready")).status_code == 503
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)
