"""The values that may stand in config.toml, each with the error that says what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from opsbot.config import regions
from opsbot.model.check import Missing
from opsbot.model.period import parse_duration
from opsbot.schedule import parse as parse_schedule
from opsbot.secrets import IN_CLEAR

ARN = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>[0-9]{12}):role/[\w+=,.@/-]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MISSING = {"unknown": Missing.UNKNOWN} | {missing.value: missing for missing in Missing}


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"expected {expected}, got {text!r}")
        return text

    return check


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        near = get_close_matches(name[:60], _zones(), n=1)
        offer = f'; did you mean "{near[0]}"?' if near else ""
        raise ValueError(f'expected a time zone such as "Europe/Berlin", got {name!r}{offer}') from None
    return name


@cache
def _zones() -> frozenset[str]:
    # Listing them reads hundreds of files.
    return frozenset(available_timezones())


def _duration(value: object) -> timedelta:
    if not isinstance(value, str):
        raise ValueError(f'expected a duration such as "24h", got {value!r}')
    try:
        length = parse_duration(value)
    except OverflowError:
        raise ValueError(f'expected a duration such as "24h", got {value!r}') from None
    if not length:
        raise ValueError(f'expected a duration above zero such as "24h", got {value!r}')
    return length


def _missing(value: object) -> Missing:
    if not isinstance(value, str) or value not in _MISSING:
        raise ValueError(f"expected one of {', '.join(_MISSING)}; got {value!r}")
    return _MISSING[value]


def _schedule(text: str) -> str:
    parse_schedule(text)
    return text.strip()


_SQLITE = re.compile(r"sqlite:///[^\s?#]+")
_POSTGRESQL = re.compile(r"postgresql\+psycopg://([^\s:@/?#]+@)?[^\s@?#]*/[^\s/?#]+(\?[^\s#]*)?")
_PASSWORD = re.compile(r"://[^/@?]*:[^/@?]+@|[?&][a-z]*password=", re.IGNORECASE)


def _store_url(text: str) -> str:
    if _PASSWORD.search(text):
        raise ValueError(f"{IN_CLEAR}, in store.password")
    if not _SQLITE.fullmatch(text) and not _POSTGRESQL.fullmatch(text):
        wanted = '"sqlite:///var/opsbot.db" or "postgresql+psycopg://opsbot@db.example.org/opsbot"'
        raise ValueError(f"expected an address such as {wanted}, got {text!r}")
    return text


_TEXT = _matching(
    re.compile(r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]{1,200}"), "1 to 200 printable characters"
)

_EXPORT = re.compile(r"(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\x00-\x1f\x7f]*)?|/[^\x00-\x1f\x7f]+)")

Text = Annotated[str, AfterValidator(_TEXT)]
Export = Annotated[
    str, AfterValidator(_matching(_EXPORT, 'a place such as "s3://bucket/prefix" or "/srv/billing/export.csv.gz"')),
    WithJsonSchema({"type": "string", "pattern": "^(s3://|/).+$"}),
]  # fmt: skip
Name = Annotated[
    str, AfterValidator(_matching(_NAME, 'a name of letters, digits, "-", "_" and "." such as "shop-prod"')),
    WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"}),
]  # fmt: skip
Account = Annotated[
    str, AfterValidator(_matching(re.compile(r"[0-9]{12}"), 'an account id of 12 digits such as "123456789012"')),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{12}$"}),
]  # fmt: skip
Role = Annotated[
    str, AfterValidator(_matching(ARN, 'a role such as "arn:aws:iam::123456789012:role/opsbot"')),
    WithJsonSchema({"type": "string", "pattern": "^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"}),
]  # fmt: skip
NewerRegion = Annotated[
    str, AfterValidator(_matching(regions.SHAPE, 'a region such as "eu-central-1"')),
    WithJsonSchema({"type": "string", "pattern": f"^{regions.SHAPE.pattern}$"}),
]  # fmt: skip
Zone = Annotated[str, AfterValidator(_zone)]
Schedule = Annotated[str, AfterValidator(_schedule)]
Length = Annotated[
    timedelta, BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": "^\\s*(\\d+\\s*(s|m|min|h|d|w)\\s*)+$"}),
]  # fmt: skip
Absent = Annotated[Missing, BeforeValidator(_missing), WithJsonSchema({"type": "string", "enum": list(_MISSING)})]
_WEB = re.compile(r"https?://[^\s<>\"']+")
Url = Annotated[str, AfterValidator(_matching(_WEB, 'an address such as "https://ops.example.org/reports"'))]
StoreUrl = Annotated[str, AfterValidator(_store_url)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Usd = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]

# Lists arrive as lists, so the outer type is read leniently; what they hold is not.
Names = Annotated[tuple[Name, ...], Field(strict=False)]
NewerRegions = Annotated[tuple[NewerRegion, ...], Field(strict=False)]
Regions = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Tables = Annotated[tuple[dict[str, Any], ...], Field(strict=False)]


class Table(BaseModel):
    """A table of config.toml: its keys are all there is, and its values are of their own type or refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
