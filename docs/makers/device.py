"""A small device of HH/1: one cuff behind one node, in one file. Needs paho-mqtt 2.

NODE=… PASSWORD=… HOST=… PORT=… [CA=ca.pem] python3 device.py memory.db

Each line it reads is a measurement (`128 79 66`: systolic, diastolic, pulse) or `help`, the button
for help. At the end of its input it waits for the last receipt, says goodbye and ends.
"""

import json
import os
import random
import select
import sqlite3
import ssl
import sys
import time

import paho.mqtt.client as mqtt

NODE, PASSWORD = os.environ["NODE"], os.environ["PASSWORD"]
HOST, PORT = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "1883"))
UP, DN = f"hh/1/up/{NODE}/", f"hh/1/dn/{NODE}/"
CAN = {"enc": ["json"], "mqtt": 4, "plan": True}
BIRTH = {"maker": "acme", "model": "tutor", "fw": "1.0", "level": "sensor", "cap": CAN}
BIRTH |= {"devs": [{"dev": "cuff1", "type": "bpm"}], "ser": [{"k": "bp", "dev": "cuff1"}]}
FIRST = {"event": 0, "ack": 1, "res": 1}  # what goes before measurements
AGAIN_S = {"event": (5, 10, 20, 60)}  # when to send again without a receipt; else after 60 s


