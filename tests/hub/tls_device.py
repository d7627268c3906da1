"""A device for tests, on plain paho: its key and requests, TLS, one connection, questions."""

import json
import queue
import ssl
import time
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Key:
    """A private key that never leaves its directory, with its signing request."""

    def __init__(self, folder, name="key"):
        self.file = folder / f"{name}.key"
        self.key = ec.generate_private_key(ec.SECP256R1())
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        self.file.write_bytes(self.key.private_bytes(pem, form, serialization.NoEncryption()))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ignored")])
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        self.request = builder.sign(self.key, hashes.SHA256()).public_bytes(pem).decode()

    def certified(self, certificate):
        """The file with the certificate, for `tls`."""
        file = self.file.with_suffix(".crt")
        file.write_text(certificate)
        return file


def tls(ca=None, certificate=None, key=None):
    """A context that checks the hub by this authority; without one it trusts anybody."""
    context = ssl.create_default_context(cadata=ca) if ca else ssl._create_unverified_context()
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


class Device:
    """One connection; what it hears is in `heard` as (topic, payload)."""

    def __init__(self, client_id, *, user=None, password=None, context=None):
        self.heard = queue.Queue()
        self.answers, self.ended, self.acknowledged = queue.Queue(), queue.Queue(), queue.Queue()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )  # fmt: skip
        if user:
            self.client.username_pw_set(user, password)
        if context:
            self.client.tls_set_context(context)
        self.client.on_connect = lambda *a: self.answers.put(a[3])
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = lambda _c, _u, m: self.heard.put((m.topic, m.payload))
        self.client.on_publish = lambda *a: self.acknowledged.put(a[3])
        self.client.on_subscribe = lambda *a: self.acknowledged.put(None)

    def _on_disconnect(self, _client, _data, _flags, reason, _properties):
        # Whoever still waits for the answer to CONNECT gets none.
        self.answers.put(reason)
        self.ended.put(time.monotonic())

    @contextmanager
    def at(self, host, port, timeout_s=5.0):
        """Connected for the time of the block. Raises ConnectionError, or what TLS says."""
        self.client.connect(host, port)
        self.client.loop_start()
        try:
            try:
                reason = self.answers.get(timeout=timeout_s)
            except queue.Empty:
                raise ConnectionError("no answer to CONNECT") from None
            if reason.is_failure:
                raise ConnectionError(str(reason))
            yield self
        finally:
            self.client.disconnect()
            self.client.loop_stop()

    def listen(self, topic):
        """Subscribe, and wait until it is so."""
        self.client.subscribe(topic, qos=1)
        self.acknowledged.get(timeout=5.0)

    def say(self, topic, body, **more):
        """Publish at QoS 1 and wait for the broker's answer: its reason code."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.client.publish(topic, payload, qos=1, **more)
        return self.acknowledged.get(timeout=5.0)

    def hear(self, timeout_s=5.0) -> dict[str, Any]:
        """The next message, decoded."""
        return json.loads(self.heard.get(timeout=timeout_s)[1])

    def is_cut_within(self, seconds):
        """Whether the broker ends the connection in that time."""
        try:
            self.ended.get(timeout=seconds)
        except queue.Empty:
            return False
        return True


def refused(device, host, port):
    """Whether the hub does not let this device in, at TLS or at CONNECT."""
    try:
        # With TLS 1.3 the refusal of a certificate comes after the handshake.
        with device.at(host, port, 2.0):
            return False
    except (OSError, ConnectionError):
        return True
