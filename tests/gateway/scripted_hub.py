"""A hub for one test: says what the test wants, when it wants, on a real broker."""

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import paho.mqtt.client as mqtt

from contract import codec
from contract.messages import Feedback, HubStatus, Receipt, Reference
from contract.topics import HUB_STATUS, dn
from tests.fixtures.fix_broker import LiveBroker


class Heard(msgspec.Struct):
    """One message a device sent."""

    kind: str
    body: dict[str, Any]
    retained: bool
    at: float
    cbor: bool = False


class ScriptedHub:
    """Listens to every device. `receipts` False: it takes everything and says nothing."""

    def __init__(self, broker: LiveBroker, node: str, *, receipts: bool = True) -> None:
        self.node = node
        self.receipts = receipts
        self.refuses_cbor = False
        self.deaf_to: set[str] = set()
        self.heard: list[Heard] = []
        self._ready = threading.Event()
        self._downlink = self._connect(broker, "hub-downlink")
        self._ingest = self._connect(broker, "hub-ingest", subscribe=True)

    def _connect(self, broker: LiveBroker, user: str, *, subscribe: bool = False) -> mqtt.Client:
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"test-{user}", clean_session=False
        )
        address = broker.server.service_url(user).removeprefix("mqtt://").partition("@")[0]
        client.username_pw_set(*address.split(":", 1))
        client.reconnect_delay_set(1, 1)
        up = threading.Event()
        if subscribe:
            client.on_message = self._on_message
            client.on_connect = lambda c, *_: c.subscribe("hh/1/up/#", 1)
            client.on_subscribe = lambda *_: up.set()
        else:
            client.on_connect = lambda *_: up.set()
        client.connect(broker.host, broker.hub_port)
        client.loop_start()
        assert up.wait(5)
        return client

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        kind = message.topic.rpartition("/")[2]
        body = codec.plain(message.payload) if message.payload else {}
        binary = message.payload[:1] > b"{"
        self.heard.append(Heard(kind, body, message.retain, time.monotonic(), binary))
        if self.refuses_cbor and binary and "seq" in body:
            ref = Reference(topic=kind, boot=body["boot"], seq=body["seq"])
            self.feedback(ok=False, code="E2010", retry=False, ref=ref)
        if self.receipts and kind not in self.deaf_to and "seq" in body:
            self.receipt(body["boot"], also=[(body["seq"], body["seq"])])

    # --- what it says ---------------------------------------------------------------------------

    def receipt(self, boot: int, upto: int = -1, also: list[tuple[int, int]] | None = None) -> None:
        """Everything up to `upto`, and these ranges, is durable."""
        self.feedback(rcpt=Receipt(boot=boot, upto=upto, also=also or []))

    def feedback(self, *, ref: Reference | None = None, **fields: Any) -> None:
        """An `fb`."""
        self.publish("fb", Feedback(v=0, t=0, ref=ref, **fields))

    def publish(self, kind: str, message: msgspec.Struct, *, retain: bool = False) -> None:
        """Anything on dn/{node}/{kind}."""
        self.publish_raw(kind, codec.encode(message), retain=retain)

    def publish_raw(self, kind: str, payload: bytes, *, retain: bool = False) -> None:
        """Any bytes on dn/{node}/{kind}."""
        self._downlink.publish(dn(self.node, kind), payload, qos=1, retain=retain)

    def status(self, s: str) -> None:
        """The hub's own retained state."""
        payload = codec.encode(HubStatus(s=s, spec="1.0"))
        self._ingest.publish(HUB_STATUS, payload, qos=1, retain=True).wait_for_publish(5)

    # --- what it heard --------------------------------------------------------------------------

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of one kind, in the order they came."""
        return [heard.body for heard in list(self.heard) if heard.kind == kind]

    def encodings(self, kind: str) -> set[str]:
        """In which encodings a kind came."""
        return {"cbor" if heard.cbor else "json" for heard in self.heard if heard.kind == kind}

    def acks(self) -> list[tuple[str, str]]:
        """(dose id, state) of every acknowledgement, each message once."""
        once = {(b["boot"], b["seq"]): b for b in self.of("ack")}
        return [(ack["id"], ack["st"]) for body in once.values() for ack in body["acks"]]

    def results(self, command_id: str) -> list[dict[str, Any]]:
        """The answers to a command."""
        return [body for body in self.of("res") if body["id"] == command_id]

    def close(self) -> None:
        """Leave."""
        for client in (self._ingest, self._downlink):
            client.disconnect()
            client.loop_stop()


Probe = Callable[[], Any]
