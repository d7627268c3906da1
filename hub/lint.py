"""`hearthbeat lint`: what the hub would say to a message, without a hub and without a network."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from contract.errors import ERRORS
from contract.lint import Finding, Linted, lint_file

Lang = Literal["zh", "en"]

# A recording of a whole night fits; what is no text at all is not read for ever.
LARGEST: Final = 64 * 2**20
DOCUMENT: Final = "docs/contract.md"
_WORDS: Final[dict[str, dict[Lang, str]]] = {
    "got": {"zh": "收到", "en": "got"},
    "rule": {"zh": "规则", "en": "rule"},
    "hint": {"zh": "怎么办", "en": "do"},
    "doc": {"zh": "文档", "en": "read"},
    "whole": {"zh": "整条消息", "en": "the whole message"},
    "guessed": {
        "zh": "（按键名推断，可用 --topic 指定）",
        "en": " (told from its keys; --topic says it for sure)",
    },
    "kept": {
        "zh": "保留 {kept} 个序列，丢弃 {dropped} 个",
        "en": "{kept} series kept, {dropped} dropped",
    },
    "right": {"zh": "没有问题", "en": "nothing to say"},
    "count": {"zh": "拒收 {refused}，警告 {warned}", "en": "{refused} refused, {warned} warnings"},
    "sum": {
        "zh": "共 {n} 条消息：{bad} 条有内容被拒收",
        "en": "{n} messages: of {bad} something is refused",
    },
}


def lint(
    file: Annotated[str, typer.Argument(help="A file, or - for standard input.")],
    topic: Annotated[
        str | None,
        typer.Option(help="Whole topic, or its end: obs, dn/config, hub/status, claim."),
    ] = None,
    now: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S"],
            help="When it would arrive, UTC without an offset; it arrives now without.",
        ),
    ] = None,
    lang: Annotated[Lang | None, typer.Option(help="zh or en; from LANG without.")] = None,
    strict: Annotated[bool, typer.Option(help="Warnings count as refusals.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Say what the hub would say to a message: every defect with its place, rule and remedy.

    Takes one message (JSON, also over many lines, or CBOR), JSON Lines, or what mosquitto_sub -v
    prints. It is the code of the hub itself; what only a hub knows (which devices are registered,
    what was sent before) is not checked.

    Exit codes: 0 nothing refused, 1 something is refused, 2 not a file or not a kind of message.

    hearthbeat lint obs.json

    hearthbeat lint --topic obs - < obs.json

    mosquitto_sub … -v -t 'hh/1/up/+/+' -W 60 | hearthbeat lint --lang zh -
    """
    found = _found(_read(file), now, topic)
    told = lang or _usual_language()
    if as_json:
        typer.echo(json.dumps([_as_object(one, told) for one in found], ensure_ascii=False))
    else:
        _print(found, file, told)
    wrong = any(one.refused or (strict and one.findings) for one in found)
    raise typer.Exit(1 if wrong else 0)


def _found(content: bytes, now: datetime | None, topic: str | None) -> list[Linted]:
    try:
        return lint_file(content, now=_instant(now), topic=topic)
    except LookupError as error:
        raise typer.BadParameter(
            f"{topic!r} is no kind of message; give one of the topic table, such as obs"
        ) from error


def _read(file: str) -> bytes:
    try:
        if file == "-":
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(LARGEST + 1)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror or error}") from error
    if len(content) > LARGEST:
        raise typer.BadParameter(f"{file} is larger than {LARGEST >> 20} MiB; cut it in parts")
    return content


def _instant(said: datetime | None) -> datetime:
    if said is None:
        return datetime.now(UTC)
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _usual_language() -> Lang:
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next((name for name in names if name), "").startswith("zh") else "en"


# --- for a program --------------------------------------------------------------------------


def _as_object(one: Linted, lang: Lang) -> dict[str, Any]:
    return {
        "line": one.line,
        "kind": str(one.kind),
        "guessed": one.guessed,
        "refused": one.refused,
        "kept": one.kept,
        "dropped": one.dropped,
        "findings": [_finding(finding, lang) for finding in one.findings],
    }


def _finding(finding: Finding, lang: Lang) -> dict[str, Any]:
    defect = finding.defect
    known = ERRORS[defect.code]
    said = known.zh if lang == "zh" else known.en
    return {
        "code": defect.code,
        "name": defect.name,
        "refused": finding.refused,
        "path": defect.path,
        "line": finding.place.line if finding.place else None,
        "column": finding.place.column if finding.place else None,
        "got": defect.got,
        "msg": defect.msg,
        "meaning": said.meaning,
        "hint": said.hint,
        "doc": known.doc,
        "retry": defect.retry,
    }


# --- for a person ---------------------------------------------------------------------------


def _print(found: list[Linted], name: str, lang: Lang) -> None:
    for one in found:
        for finding in one.findings:
            for line in _lines(finding, one, name, lang):
                typer.echo(line)
        typer.echo(_summary(one, name, lang))
    if len(found) > 1:
        bad = sum(one.refused for one in found)
        typer.echo(_WORDS["sum"][lang].format(n=len(found), bad=bad))


def _lines(finding: Finding, one: Linted, name: str, lang: Lang) -> list[str]:
    told = _finding(finding, lang)
    place = finding.place
    where = f"{name}:{place.line}:{place.column}" if place else f"{name}:{one.line}"
    meaning = told["meaning"]
    rule = told["msg"] if told["msg"] == ERRORS[told["code"]].en.meaning else None
    rule = meaning if rule else f"{told['msg']} ({meaning})"
    rows = {"got": told["got"], "rule": rule, "hint": told["hint"], "doc": _document(told["code"])}
    head = f"{where}  {told['code']} {told['name']}  {told['path'] or _WORDS['whole'][lang]}"
    width = max(len(_WORDS[key][lang]) for key in rows)
    return [
        head,
        *(
            f"    {_WORDS[key][lang]:<{width}}  {value}"
            for key, value in rows.items()
            if value is not None
        ),
    ]


def _document(code: str) -> str:
    return f"{DOCUMENT}#{code}"


def _summary(one: Linted, name: str, lang: Lang) -> str:
    refused = sum(finding.refused for finding in one.findings)
    said = [_WORDS["count"][lang].format(refused=refused, warned=len(one.findings) - refused)]
    if not one.findings:
        said = [_WORDS["right"][lang]]
    if one.kept is not None:
        said.insert(0, _WORDS["kept"][lang].format(kept=one.kept, dropped=one.dropped))
    guessed = _WORDS["guessed"][lang] if one.guessed else ""
    between = "；" if lang == "zh" else "; "
    return f"{name}:{one.line}  {one.kind}{guessed}: {between.join(said)}"
