"""As much of JSON Schema as config.toml's uses, so that the shipped schema can be held against real files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    # TOML has times of its own; editors take them for strings in the format date-time.
    "string": (str, datetime),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def faults(value: Any, schema: Any, root: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a value; nothing if the schema takes it."""
    if schema is True or schema == {}:
        return
    if schema is False:
        yield "nothing may stand here"
        return
    if "$ref" in schema:
        yield from faults(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for word in ("anyOf", "oneOf"):
        fitting = [choice for choice in schema.get(word, ()) if not list(faults(value, choice, root))]
        if word in schema and (not fitting or (word == "oneOf" and len(fitting) > 1)):
            yield f"{value!r} fits {len(fitting)} of {word}"
    yield from _plain(value, schema)
    if isinstance(value, dict):
        yield from _table(value, schema, root)
    if isinstance(value, list):
        for item in value:
            yield from faults(item, schema.get("items", {}), root)


def _plain(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    wanted = schema.get("type")
    kinds = [wanted] if isinstance(wanted, str) else wanted or ()
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{value!r} is no {' or '.join(kinds)}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{value!r} is none of {schema['enum']}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{value!r} does not match {schema['pattern']}"
    yield from _bounds(value, schema)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (not isinstance(value, bool) or kind == "boolean")


def _bounds(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(value, str | list):
        if len(value) < max(schema.get("minLength", 0), schema.get("minItems", 0)):
            yield f"{value!r} is too short"
    elif isinstance(value, int | float) and not (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and schema.get("exclusiveMinimum", value - 1) < value
    ):
        yield f"{value!r} is out of bounds"


def _table(value: Mapping[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{key} is missing"
    known = schema.get("properties", {})
    for key, inner in value.items():
        yield from faults(inner, known.get(key, schema.get("additionalProperties", {})), root)
