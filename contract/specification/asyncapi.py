"""The AsyncAPI 3.1 document, written from the device's side: it sends what it publishes."""

import json
from collections.abc import Mapping
from typing import Any, Final

import yaml

from contract.shape import MAX_PACKET
from contract.specification.catalog import CHANNELS, Channel
from contract.specification.examples import TITLES, TOPICS, Examples
from contract.specification.schemas import NODE, SERIAL
from contract.specification.series import Schema

VERSION: Final = "1.0"
BINDING: Final = "0.2.0"
KEEP_ALIVE_S: Final = 60
SESSION_S: Final = 86_400
WILL_DELAY_S: Final = 30
RECEIVE_MAXIMUM: Final = 10
_WILL: Final = {"v": 0, "s": "lost", "con": 88}
_REPLIES: Final = {
    "dn-cmd": "up-res",
    "up-time": "dn-time",
    "claim-req": "claim-res",
}


# On MQTT 5 a reminder names the topic of its answer itself; it is the device's own up/ack.
_ASKED_BY_PROPERTY: Final = "dn-reminder"
_ANSWERS: Final = "reminder-answers"
_ACK_TOPIC: Final = {"type": "string", "pattern": "^hh/1/up/[a-z0-9]{8,24}/ack$"}
_RESPONSE_TOPIC: Final = {
    "type": "object",
    "properties": {
        "responseTopic": _ACK_TOPIC | {"description": "MQTT 5: where the answer goes."},
    },
}


def document(parts: Mapping[str, Schema], examples: Examples) -> dict[str, Any]:
    """The whole document; `parts` are the schemas of `schemas.components`."""
    return {
        "asyncapi": "3.1.0",
        "id": "urn:hearthbeat:hh1",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {channel.name: _channel(channel) for channel in CHANNELS} | _answers(),
        "operations": {_operation_name(channel): _operation(channel) for channel in CHANNELS},
        "components": {
            "messages": {channel.name: _message(channel, examples) for channel in CHANNELS},
            "schemas": {name: _draft_7(schema) for name, schema in parts.items()},
            "parameters": {
                "node": {"description": f"The node id, {NODE['pattern']}"},
                "serial": {"description": f"The serial number of the unit, {SERIAL['pattern']}"},
            },
            "securitySchemes": _security(),
        },
    }


def as_yaml(found: dict[str, Any]) -> str:
    """The document as text, the same at every writing."""
    head = "# Made by `python -m contract.specification write`; do not edit.\n"
    return head + yaml.dump(found, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=100)


