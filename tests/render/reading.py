"""How outputs are read back: tags of a page, JSON against a schema."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class Tags(HTMLParser):
    """Every tag with its attribute names, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[tuple[str, tuple[str, ...]]] = set()
        self.values: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.text = ""
        self._quiet = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add((tag, tuple(sorted(name for name, _ in attrs))))
        self.values += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self._quiet += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._quiet -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.text += data


_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def problems(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """What is wrong with a value by the few words of JSON Schema that ours uses; an unknown word fails loudly."""
    known = {
        "$schema",
        "$id",
        "title",
        "description",
        "format",
        "type",
        "const",
        "enum",
        "anyOf",
        "required",
        "properties",
    }
    unknown = set(schema) - known - {"items", "additionalProperties", "maxLength", "minimum"}
    assert not unknown, f"{where}: the reader does not know {unknown}"
    if "anyOf" in schema:
        return [] if any(not problems(value, one, where) for one in schema["anyOf"]) else [f"{where}: fits none"]
    found = [] if _fits(value, schema) else [f"{where}: {value!r} is not {schema}"]
    if isinstance(value, dict):
        found += [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, part in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            found += problems(part, inner, f"{where}.{name}") if inner else [f"{where}: {name} is not described"]
    if isinstance(value, list) and "items" in schema:
        found += [
            text for place, part in enumerate(value) for text in problems(part, schema["items"], f"{where}[{place}]")
        ]
    return found


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    types = schema.get("type", [])
    names = [types] if isinstance(types, str) else types
    typed = not names or any(
        isinstance(value, _TYPES[name]) and not (isinstance(value, bool) and name in ("integer", "number"))
        for name in names
    )
    return (
        typed
        and ("const" not in schema or value == schema["const"])
        and ("enum" not in schema or value in schema["enum"])
        and ("maxLength" not in schema or len(value) <= schema["maxLength"])
        and ("minimum" not in schema or value >= schema["minimum"])
    )