class Device:
    """Everything it must not forget is in SQLite: messages without a receipt, counters, answers."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript(
            "CREATE TABLE IF NOT EXISTS kept"
            " (boot, seq, kind, body, tries, due, UNIQUE (boot, seq));"
            "CREATE TABLE IF NOT EXISTS noted (name PRIMARY KEY, value)"
        )
        # Counted; drawn at random where the memory is new, for the old one may have been lost.
        self.boot, self.seq = self.count("boot", random.getrandbits(31)), 0
        self.offset_ms, self.clock = 0, "ntp"
        self.online = self.hub_ready = False
        self.hold_until = self.ask_time_at = self.bound_s = 0
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, NODE, clean_session=False)
        self.client.username_pw_set(NODE, PASSWORD)
        self.client.max_inflight_messages_set(10)
        if "CA" in os.environ:
            self.client.tls_set(os.environ["CA"], tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.on_connect, self.client.on_subscribe = self.connected, self.subscribed
        self.client.on_message = self.heard

    def note(self, name, value):
        self.db.execute("INSERT OR REPLACE INTO noted VALUES (?, ?)", (name, json.dumps(value)))

    def noted(self, name, otherwise=None):
        row = self.db.execute("SELECT value FROM noted WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else otherwise

    def count(self, name, first=0):
        self.note(name, self.noted(name, first) + 1)
        return self.noted(name)

    def now(self):
        return int(time.time() * 1000) + self.offset_ms

    # --- what it says: kept first, then sent, forgotten with the hub's receipt ----------------

    def keep(self, kind, **body):
        head = {"v": 0, "boot": self.boot, "seq": self.seq, "t": self.now(), "rc": 1}
        head["clk"] = self.clock
        row = (self.boot, self.seq, kind, json.dumps(head | body, ensure_ascii=False))
        self.db.execute("INSERT INTO kept VALUES (?, ?, ?, ?, 0, 0)", row)
        self.seq += 1

    def send_due(self, only="%"):
        rows = self.db.execute(
            "SELECT boot, seq, kind, body, tries FROM kept WHERE due <= ? AND kind LIKE ?",
            (time.time(), only),
        )
        first = sorted(rows.fetchall(), key=lambda row: (FIRST.get(row[2], 2), row[0], row[1]))
        for boot, seq, kind, body, tries in first[:10]:
            if kind == "obs" and (not self.hub_ready or time.time() < self.hold_until):
                continue
            self.client.publish(UP + kind, body, qos=1, retain=kind in {"birth", "config"})
            waits = AGAIN_S.get(kind, (60,))
            due = time.time() + waits[min(tries, len(waits) - 1)]
            self.db.execute(
                "UPDATE kept SET tries = tries + 1, due = ? WHERE boot = ? AND seq = ?",
                (due, boot, seq),
            )

    def fall_back(self):
        """A call for help without a receipt for a minute: the device itself says what to do."""
        old = "SELECT boot, seq FROM kept WHERE kind = 'event' AND json_extract(body, '$.t') < ?"
        for boot, seq in self.db.execute(old, (self.now() - 60_000,)).fetchall():
            if not self.noted(f"fell back {boot} {seq}"):
                self.note(f"fell back {boot} {seq}", True)
                print("The hub does not answer. Please call 120 yourself.", flush=True)

    def state(self, word):
        body = {"v": 0, "s": word, "con": self.noted("con"), "boot": self.boot}
        body["plan"] = self.noted("plan", {}).get("rev", 0)
        return self.client.publish(UP + "state", json.dumps(body), qos=1, retain=True)

    def measured(self, sys_mmhg, dia_mmhg, pulse):
        columns = {"sys": [sys_mmhg], "dia": [dia_mmhg], "pr": [pulse]}
        series = {"k": "bp", "dev": "cuff1", "o": [0], "c": columns}
        wanted = self.noted("wanted")  # the command that asked for a measurement
        if wanted:
            series["ses"] = {"id": f"s-{wanted}", "n": 1, "of": 1, "done": 1}
            self.note("wanted", None)
        self.keep("obs", ser=[series])
        if wanted:
            self.answer(wanted, st="ok", ses=f"s-{wanted}")

    # --- what it hears ------------------------------------------------------------------------

    def heard(self, client, userdata, message):
        kind = message.topic.rpartition("/")[2]
        try:
            body = json.loads(message.payload)
            getattr(self, f"heard_{kind}", lambda _: None)(body)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            print(f"not understood on {kind}", file=sys.stderr)  # never a reason to stop

    def heard_status(self, body):
        self.hub_ready = body["s"] == "ready"

    def heard_fb(self, body):
        if "rcpt" in body:
            receipt = body["rcpt"]
            for low, high in [[0, receipt["upto"]], *receipt.get("also", [])]:
                self.db.execute(
                    "DELETE FROM kept WHERE boot = ? AND seq BETWEEN ? AND ?",
                    (receipt["boot"], low, high),
                )
            return
        about = body.get("ref", {})
        if body.get("ok") is False and not body.get("retry"):  # it will never be taken
            self.db.execute(
                "DELETE FROM kept WHERE boot = ? AND seq = ?", (about.get("boot"), about.get("seq"))
            )
        if "after" in body:
            self.hold_until = time.time() + body["after"]
        if "say" in body:  # a sentence for the person
            print(body["say"]["en"], flush=True)
        elif "code" in body:  # one for the maker
            print(body["code"], body["path"], body["hint"], file=sys.stderr)

    def ask_time(self):
        if time.time() > self.ask_time_at:
            self.ask_time_at = time.time() + 6 * 3600
            self.client.publish(UP + "time", json.dumps({"t1": int(time.time() * 1000)}))

    def heard_time(self, body):
        back = int(time.time() * 1000)
        if back - body["t1"] <= 2000:  # a slow round trip says nothing
            self.offset_ms = (body["t2"] - body["t1"] + body["t3"] - back) // 2
            self.clock = "hub"

    def heard_plan(self, body):
        if body["rev"] > self.noted("plan", {}).get("rev", 0):
            self.note("plan", body)
            self.keep("ack", acks=[{"id": f"plan:{body['rev']}", "st": "received"}])

    def heard_config(self, body):
        """Nothing to set here but developer mode, which is the hub's work: the rest is refused."""
        if body["rev"] > self.noted("config", 0):
            self.note("config", body["rev"])
            refused = [name for name in body["set"] if name != "dev"]
            errors = [{"path": f"/{name}", "msg": "no setting of this device"} for name in refused]
            dev = body["set"].get("dev", 0)
            self.keep("config", rev=body["rev"], applied={"dev": dev}, errors=errors)

    def heard_cmd(self, body):
        before = self.noted(f"answer {body['id']}")
        if before:  # carried out once; asked again, the answer is repeated
            return self.answer(body["id"], **before)
        if body["exp"] < self.now():
            return self.answer(body["id"], st="expired")
        if body["op"] == "measure_now":
            print("Please sit down and measure.", flush=True)
            self.note("wanted", body["id"])
            return self.answer(body["id"], st="accepted")
        if body["op"] == "speak":
            text = body["args"]["text"]  # one for all, or one for each language
            print(text if isinstance(text, str) else text["en"], flush=True)
            return self.answer(body["id"], st="ok")
        return self.answer(body["id"], st="unsupported")

    def answer(self, command, **said):
        self.note(f"answer {command}", said)
        self.keep("res", id=command, **said)

    def ring(self):
        """Rings with the hub there or not; a dose is prompted once, never after its window."""
        for item in self.noted("plan", {}).get("items", []):
            for at, occurrence in item["occ"]:
                if at <= self.now() < at + item["win"][1] * 1000 and not self.noted(
                    f"rang {occurrence}"
                ):
                    self.note(f"rang {occurrence}", True)
                    print(item["text"]["en"], flush=True)
                    self.keep("ack", acks=[{"id": occurrence, "st": "shown", "at": self.now()}])

    # --- the connection -----------------------------------------------------------------------

    def connected(self, client, userdata, flags, reason, properties):
        if reason.is_failure:  # not soon again with a password that was refused
            print(reason, file=sys.stderr)
            self.bound_s = 120 if reason == "Server unavailable" else 240
        else:
            client.subscribe([(DN + "+", 1), ("hh/1/hub/status", 1)])

    def subscribed(self, *_):
        self.online, self.ask_time_at, self.bound_s = True, 0, 1
        self.db.execute("UPDATE kept SET due = 0")
        self.send_due("birth")
        self.state("ready")

    def connect(self):
        """With a new number in the will; after a random wait that grows with each failure."""
        if self.bound_s:
            time.sleep(max(5, random.uniform(self.bound_s / 4, self.bound_s)))
        self.bound_s = min(2 * self.bound_s or 1, 120)
        will = {"v": 0, "s": "lost", "con": self.count("con")}
        self.client.will_set(UP + "state", json.dumps(will), qos=1, retain=True)
        try:
            return self.client.connect(HOST, PORT, keepalive=60) == mqtt.MQTT_ERR_SUCCESS
        except OSError as problem:
            print(problem, file=sys.stderr)
            return False

    def run(self):
        """Until its input ends and everything has its receipt."""
        self.keep("birth", **BIRTH)
        link, typing = False, True
        while typing or self.db.execute("SELECT count(*) FROM kept").fetchone()[0]:
            link = link or self.connect()
            if link and self.client.loop(0.1) != mqtt.MQTT_ERR_SUCCESS:
                link = self.online = False
            while typing and select.select([sys.stdin], [], [], 0)[0]:
                typing = self.typed(sys.stdin.readline())
            self.ring()
            self.fall_back()
            if self.online:
                self.ask_time()
                self.send_due()
        self.state("offline").wait_for_publish(5)
        self.client.disconnect()

    def typed(self, line):
        if line.strip() == "help":
            self.keep("event", id=f"{self.boot}-{self.seq}", type="call_doctor", sev="critical")
        elif line.strip():
            self.measured(*map(float, line.split()))
        return bool(line)


if __name__ == "__main__":
    Device(sys.argv[1]).run()
