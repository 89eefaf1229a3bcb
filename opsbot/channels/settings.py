"""What the channels' settings have in common: secrets as references, and every problem at once in plain words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from opsbot.errors import Problem

_REFERENCE = re.compile(r"(env|file|ssm|secretsmanager):\S.*")
_SECRET = re.compile(r"xox[a-z]-|AKIA[0-9A-Z]{8}|ASIA[0-9A-Z]{8}|-----BEGIN")


def _reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        # The value is left out on purpose: it may be the secret itself.
        raise ValueError("expected a reference: env:NAME, file:PATH, ssm:NAME or secretsmanager:NAME; never the secret")
    return value


SecretReference = Annotated[
    str, AfterValidator(_reference), WithJsonSchema({"type": "string", "pattern": f"^{_REFERENCE.pattern}$"})
]


class Settings(BaseModel):
    """One channel's table. Strict: a number in quotes is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=False)


def pace(max_per_minute: int) -> float:
    """Seconds between two messages; none where there is no limit (0)."""
    return 60 / max_per_minute if max_per_minute else 0.0


def decode_table(
    where: str, table: Mapping[str, object], kinds: Mapping[str, type[BaseModel]]
) -> tuple[BaseModel | None, list[Problem]]:
    """The settings of the table's kind, or what is wrong with it; `where` is the path to it."""
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        known = ", ".join(kinds)
        what = f"{_nearest(kind, kinds)}expected one of {known}" if kind is not None else f"missing; one of {known}"
        return None, [Problem(f"{where}.kind", what)]
    try:
        return kinds[kind].model_validate(dict(table)), []
    except ValidationError as error:
        return None, [_problem(where, details, kinds[kind]) for details in error.errors(include_url=False)]


def _problem(where: str, details: ErrorDetails, model: type[BaseModel]) -> Problem:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in details["loc"])
    match details["type"]:
        case "extra_forbidden":
            return Problem(where + path, f"unknown key; {_offer(str(details['loc'][-1]), _keys(model))}")
        case "missing":
            return Problem(where + path, "missing")
        case "value_error":
            return Problem(where + path, str(details["ctx"]["error"]))
        case _:
            return Problem(where + path, _expected(details, model))


def _expected(details: ErrorDetails, model: type[BaseModel]) -> str:
    what = details["msg"].replace("Input should be", "expected").removeprefix("Value error, ")
    if _is_secret(details, model):
        return what
    got = details["input"]
    return f"{what}, got {type(got).__name__} {unsecret(got)}"


def _is_secret(details: ErrorDetails, model: type[BaseModel]) -> bool:
    field = model.model_fields.get(str(details["loc"][0])) if details["loc"] else None
    return field is not None and any(getattr(mark, "func", None) is _reference for mark in field.metadata)


def unsecret(value: object) -> str:
    """A wrong value for an error message, unless it looks like a secret that stands in the wrong place."""
    shown = repr(value)
    return "something that looks like a secret" if _SECRET.search(shown) else printable(shown)


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _offer(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"known: {', '.join(known)}"


def _nearest(kind: object, kinds: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(str(kind), list(kinds), n=1)
    return f'unknown kind; did you mean "{near[0]}"? ' if near else "unknown kind; "


def printable(text: object, limit: int = 200) -> str:
    """What a peer said, fit for one line of a terminal or a log."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
