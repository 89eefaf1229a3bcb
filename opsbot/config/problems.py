"""Pydantic's errors in the words of who wrote the file: where, what was expected, what was found, what next."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import date, time
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from opsbot.errors import Problem
from opsbot.secrets import NOT_SHOWN, Secret, redact

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WANTED = {
    "string_type": "str",
    "int_type": "int",
    "int_from_float": "int",
    "int_parsing": "int",
    "float_parsing": "number",
    "bool_parsing": "true or false",
    "float_type": "number",
    "bool_type": "true or false",
    "tuple_type": "list",
    "list_type": "list",
    "dict_type": "table",
    "model_type": "table",
    "model_attributes_type": "table",
    "finite_number": "a finite number",
}
_COMPARED = 300
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "less_than": ("less than", "lt"),
}


def show_path(file: str, path: Sequence[str | int]) -> str:
    """`config.toml.environments[1].regions`; keys that are no bare words quoted, secrets hidden."""
    shown = file
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            key = clip(redact(step))
            shown += f".{key if _BARE.fullmatch(step) else json.dumps(key, ensure_ascii=False)}"
    return redact(shown)


def clip(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."


def tellable(text: str, limit: int) -> str:
    """Fit for one line of any terminal: secrets hidden, what cannot be printed escaped, not too long."""
    shown = clip(redact(text), limit)
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in shown)


def nearest(key: str, known: Collection[str]) -> str:
    """`; did you mean "regions"?`, or what may stand there if nothing is near."""
    # Comparing is slow, and a list of hundreds helps nobody.
    near = difflib.get_close_matches(key[:60], known, n=1) if len(known) <= _COMPARED else []
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known: {clip(', '.join(known), 300)}" if known else ""


def show_value(value: object) -> str:
    """Type and value as they stand in the file: `int 123456789012`, `str 'x'`; lists and tables by their type alone."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f"str {clip(redact(value))!r}"
        case int() | float():
            return f"{type(value).__name__} {value}"
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
        case date() | time():
            return f"{type(value).__name__} {value}"
        case _:
            return type(value).__name__


def translate(error: ValidationError, model: type[BaseModel], at: Path = ()) -> Iterator[tuple[Path, str]]:
    """(path, what) for each thing pydantic found in a table that stands at `at`."""
    # A key that is wrong itself is reported at the key, with "[key]" behind it: people see only the key.
    found = [(tuple(step for step in d["loc"] if step != "[key]"), d) for d in error.errors(include_url=False)]
    for path, detail in found:
        # A list whose only entry is refused counts as empty too; one problem is enough.
        if detail["type"] != "too_short" or not any(path == other[: len(path)] for other, _ in found if other != path):
            yield (*at, *path), _what(detail, model, path)


def problems_of(
    error: ValidationError, model: type[BaseModel], where: str, known: Collection[str] = ()
) -> list[Problem]:
    """The same as Problems, for a table outside config.toml's own model such as a job's settings.

    `known` are keys that may stand there beside the model's own.
    """
    found = []
    for path, what in translate(error, model):
        if what.startswith("unknown key"):
            what = f"unknown key{nearest(str(path[-1]), [*model.model_fields, *known])}"
        found.append(Problem(show_path(where, path), what))
    return found


def _what(detail: Any, model: type[BaseModel], path: Path) -> str:
    kind: str = detail["type"]
    field = field_at(model, path)
    if kind == "extra_forbidden":
        table = model_at(model, path[:-1])
        return f"unknown key{nearest(str(path[-1]), list(table.model_fields) if table else [])}"
    if kind == "missing":
        return f"missing{_example(path, field)}"
    if kind == "value_error":
        return redact(str(detail["ctx"]["error"]))
    if is_secret(field):
        return f"expected str, got {type(detail['input']).__name__}" if kind == "string_type" else NOT_SHOWN
    return _expected(detail, kind, path, field)


def _expected(detail: Any, kind: str, path: Path, field: FieldInfo | None) -> str:
    found = show_value(detail["input"])
    if kind == "too_short":
        return f"expected at least one entry{_example(path, field)}"
    if kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        return f"expected {word} {detail['ctx'][key]:g}, got {found}"
    if kind in _WANTED:
        return f"expected {_WANTED[kind]}, got {found}{_brackets(kind, path, detail['input'])}"
    # A job's own settings may be of any type pydantic knows; its words serve for the rare ones.
    said = detail["msg"].replace("Input should be", "expected")
    return f"{said[:1].lower()}{said[1:]}, got {found}"


def _brackets(kind: str, path: Path, value: object) -> str:
    """The slip TOML invites: `[environments]` for `[[environments]]`, and one value where a list stands."""
    if kind == "tuple_type" and isinstance(value, dict) and len(path) == 1:
        return f"; write [[{path[0]}]], with two brackets"
    if kind == "tuple_type" and isinstance(value, str):
        return f'; write ["{clip(redact(value))}"]'
    if (
        kind in ("dict_type", "model_type")
        and isinstance(value, list)
        and path
        and all(isinstance(row, dict) for row in value)
    ):
        name = ".".join(map(str, path))
        return f"; write [{name}.NAME]" if path in (("jobs",), ("channels",)) else f"; write [{name}], with one bracket"
    return ""


def _example(path: Path, field: FieldInfo | None) -> str:
    if field is None or not field.examples:
        return ""
    value = json.dumps(field.examples[0], ensure_ascii=False)
    return f"; for example {path[-1]} = {value}"


def is_secret(field: FieldInfo | None) -> bool:
    return field is not None and Secret in _parts(field.annotation)


def field_at(model: type[BaseModel], path: Path) -> FieldInfo | None:
    """The field that a path of keys and places leads to, or None."""
    field: FieldInfo | None = None
    inside: type[BaseModel] | None = model
    for step in path:
        if isinstance(step, str) and inside is not None and step in inside.model_fields:
            field = inside.model_fields[step]
            # A table by name (`jobs.<name>`) spends one more step on the name, which no model has as a field.
            inside = next((part for part in _parts(field.annotation) if _is_model(part)), None)
    return field


def model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    if not path:
        return model
    field = field_at(model, path)
    return next((part for part in _parts(field.annotation) if _is_model(part)), None) if field else None


def _is_model(part: object) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def _parts(annotation: Any) -> tuple[Any, ...]:
    """A type and everything it is made of: `tuple[X, ...] | None` gives X too."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType) or (origin is not None and get_args(annotation)):
        return (origin, *(inner for part in get_args(annotation) for inner in _parts(part)))
    return (annotation,)
