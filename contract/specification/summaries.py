"""The tables of the specification that come from the topics, the messages and the clauses."""

import hashlib
import json
from collections.abc import Iterable, Mapping

import cbor2

from contract import codec, shape, wave
from contract.claim_code import hub_proof, unit_proof
from contract.configuration import SETTINGS, Setting
from contract.operations import OPERATIONS, Operation
from contract.specification import wordings
from contract.specification.catalog import CHANNELS
from contract.specification.clauses import BOOK, LEVELS, Clause
from contract.specification.examples import Examples
from contract.specification.keys import KEYS
from contract.specification.rates import HARD_BURST, HARD_PER_S, HARD_SAMPLES, SOFT, SOFT_SAMPLES
from contract.specification.schemas import KNOWN, identifier
from contract.specification.series import Schema
from contract.specification.tables import NOTHING, rows

# The factory secret of the worked example.
SECRET = bytes(range(16))
# What the broker takes: the largest payload with its topic and headers.
_PACKET = shape.MAX_PACKET + 4096
_ENVELOPE = frozenset(KEYS["Envelope"])


def topics() -> str:
    """Every topic, how it travels and where it is explained."""
    head = ["topic", "sent by", "QoS", "retained", "told apart by", "expiry", "", "see"]
    return rows(
        head,
        *(
            [
                f"`{each.topic}`",
                "device" if each.sent_by_device else "hub",
                "1, receipts 0" if each.title == "dn/fb" else str(each.qos),
                "yes" if each.retain else "no",
                f"`{each.counted}`" if each.counted else NOTHING,
                each.expiry_note or NOTHING,
                each.target,
                f"[{each.title}](#{each.anchor})",
            ]
            for each in CHANNELS
        ),
    )


def levels() -> str:
    """Whom a clause is for."""
    return rows(["letter", "who"], *([letter, who] for letter, who in LEVELS.items()))


def keys(name: str, parts: Mapping[str, Schema]) -> str:
    """The keys of one struct; those of the envelope are told once, in its own table."""
    schema = parts["Obs" if name == "Envelope" else name]
    counted = name != "Envelope" and {"boot", "seq"} <= set(schema["required"])
    lines = [
        [
            f"`{key}`",
            wordings.of(value),
            "yes" if key in schema["required"] else "no",
            _says(value),
        ]
        for key, value in schema["properties"].items()
        if (key in _ENVELOPE if name == "Envelope" else key not in _ENVELOPE or not counted)
    ]
    intro = "the [envelope](#envelope), and " if counted else ""
    title = f'<a id="{name.lower()}-keys"></a>**{name}**: {intro}'.rstrip(": ")
    return f"{title}\n\n{rows(['key', 'type', 'needed', 'meaning'], *lines)}"


def _says(schema: Schema) -> str:
    words = schema.get(KNOWN)
    told = schema["description"]
    if words is None or len(words) > 12:
        return str(told)
    return f"{told} Known words: {' '.join(f'`{word}`' for word in words)}"


def clauses(group: str) -> str:
    """The clauses of one group, each with an anchor."""
    return "\n".join(_clause(clause) for clause in BOOK.of(group))


def _clause(clause: Clause) -> str:
    level = f"{clause.level}, MQTT 5" if clause.v5 else clause.level
    says = "(withdrawn)" if clause.withdrawn else clause.says
    return f'- <a id="{clause.id}"></a>**{clause.id}** ({level}) {says}'


def encodings() -> str:
    """How the samples of a waveform may be packed."""
    lines = ([f"`{e.name}`", str(e.width), e.names.en, e.names.zh] for e in wave.ENCODINGS.values())
    return rows(["`enc`", "bytes", "a sample", "一个样本"], *lines)


def waves() -> str:
    """The waveforms known, with the unit meant when none is named."""
    lines = (
        [f"`{w.k}`", f"{w.names.en}, {w.names.zh}", f"`{w.unit}`"] for w in wave.WAVES.values()
    )
    return rows(["`k`", "name", "unit"], *lines)


def operations() -> str:
    """The commands, and below what each of their arguments may be."""
    head = ["`op` and `args`", "meaning", "含义", "`out` of `ok`", "holds"]
    lines = (
        [f"`{_signature(o)}`", o.meaning.en, o.meaning.zh, o.answer, f"{o.holds.seconds} s"]
        for o in OPERATIONS.values()
    )
    arguments = (
        [f"`{operation.op}`", f"`{each.key}`", each.form, "yes" if each.required else "no"]
        for operation in OPERATIONS.values()
        for each in operation.args
    )
    return (
        f"{rows(head, *lines)}\n\n{rows(['`op`', 'argument', 'what it is', 'needed'], *arguments)}"
    )


def _signature(operation: Operation) -> str:
    """As the table writes it: `measure_now {k?, rest_s?}`."""
    keys = [each.key + ("" if each.required else "?") for each in operation.args]
    return f"{operation.op} {{{', '.join(keys)}}}" if keys else operation.op


