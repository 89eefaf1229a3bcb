"""What may stand in config.toml, key by key: the models behind its errors, its JSON Schema and its reference page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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
from opsbot.secrets import Secret

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


def _store_url(text: str) -> str:
    if not re.fullmatch(r"sqlite:///[^\s?#]+", text):
        raise ValueError(f'expected an address such as "sqlite:///var/opsbot.db", got {text!r}')
    return text


_TEXT = _matching(
    re.compile(r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]{1,200}"), "1 to 200 printable characters"
)

Text = Annotated[str, AfterValidator(_TEXT)]
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


class Defaults(Table):
    """What holds for every job and check that does not say otherwise."""

    window: Length | None = Field(
        default=None, description="How far back a job judges. Without it each job has its own.", examples=["24h"]
    )
    settle: Length | None = Field(
        default=None,
        description="How old a point must be before it is judged. Without it each AWS namespace has its own.",
        examples=["5m"],
    )
    missing: Absent = Field(
        default=Missing.UNKNOWN,
        description="What absent points mean, unless the check says otherwise.",
        examples=["unknown"],
    )
    coverage_min: Percent = Field(
        default=80.0,
        description="Percent of the expected checks that must have been judged; below it a run exits 3.",
        examples=[80],
    )
    max_usd_per_run: Usd = Field(
        default=5.0, description="A run that would cost more asks AWS nothing.", examples=[5.0]
    )
    threads: int = Field(
        default=16, ge=1, le=128, description="How many AWS calls may be under way at once.", examples=[16]
    )
    newer_regions: NewerRegions = Field(
        default=(), description="Regions that AWS opened after this opsbot was made.", examples=[["eu-central-3"]]
    )


class EnvironmentTable(Table):
    """One account seen through one role, in some regions, for one tenant."""

    name: Name = Field(description="What reports call it; unique.", examples=["shop-prod"])
    regions: Regions = Field(
        description="Where to look. The first is home: global services are asked from there.",
        examples=[["eu-central-1"]],
    )
    account_id: Account | None = Field(
        default=None, description="Checked against AWS before anything is read.", examples=["123456789012"]
    )
    tenant: Text | None = Field(
        default=None, description="Whose it is; checks and `--tenant` select by it.", examples=["shop"]
    )
    tier: Text | None = Field(
        default=None, description="How much it matters; checks select by it.", examples=["production"]
    )
    role_arn: Role | None = Field(
        default=None, description="The role to assume. Without it and `profile`, the credentials at hand are used.",
        examples=["arn:aws:iam::123456789012:role/opsbot"],
    )  # fmt: skip
    profile: Text | None = Field(
        default=None, description="A profile of the AWS configuration files, instead of `role_arn`.", examples=["shop"]
    )
    external_id: Secret | None = Field(
        default=None,
        description="Reference to the external id that the role's trust policy asks for.",
        examples=["env:SHOP_EXTERNAL_ID"],
    )
    labels: dict[Name, Text] = Field(
        {}, description="Carried by every finding of the environment.", examples=[{"team": "web"}]
    )


class JobTable(Table):
    """What every job has; further keys are the job's own settings and are checked against its file."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    schedule: Schedule | None = Field(
        default=None,
        description="Five cron fields, weekdays by name, in `timezone`. Without it the job file's own.",
        examples=["0 7 * * MON-FRI"],
    )
    enabled: bool = Field(
        default=True, description="Whether it runs on its schedule; by hand it always can.", examples=[True]
    )
    channels: Names = Field(
        default=(), description="Who is told: names of `[channels.<name>]`.", examples=[["ops-slack"]]
    )


class StoreTable(Table):
    """Where opsbot keeps runs, findings, reports and what it still has to tell."""

    url: StoreUrl = Field(
        default="sqlite:///var/opsbot.db",
        description="A path after `sqlite:///` is below the home, or below `$OPSBOT_STATE` if that is set; "
        "`sqlite:////` starts at the root.",
        examples=["sqlite:///var/opsbot.db"],
    )


class ReportsTable(Table):
    """Where people find reports."""

    url_base: Url | None = Field(
        default=None,
        description="Where the archive is served; reports then link to themselves.",
        examples=["https://ops.example.org/reports"],
    )


class File(Table):
    """config.toml: opsbot's configuration. Every section is optional."""

    timezone: Zone = Field(
        "UTC", description="Schedules and the times in reports are in this zone.", examples=["Europe/Berlin"]
    )
    defaults: Defaults = Field(default=Defaults(), description="What holds unless a job or check says otherwise.")
    environments: Annotated[tuple[EnvironmentTable, ...], Field(strict=False)] = Field(
        default=(), description="Where opsbot looks."
    )
    checks: Tables = Field(
        default=(), description="Additions to the shipped checks; one of the same name changes the shipped one."
    )
    jobs: dict[str, JobTable] = Field(
        default={}, description="Schedules, channels and settings of jobs, by the job's name."
    )
    channels: dict[Name, dict[str, Any]] = Field(
        {}, description="Ways to reach people, by a name of your choice; `kind` says which."
    )
    store: StoreTable = Field(default=StoreTable(), description="Where opsbot keeps what it knows.")
    reports: ReportsTable = Field(default=ReportsTable(), description="Where people find reports.")


def own_settings(job: JobTable) -> Mapping[str, Any]:
    """The keys of `[jobs.<name>]` that are the job file's own."""
    return job.model_extra or {}
