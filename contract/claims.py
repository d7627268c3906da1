"""How a unit becomes a node: what goes over `hh/1/claim/{serial}/req` and `/res`."""

from contract.wire import Millis, Nonce, Pem, Small, Text, Wire


class ClaimRequest(Wire, frozen=True, kw_only=True, rename={"hub_nonce": "nonce"}):
    """A unit asks to become a node. Without `proof` it asks for a nonce.

    With `csr` (PEM) the answer is a certificate, without it a password. `nonce` repeats the hub's.
    `proof` is HMAC-SHA256, hex, with the factory secret over the lines serial and nonce, and with
    `csr` a third one, its SHA-256 (hex), with a line feed between each two.
    """

    v: Small = 0
    serial: Text
    model: Text | None = None
    fw: Text | None = None
    hub_nonce: Text | None = None
    proof: Text | None = None
    csr: Pem | None = None


class ClaimAnswer(Wire, frozen=True, kw_only=True, rename={"password": "pass"}):
    """The hub's answer: a nonce; or who the unit is from now on; or why not.

    `proof` is the hub's own: HMAC-SHA256, hex, with the factory secret over the lines `hub`,
    serial, nonce, node and the SHA-256 (hex) of `ca`, with a line feed between each two. A unit
    that could not check the hub's certificate before knows by it whom it talks to.
    """

    v: Small = 0
    ok: bool
    serial: Text
    nonce: Nonce | None = None
    exp: Millis | None = None
    node: Text | None = None
    user: Text | None = None
    password: Text | None = None
    cert: Pem | None = None
    ca: Pem | None = None
    host: Text | None = None
    port: Small | None = None
    proof: Text | None = None
    code: Text | None = None
    msg: Text | None = None
    after: Small | None = None