def settings() -> str:
    """The settings of a configuration."""
    head = ["setting", "allowed", "default", "meaning", "含义"]
    return rows(
        head, *([f"`{s.key}`", *_setting(s), s.meaning.en, s.meaning.zh] for s in SETTINGS.values())
    )


def _setting(setting: Setting) -> tuple[str, str]:
    default = "the device's own" if setting.default is None else f"`{json.dumps(setting.default)}`"
    return f"{setting.allowed} {setting.unit}".strip(), default


def limits() -> str:
    """How large things may be."""
    return rows(
        ["what", "limit"],
        ["payload", f"{shape.MAX_PACKET:,} bytes, beyond it E5001; 32 KiB is a good size"],
        ["packet", f"{_PACKET:,} bytes with topic and headers, beyond it the connection ends"],
        ["series in a message", str(codec.MAX_SERIES)],
        ["values in a message", f"{codec.MAX_SAMPLES:,}"],
        ["nesting", str(shape.MAX_DEPTH)],
        ["text", f"{codec.MAX_TEXT} characters; a certificate, key or request 8,192"],
        ["integers", "64 bits; `seq` to 2⁵³, `rec` to 2⁴⁷−1"],
        ["step `dt`", "1 ms to 24 h"],
        ["chunk of a waveform", f"{wave.MAX_SECONDS} s, {wave.MAX_CHANNELS} channels"],
    )


def rates() -> str:
    """How often things may be sent, softly and hard."""
    hard = _at_once((HARD_PER_S, HARD_BURST))
    return rows(
        ["what, per node", "soft rate", "beyond it", "hard rate"],
        *(
            [each.what, each.soft, each.beyond, NOTHING if each.kind == "event" else hard]
            for each in SOFT
        ),
        ["values", _at_once(SOFT_SAMPLES), "kept, W5101", _at_once(HARD_SAMPLES)],
        ["connections", "1 in 5 s", NOTHING, NOTHING],
    )


def _at_once(rate: tuple[int, int]) -> str:
    return f"{rate[0]:,} a second, {rate[1]:,} at once"


def checks() -> str:
    """The conformance checks with their clauses."""
    lines = []
    for number, check in BOOK.checks.items():
        shown = [clause for clause in BOOK.clauses if number in clause.checks]
        who = min((clause.level for clause in shown), key="AGRH".index)
        links = " ".join(f"[{clause.id}](#{clause.id})" for clause in shown)
        lines.append([str(number), who, " ".join(check.by), check.title, links])
    return rows(["", "for", "by", "check", "clauses"], *lines)


def files() -> str:
    """The generated files."""
    lines = (
        [
            f"`{each.title}`",
            f"[{each.name}.json](hh1/schema/{each.name}.json)",
            f"`{identifier(each)}`",
        ]
        for each in CHANNELS
    )
    return rows(["message", "JSON Schema (2020-12)", "`$id`"], *lines)


def proofs(examples: Examples) -> str:
    """The worked example of both proofs, from the messages shown."""
    asked = json.loads(examples["claim_prove"])
    told = json.loads(examples["claim_certificate"])
    serial, nonce, node, ca = asked["serial"], asked["nonce"], told["node"], told["ca"]
    csr, digest = _sha256(asked["csr"]), _sha256(ca)
    return rows(
        ["what", "value"],
        ["factory secret, hex", f"`{SECRET.hex()}`"],
        ["serial number", f"`{serial}`"],
        ["nonce", f"`{nonce}`"],
        ["without `csr` the unit signs (lines)", "serial number, nonce"],
        ["without `csr` the unit signs (hex)", _hex([serial, nonce])],
        ["`proof` of the unit without `csr`", _of_unit(serial, nonce, None)],
        ["SHA-256 of `csr`, hex", f"`{csr}`"],
        ["with `csr` the unit signs (lines)", "serial number, nonce, SHA-256 of `csr`"],
        ["with `csr` the unit signs (hex)", _hex([serial, nonce, csr])],
        ["`proof` of the unit with `csr`", _of_unit(serial, nonce, asked["csr"])],
        ["node id", f"`{node}`"],
        ["SHA-256 of `ca`, hex", f"`{digest}`"],
        ["the hub signs (lines)", "`hub`, serial number, nonce, node id, SHA-256 of `ca`"],
        ["the hub signs (hex)", _hex(["hub", serial, nonce, node, digest])],
        [
            "`proof` of the hub",
            f"`{hub_proof(SECRET, serial=serial, nonce=nonce, node=node, ca=ca)}`",
        ],
    )


def _of_unit(serial: str, nonce: str, csr: str | None) -> str:
    return f"`{unit_proof(SECRET, serial=serial, nonce=nonce, csr=csr)}`"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hex(lines: Iterable[str]) -> str:
    return f"`{chr(10).join(lines).encode().hex()}`"


def cbor(name: str, examples: Examples) -> str:
    """The bytes of an example in CBOR."""
    return f"    {cbor2.dumps(json.loads(examples[name])).hex(' ').upper()}"
