"""The first start of a hub: one password, private files, one hub a directory, no open doors."""

import re
import stat

import psycopg
import pytest

from runtime.running import wait_until

pytestmark = pytest.mark.loop


def test_the_administrators_password_is_shown_once_and_kept_nowhere(start_hub):
    """First start: printed once. Second start: not. Neither logs nor database hold it."""
    hub = start_hub("data").wait_up()
    (password,) = re.findall(r"Sign in\s+admin / (\S+)", hub.said())
    assert wait_until(lambda: "Ctrl-C stops" in hub.said(), 15.0)
    assert hub.stop() == 0
    again = start_hub("data").wait_up()
    assert wait_until(lambda: hub.said().count("Ctrl-C stops") == 2, 15.0)
    assert hub.said().count(password) == 1, "shown again"
    for path in (hub.data / "log").iterdir():
        assert password not in path.read_text(errors="replace")
    with psycopg.connect(again.addresses()["database_url"]) as conn:
        kept = conn.execute("SELECT user_name, password_hash FROM staff").fetchall()
    assert [user for user, _ in kept] == ["admin"]
    assert kept[0][1].startswith("$argon2id$")


def test_nothing_of_the_hub_is_readable_for_others(shared_hub):
    """Every directory is 0700 and every file 0600 (what initdb makes likewise)."""
    paths = [shared_hub.data, *shared_hub.data.rglob("*")]
    assert len(paths) > 100
    modes = {str(path): stat.S_IMODE(path.lstat().st_mode) for path in paths if path.exists()}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_two_hubs_do_not_share_a_directory(start_hub, shared_hub):
    """The second one says who has it and ends with 2; the first one does not notice."""
    first = shared_hub
    second = start_hub("data", f"--data={first.data}")
    assert second.process.wait(20) == 2
    assert f"already runs on {first.data} (pid {first.process.pid})" in second.said()
    assert first.process.poll() is None
    assert first.addresses()["pid"] == first.process.pid


def test_a_directory_with_other_things_is_left_alone(start_hub, tmp_path):
    """A directory that is not empty and not a hub's is refused, untouched."""
    (tmp_path / "letter.txt").write_text("mine")
    tmp_path.chmod(0o755)
    hub = start_hub("other", f"--data={tmp_path}")
    assert hub.process.wait(20) == 2
    assert "holds other things" in hub.said()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_beyond_this_machine_only_with_tls(start_hub):
    """A listen address beyond loopback is refused with 2, names the ways out, starts nothing."""
    hub = start_hub("data", "--listen=0.0.0.0")
    assert hub.process.wait(20) == 2
    for way in ("--tls-cert", "--self-signed", "--insecure"):
        assert way in hub.said()
    assert not (hub.data / "postgres").exists()
