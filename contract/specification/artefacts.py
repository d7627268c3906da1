"""Every generated file, as text by its path in the repository."""

import json
from collections.abc import Mapping
from typing import Any, Final

from contract.specification import asyncapi, page, schemas
from contract.specification.catalog import CHANNELS
from contract.specification.examples import Examples
from contract.vitals import VITALS, Vital

PAGE: Final = "docs/contract.md"
ASYNCAPI: Final = "docs/hh1/asyncapi.yaml"
SCHEMAS: Final = "docs/hh1/schema"


def made(examples: Examples, vitals: Mapping[str, Vital] = VITALS) -> dict[str, str]:
    """The page, the AsyncAPI document and the schema of each message."""
    parts = schemas.components(vitals)
    found = {
        PAGE: page.written(page.template(), parts, examples),
        ASYNCAPI: asyncapi.as_yaml(asyncapi.document(parts, examples)),
    }
    for channel in CHANNELS:
        found[f"{SCHEMAS}/{channel.name}.json"] = as_json(schemas.document(channel, parts))
    return found


def as_json(value: Any) -> str:
    """JSON as it is kept in files: indented, in the order it was made, with a final line feed."""
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
