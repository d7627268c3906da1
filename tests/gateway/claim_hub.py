"""A hub that turns units into nodes: a real broker with TLS and an authority, scripted answers."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

from contract import claim_code, codec
from contract.acl import CLAIMS_USER, DOWNLINK_USER, INGEST_USER, with_units
from contract.messages import ClaimAnswer, ClaimRequest
from contract.topics import claim
from runtime import running
from runtime.account import service_account
from runtime.authority import Authority, Revoked
from runtime.clock import SystemClock
from runtime.mosquitto_password import hash_password
from runtime.mosquitto_server import MosquittoServer, Secured
from tests.fixtures.fix_broker import LiveBroker
from tests.fixtures.fix_place import short_lived_directory

SERIAL = "HB-0001"
CODE = next(filter(None, map(claim_code.make_code, range(12345, 12400))))
SECRET = bytes(range(16))
NODE = "claimednode1"
PASSWORD = "a-node-password"
CLOCK = SystemClock()


class ClaimHub:
    """Answers claims as `script` says: it is given what the right answer would be."""

    def __init__(self, server: MosquittoServer, authority: Authority) -> None:
        self.server = server
        self.broker = LiveBroker(server)
        self.authority = authority
        self.asked: list[ClaimRequest] = []
        self.script: Callable[[ClaimRequest, ClaimAnswer], ClaimAnswer | None] = lambda _, a: a
        self.users = {claim_code.claim_user(SERIAL): CODE, NODE: PASSWORD}
        self.revoked: list[Revoked] = []
        self._nonce = ""
        self.apply()
        self._client = self._connect()

    @property
    def ca_file(self) -> Path:
        """The authority's certificate."""
        return self.server.home / "ca.crt"

    def apply(self) -> None:
        """Let the broker work with users and revocations as they are."""
        hashes = {user: hash_password(password) for user, password in self.users.items()}
        revocations = self.authority.revocations(self.revoked, now=CLOCK.now())
        self.server.write_users(hashes, acl=with_units([SERIAL]), revocations=revocations)
        self.server.reload()
        assert running.wait_until(self.server.has_taken_over, 15.0), "no reload"

    def _connect(self) -> mqtt.Client:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="test-claims")
        address = self.server.service_url(CLAIMS_USER).removeprefix("mqtt://").partition("@")[0]
        client.username_pw_set(*address.split(":", 1))
        client.on_message = self._on_message
        client.connect("127.0.0.1", self.server.hub_port)
        client.subscribe("hh/1/claim/+/req", 1)
        client.loop_start()
        return client

    def _on_message(self, client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        request = codec.decode_claim(message.payload)
        self.asked.append(request)
        answer = self.script(request, self.right_answer(request))
        if answer is not None:
            client.publish(claim(SERIAL, "res"), codec.encode(answer), qos=1)

    def right_answer(self, request: ClaimRequest) -> ClaimAnswer:
        """What an honest hub says."""
        if request.proof is None:
            self._nonce = secrets.token_hex(8)
            return ClaimAnswer(ok=True, serial=SERIAL, nonce=self._nonce)
        proof = claim_code.unit_proof(SECRET, serial=SERIAL, nonce=self._nonce, csr=request.csr)
        if request.hub_nonce != self._nonce or request.proof != proof:
            return ClaimAnswer(ok=False, serial=SERIAL, code="E4103", msg="wrong proof")
        ca, given = self.authority.pem, dict[str, Any]()
        if request.csr is None:
            given = {"password": PASSWORD, "port": self.server.password_port}
        else:
            given = {"cert": self.sign(request.csr), "port": self.server.certificate_port}
        mine = claim_code.hub_proof(SECRET, serial=SERIAL, nonce=self._nonce, node=NODE, ca=ca)
        head = {"ok": True, "serial": SERIAL, "node": NODE, "user": NODE, "host": "127.0.0.1"}
        return ClaimAnswer(**head, ca=ca, proof=mine, **given)

    def sign(self, request: str) -> str:
        """A certificate of the node, PEM."""
        life, now = timedelta(days=30), CLOCK.now()
        return self.authority.sign(NODE, request, life=life, now=now).pem

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def claim_hub() -> Iterator[ClaimHub]:
    """A running one."""
    with short_lived_directory("claim") as home:
        authority = Authority.prepare(home / "authority", CLOCK)
        tls = authority.serve_as(home / "tls", ["127.0.0.1"], CLOCK, service_account())
        secured = Secured(
            server=tls,
            authority_pem=authority.pem,
            revocations=authority.revocations((), now=CLOCK.now()),
            password_port=0,
            certificate_port=0,
        )
        services = (INGEST_USER, DOWNLINK_USER, CLAIMS_USER)
        server = MosquittoServer(home / "broker", acl="", services=services, secured=secured)
        server.start()
        hub = ClaimHub(server, authority)
        try:
            yield hub
        finally:
            hub.close()
            server.stop()
