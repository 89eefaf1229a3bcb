"""`[[routes]]`, `[[dependencies]]` and `[alerts]`: who hears of what, how soon, how often, and what holds it back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from opsbot.alerting.advance import Patience
from opsbot.alerting.muting import Dependency
from opsbot.alerting.policy import Policy
from opsbot.alerting.routing import GROUPED, LABEL, MATCHED, NAMES, Match, Route
from opsbot.config.types import Length, Name, Names, Table
from opsbot.model.maintenance import Maintenance
from opsbot.model.period import parse_duration, show_duration
from opsbot.model.status import Priority, Status

NEVER = "never"
_SHORTEST = timedelta(minutes=5)
_STATUSES = tuple(status.value for status in Status if status is not Status.OK)


def _match(value: object) -> object:
    """Names to lists of globs; `label.team = "web"` is a table in a table to TOML."""
    if not isinstance(value, dict):
        return value
    found: dict[str, list[str]] = {}
    for name, wanted in _flat(value):
        known(name, MATCHED, "match")
        globs = [wanted] if isinstance(wanted, str) else wanted
        if not isinstance(globs, list) or not globs or not all(isinstance(glob, str) and glob for glob in globs):
            raise ValueError(f'{name}: expected text such as "shop-*", or a list of such, got {wanted!r}'[:200])
        if name == "status" and (wrong := [glob for glob in globs if glob not in _STATUSES]):
            raise ValueError(f"status: expected one of {', '.join(_STATUSES)}; got {wrong[0]!r}")
        found[name] = globs
    return found


def _flat(value: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, wanted in value.items():
        if name == LABEL.rstrip(".") and isinstance(wanted, dict):
            yield from ((f"{LABEL}{label}", glob) for label, glob in wanted.items())
        else:
            yield name, wanted


def known(name: str, names: Collection[str], what: str) -> str:
    """The name, if alerts have something under it. Raises ValueError that offers the nearest."""
    if name in names or (name.startswith(LABEL) and len(name) > len(LABEL)):
        return name
    near = get_close_matches(name[:60], names, n=1)
    offer = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(names)}, label.NAME"
    raise ValueError(f"{what}: alerts have no {name[:60]!r}; {offer}")


def _grouped(name: str) -> str:
    return known(name, GROUPED, "group_by")


def _repeat(value: object) -> timedelta | None:
    """None is never; TOML has no word for it."""
    if value == NEVER or value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f'expected a duration such as "4h", or "never", got {value!r}')
    try:
        length = parse_duration(value)
    except (ValueError, OverflowError):
        raise ValueError(f'expected a duration such as "4h", or "never", got {value!r}') from None
    if length < _SHORTEST:
        raise ValueError(f'expected at least {show_duration(_SHORTEST)}, or "never", got {value!r}')
    return length


_GLOBS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Matchers = Annotated[
    dict[str, list[str]],
    BeforeValidator(_match),
    WithJsonSchema({"type": "object", "additionalProperties": {"anyOf": [*_GLOBS["anyOf"], {"type": "object"}]}}),
]
GroupBy = Annotated[tuple[Annotated[str, AfterValidator(_grouped)], ...], Field(strict=False)]
Repeat = Annotated[timedelta | None, BeforeValidator(_repeat), WithJsonSchema({"type": "string"})]


class RouteTable(Table):
    """Who hears of an alert. Routes are tried in order, and the first that matches decides unless it says `continue`."""

    name: Name | None = Field(
        default=None, description="What `opsbot route test` calls it; without one its place.", examples=["night"]
    )
    match: Matchers = Field(
        default={},
        description="What an alert must be: `status`, `tier`, `tenant`, `environment`, `area`, `check`, `resource`, `job`, "
        "`key` or `label.NAME`, each a glob or a list of globs. Empty matches everything.",
        examples=[{"status": "critical", "tier": "production"}],
    )
    priority: Literal["P0", "P1", "P2", "P3"] = Field(
        default="P2", description="How fast somebody must come.", examples=["P1"]
    )
    channels: Names = Field(
        default=(), description="Who is told; none: nobody, on purpose.", examples=[["pagerduty", "ops-slack"]]
    )
    group_by: GroupBy = Field(
        default=("environment", "check"),
        description="Alerts with the same of these go into one notice; `alert` is each by itself.",
        examples=[["environment"]],
    )
    repeat: Repeat = Field(
        default=timedelta(hours=4),
        description='How often it is told again while it fires and nobody has acknowledged it; or "never".',
        examples=["4h"],
    )
    interval: Length = Field(
        default=timedelta(minutes=5),
        description="How long news of a group that are no worse than what is known wait for more of their kind.",
        examples=["5m"],
    )
    wait: Length | None = Field(
        default=None,
        description="How long the first notice of a group waits for what fires a moment later. Without it nothing waits.",
        examples=["30s"],
    )
    goes_on: bool = Field(
        default=False, alias="continue", description="Whether the routes after it are tried too.", examples=[True]
    )
    incident: bool = Field(
        default=False,
        description="Whether what begins to fire on it opens an incident: one a group, which later alerts of it join.",
        examples=[True],
    )
    runbook: Literal["auto"] | None = Field(
        default=None,
        description='With "auto" the steps of its runbook that only look run as soon as the incident is open.',
        examples=["auto"],
    )

    @model_validator(mode="after")
    def _runbook_of_an_incident(self) -> RouteTable:
        if self.runbook and not self.incident:
            raise ValueError('runbook = "auto" needs incident = true: its output goes into the incident')
        return self


class DependencyTable(Table):
    """Alerts that follow from another one: while that one fires, they are not told. Their end is told if they were."""

    alerts: Matchers = Field(description="Those that follow; as in `match` of a route.", examples=[{"check": "ecs-*"}])
    after: Matchers = Field(description="What they follow from.", examples=[{"check": "rds-down"}])
    equal: Annotated[tuple[Annotated[str, AfterValidator(lambda name: known(name, NAMES, "equal"))], ...],
                     Field(strict=False)] = Field(
        default=("environment",), description="What both must have the same of.", examples=[["environment"]]
    )  # fmt: skip


class AlertsTable(Table):
    """How much patience alerts have."""

    keep: Length | None = Field(
        default=None,
        description="How long an alert must be well before it is over. Without it the first good look ends it.",
        examples=["10m"],
    )
    storm: int = Field(
        default=20,
        ge=0,
        le=10_000,
        description="More new alerts than this within a minute, for one tenant, go into one message a channel; 0 is never.",
        examples=[20],
    )
    blind_after: int = Field(
        default=3,
        ge=1,
        le=100,
        description="In how many runs in a row something could not be judged until an environment's `no-data` alert fires.",
        examples=[3],
    )


def policy(
    routes: Iterable[RouteTable],
    dependencies: Iterable[DependencyTable],
    alerts: AlertsTable,
    maintenance: tuple[Maintenance, ...],
    channels: Iterable[str],
) -> Policy:
    """All of it as the alerts need it. INFO is told only if a route asks for it by name."""
    made = tuple(_route(table, place) for place, table in enumerate(routes, 1))
    info = any(name == "status" and Status.INFO.value in globs for route in made for name, globs in route.match)
    return Policy(
        routes=made,
        dependencies=tuple(
            Dependency(alerts=_pairs(table.alerts), after=_pairs(table.after), equal=table.equal)
            for table in dependencies
        ),
        maintenance=maintenance,
        channels=frozenset(channels),
        storm=alerts.storm,
        patience=Patience(
            least=Status.INFO if info else Status.WARNING,
            keep=alerts.keep or timedelta(0),
            blind_after=alerts.blind_after,
        ),
    )


def _route(table: RouteTable, place: int) -> Route:
    return Route(
        name=table.name or f"route-{place}",
        match=_pairs(table.match),
        priority=Priority(table.priority),
        channels=table.channels,
        group_by=table.group_by,
        repeat=table.repeat,
        interval=table.interval,
        wait=table.wait or timedelta(0),
        goes_on=table.goes_on,
        incident=table.incident,
        diagnose=table.runbook == "auto",
    )


def _pairs(match: dict[str, list[str]]) -> Match:
    return tuple((name, tuple(globs)) for name, globs in match.items())
