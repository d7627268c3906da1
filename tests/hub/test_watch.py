"""The watch: an absent database is told by a way that needs none, once, again, and when over."""

import hashlib
import hmac
import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hub.technical import TechnicalAlarms, Webhook, signature
from hub.watch import Watch, WatchSettings
from runtime.running import wait_until

RULES = WatchSettings(every_s=2.0, away_after_s=10.0, repeat_every_s=600.0)
SECRET = "technical-secret"


@pytest.fixture
def listener():
    """A webhook's other end; keeps (headers, body) of every post."""
    posts = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.posts = posts
    server.url = f"http://127.0.0.1:{server.server_port}/technical"
    yield server
    server.shutdown()
    server.server_close()


def phases(looks):
    state, told = Watch(0.0), []
    for now, answers in looks:
        state, phase = state.looked(answers=answers, now=now, rules=RULES)
        if phase:
            told.append((now, phase))
    return told


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        ([(t, True) for t in range(0, 60, 2)], []),
        ([(2, False), (4, False), (6, True), (8, False), (14, True)], []),
        ([(t, False) for t in range(2, 600, 2)], [(10, "begin")]),
        ([(t, False) for t in range(2, 1300, 2)], [(10, "begin"), (610, "still"), (1210, "still")]),
        ([(5, False), (11, False), (13, True), (15, True)], [(11, "begin"), (13, "over")]),
    ],
)
def test_it_is_told_once_then_every_ten_minutes_then_when_over(looks, told):
    """The table of what is told when, by the seconds since the database last answered."""
    assert phases(looks) == told


def verified(headers, body):
    fields = dict(part.split("=", 1) for part in headers["X-Hearthbeat-Signature"].split(","))
    signed = f"{fields['t']}.".encode() + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(expected, fields["v1"])
    return json.loads(body)


async def test_an_alarm_is_signed_posted_and_written(listener, clock, tmp_path):
    """The post verifies with the secret; the line in the file says the same."""
    log = tmp_path / "technical.log"
    alarms = TechnicalAlarms(log, Webhook(listener.url, SECRET), clock)
    assert await alarms.tell("database_away", "begin", "The database does not answer.")
    ((headers, body),) = listener.posts
    said = verified(headers, body)
    assert (said["alarm"], said["phase"]) == ("database_away", "begin")
    assert json.loads(log.read_text())["phase"] == "begin"
    assert signature(SECRET, 1, body) != signature(SECRET, 2, body), "no replay under another time"


async def test_a_dead_webhook_never_stops_the_rest(clock, tmp_path):
    """Nobody listens: the file has the line, the caller is told no, nothing is raised."""
    log = tmp_path / "technical.log"
    alarms = TechnicalAlarms(log, Webhook("http://127.0.0.1:9/x", SECRET), clock)
    assert not await alarms.tell("database_away", "begin", "The database does not answer.")
    assert "database_away" in log.read_text()


@pytest.mark.loop
def test_safety_15_a_technical_alarm_leaves_without_the_database(start_hub, listener, monkeypatch):
    """PostgreSQL hangs under a running hub: signed alarm by webhook and file, and its end."""
    monkeypatch.setenv("HEARTHBEAT_TECHNICAL_WEBHOOK_SECRET", SECRET)
    arguments = (f"--technical-webhook-url={listener.url}", "--watch-away-after=1")
    hub = start_hub("data", *arguments).wait_up()
    os.kill(hub.pid("postgres"), signal.SIGSTOP)
    try:
        assert wait_until(lambda: listener.posts, 36.0), hub.said()
    finally:
        os.kill(hub.pid("postgres"), signal.SIGCONT)
    assert wait_until(lambda: len(listener.posts) > 1, 30.0), hub.said()
    said = [verified(*post) for post in listener.posts]
    assert [(s["alarm"], s["phase"]) for s in said] == [
        ("database_away", "begin"),
        ("database_away", "over"),
    ]
    assert (hub.data / "log" / "technical.log").read_text().count("\n") == 2