class _Plain(yaml.SafeDumper):
    """Writes everything out: no anchors, which readers of AsyncAPI trip over."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _info() -> dict[str, Any]:
    return {
        "title": "HH/1, the device contract of Hearthbeat",
        "version": VERSION,
        "description": (
            "What a home health device says to the hub and what the hub says back, from the "
            "device's side: `send` is what the device publishes, `receive` what it gets. "
            "docs/contract.md is the specification in words; its clauses hold."
        ),
        "contact": {"name": "The Hearthbeat authors", "url": "https://hub.example/"},
        "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        "tags": [
            {"name": name, "description": text}
            for name, text in (
                ("up", "From the device to the hub"),
                ("dn", "From the hub to one device"),
                ("hub", "From the hub to every device"),
                ("claim", "How a unit becomes a node"),
            )
        ],
    }


def _server(port: int, security: str, description: str) -> dict[str, Any]:
    return {
        "host": f"hub.example:{port}",
        "protocol": "secure-mqtt",
        "protocolVersion": "5",
        "title": description,
        "description": f"{description}. MQTT 3.1.1 is served the same.",
        "security": [{"$ref": f"#/components/securitySchemes/{security}"}],
        "bindings": {"mqtt": _server_binding()},
        "x-hh-receive-maximum": RECEIVE_MAXIMUM,
        "x-hh-will-delay-interval": WILL_DELAY_S,
        "x-hh-clean-start": False,
        "x-hh-client-id": "the user name, which is the node id",
    }


def _server_binding() -> dict[str, Any]:
    will = {
        "topic": "hh/1/up/{node}/state",
        "qos": 1,
        "message": json.dumps(_WILL, separators=(",", ":")),
        "retain": True,
    }
    return {
        "cleanSession": False,
        "lastWill": will,
        "keepAlive": KEEP_ALIVE_S,
        "sessionExpiryInterval": SESSION_S,
        "maximumPacketSize": MAX_PACKET,
        "bindingVersion": BINDING,
    }


def _servers() -> dict[str, Any]:
    return {
        "certificate": _server(8883, "certificate", "Nodes with a certificate"),
        "password": _server(8884, "password", "Nodes with a password, and units to be claimed"),
    }


def _security() -> dict[str, Any]:
    return {
        "certificate": {
            "type": "X509",
            "description": "A certificate of the hub's authority; its common name is the node id.",
        },
        "password": {
            "type": "userPassword",
            "description": (
                "User name = node id. A unit to be claimed: claim-{serial} and its claim code."
            ),
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    found: dict[str, Any] = {
        "address": channel.topic,
        "title": channel.title,
        "summary": f"{channel.summary}.",
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
    }
    for parameter in ("node", "serial"):
        if f"{{{parameter}}}" in channel.topic:
            reference = {"$ref": f"#/components/parameters/{parameter}"}
            found["parameters"] = {parameter: reference}
    if channel.direction == "claim":
        found["servers"] = [{"$ref": "#/servers/password"}]
    found["tags"] = [{"name": channel.direction}]
    return found


def _operation_name(channel: Channel) -> str:
    verb = "send" if channel.sent_by_device else "receive"
    return f"{verb}-{channel.name}"


def _operation(channel: Channel) -> dict[str, Any]:
    found: dict[str, Any] = {
        "action": "send" if channel.sent_by_device else "receive",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "title": channel.title,
        "summary": f"{channel.summary}.",
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.name}"}],
        "bindings": {"mqtt": _operation_binding(channel)},
    }
    if channel.name in _REPLIES:
        found["reply"] = _reply(_REPLIES[channel.name])
    if channel.name == _ASKED_BY_PROPERTY:
        found["reply"] = _reply(_ANSWERS, "up-ack") | {
            "address": {"location": "$message.header#/responseTopic"}
        }
    if channel.counted:
        found["x-hh-told-apart-by"] = channel.counted
    if channel.expiry_note:
        found["x-hh-expiry"] = channel.expiry_note.replace("`", "")
    return found


def _operation_binding(channel: Channel) -> dict[str, Any]:
    expiry = {} if channel.expiry_s is None else {"messageExpiryInterval": channel.expiry_s}
    return {"qos": channel.qos, "retain": channel.retain, **expiry, "bindingVersion": BINDING}


def _reply(channel: str, message: str | None = None) -> dict[str, Any]:
    """The answer on a channel; its message is named like the channel unless said otherwise."""
    message = message or channel
    return {
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }


def _answers() -> dict[str, Any]:
    """Where reminders are answered: told by the reminder, so without an address of its own."""
    return {
        _ANSWERS: {
            "address": None,
            "title": "answers to a reminder",
            "summary": "The response topic of the reminder, which is hh/1/up/{node}/ack.",
            "messages": {"up-ack": {"$ref": "#/components/messages/up-ack"}},
        }
    }


def _message(channel: Channel, examples: Examples) -> dict[str, Any]:
    shown = [name for name, topic in TOPICS.items() if topic == channel.title]
    asked = channel.name == _ASKED_BY_PROPERTY
    return {
        "name": channel.name,
        "title": channel.title,
        "summary": f"{channel.summary}.",
        "contentType": "application/json",
        **({"headers": _RESPONSE_TOPIC} if asked else {}),
        "payload": {"$ref": f"#/components/schemas/{channel.message.__name__}"},
        "examples": [
            {"name": name, "summary": TITLES[name], "payload": json.loads(examples[name])}
            for name in shown
        ],
        "bindings": {"mqtt": _message_binding(asked=asked)},
        "x-hh-also-encoded-as": "application/cbor, told apart by the first byte",
    }


def _message_binding(*, asked: bool) -> dict[str, Any]:
    binding: dict[str, Any] = {"payloadFormatIndicator": 1, "bindingVersion": BINDING}
    if asked:
        binding["responseTopic"] = _ACK_TOPIC
        binding["correlationData"] = {"type": "string", "description": "The id of the reminder."}
    return binding


def _draft_7(schema: Any) -> Any:
    """The same schema in the dialect of AsyncAPI: tuples and references are written otherwise."""
    if isinstance(schema, list):
        return [_draft_7(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _draft_7(value) for key, value in schema.items()}
    if "prefixItems" in found:
        found["items"] = found.pop("prefixItems")
        found["additionalItems"] = False
    if isinstance(found.get("$ref"), str):
        found["$ref"] = found["$ref"].replace("#/$defs/", "#/components/schemas/")
    return found
