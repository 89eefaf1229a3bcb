"""A fleet written by hand: environments with one API each, whose hours are functions of time, and a real store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from opsbot.alerting import Turned
from opsbot.checks.catalogue import load
from opsbot.checks.weekly import Week, WeeklySettings, week
from opsbot.evaluate.cost.bill import Leaf
from opsbot.evaluate.costdata import CostDay, CostReading, Shown
from opsbot.evaluate.costdata.days import Budget, BudgetsRead
from opsbot.evaluate.costdata.ports import Allowance
from opsbot.evaluate.costdata.writes import Writes
from opsbot.evaluate.savings.advice import Advice, Advised, Seconds
from opsbot.evaluate.trend.ports import Forecast
from opsbot.incidents import By, opened
from opsbot.job import Context
from opsbot.model.actor import Actor
from opsbot.model.alert import Ack, Alert, AlertState
from opsbot.model.budget import OwnBudget
from opsbot.model.check import Check
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.incident import IncidentState
from opsbot.model.period import Period, last
from opsbot.model.resource import Inventory, Resource
from opsbot.model.run import Usage
from opsbot.model.status import Priority, Status
from opsbot.model.units import Unit
from opsbot.ports import Ask, CustomMetric, Estimate, Looking, MetricQuery, Reading, Step
from opsbot.samples import Grid, Values, aligned
from opsbot.store.sql import SqlStore

NOW = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)
TODAY = NOW.date()
ZONE = "Europe/Berlin"
RELEASE = datetime(2026, 11, 11, 13, tzinfo=UTC).timestamp()
NAMES = ("meridian", "brightwell", "northlake", "oakfield", "harbor", "valemont", "tidewater", "summit")
WATCHED = ("alb-error-rate", "alb-latency", "alb-latency-p95", "ecs-cpu", "data-quality", "processing-batch")

Course = Callable[[Values], Values]
"""The value of a metric by epoch seconds."""


@functools.cache
def checks() -> tuple[Check, ...]:
    return tuple(check for check in load([], [])[0].checks if check.name in WATCHED)


def steady(level: float, spread: float = 0.05) -> Course:
    """A day and a night, and noise that the same hour always has."""

    def course(at: Values) -> Values:
        wobble = np.sin(at * 12.9898 / 3600) * 0.3 + np.sin(at / 86400 * 2 * np.pi - 2)
        return np.asarray(level * (1 + spread * wobble))

    return course


def from_then_on(before: float, after: float, since: float = RELEASE) -> Course:
    first, second = steady(before), steady(after)
    return lambda at: np.where(at < since, first(at), second(at))


def never(at: Values) -> Values:
    return np.full(at.shape, np.nan)


USUAL: Mapping[str, Course] = {
    "RequestCount": steady(9000.0, 0.4),
    "HTTPCode_Target_5XX_Count": steady(4.5, 0.2),
    "TargetResponseTime": steady(0.26),
    "CPUUtilization": steady(73.0),
    "DataQualityScore": steady(98.6, 0.001),
    "ProcessingLatency": steady(200.0),
}


def environment(name: str, number: int, **more: object) -> Environment:
    known: dict[str, object] = {
        "regions": ("eu-central-1",),
        "account_id": f"7{number:011d}",
        "tenant": name,
        "tier": "production",
    }
    return Environment(name=f"{name}-prod", **{**known, **more})  # type: ignore[arg-type]


def fleet(names: Sequence[str] = NAMES) -> tuple[Environment, ...]:
    """One environment a tenant; the first one pays for all."""
    return tuple(environment(name, place, payer=place == 0) for place, name in enumerate(names))


def resources(place: Environment) -> Iterator[Resource]:
    team = (("team", f"{place.tenant}-team"),)
    for kind, name, dimensions in (
        ("alb", f"{place.tenant}-web", {"LoadBalancer": f"app/{place.tenant}-web/1"}),
        ("ecs-service", f"{place.tenant}-backend", {"ClusterName": "main", "ServiceName": f"{place.tenant}-backend"}),
        ("metric:Platform/Quality/DataQualityScore", place.tenant, {"Customer": place.tenant}),
        ("metric:Platform/Processing/ProcessingLatency", place.tenant, {"Customer": place.tenant, "Mode": "batch"}),
    ):
        yield Resource(
            kind=kind, name=name, region=place.home_region, dimensions=tuple(sorted(dimensions.items())), tags=team
        )  # fmt: skip


@dataclass
class Written:
    """`courses` by "<tenant> Metric" or by "Metric"; what is not written is `USUAL`. Of `dark` environments nothing is found."""

    courses: Mapping[str, Course] = field(default_factory=dict)
    dark: frozenset[str] = frozenset()
    asked: list[Ask] = field(default_factory=list)

    def inventory(
        self, environments: Sequence[Environment], kinds: frozenset[str], custom: frozenset[CustomMetric], now: datetime
    ) -> Iterator[Inventory]:
        wanted = kinds | {f"metric:{one.namespace}/{one.name}" for one in custom}
        for place in environments:
            if place.name not in self.dark:
                seen = tuple(one for one in resources(place) if one.kind in wanted)
                yield Inventory(environment=place.name, taken_at=now, resources=seen)

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        return Estimate(calls=(), metrics=sum(len(ask.queries) for ask in asks), datapoints=0, usd=0.0)

    def read(self, asks: Sequence[Ask]) -> Iterator[tuple[Reading, ...]]:
        self.asked += asks
        for ask in asks:
            yield tuple(self._reading(ask, step) for step in sorted({query.period for query in ask.queries}))

    def usage(self) -> Usage:
        return Usage(calls=(("cloudwatch:GetMetricData", 16),), metrics=120, datapoints=250_000, usd=0.0012)

    def _reading(self, ask: Ask, step: int) -> Reading:
        start, width = aligned(ask.window, step)
        at = start + step * np.arange(width, dtype=np.float64)
        queries = [query for query in dict.fromkeys(ask.queries) if query.period == step]
        rows = [self._course(query, ask.environment)(at) for query in queries]
        grid = Grid(start=start, step=step, values=np.vstack(rows) if rows else np.empty((0, width)))
        return Reading(ask=ask, grid=grid, rows={query: place for place, query in enumerate(queries)}, gaps={})

    def _course(self, query: MetricQuery, place: Environment) -> Course:
        known = (f"{place.tenant} {query.name} {query.statistic}", f"{place.tenant} {query.name}", query.name)
        own = next((self.courses[name] for name in known if name in self.courses), None)
        return own or USUAL.get(query.name, never)


@dataclass(frozen=True)
class Payers:
    """What AWS keeps beside bills: `limit` is the first payer's budget, `advised` what it advises him."""

    limit: float = 0.0
    advised: tuple[Advised, ...] = ()

    def bill_requests(self, payer: Environment, morning: date, readings: Sequence[CostReading]) -> int:
        raise AssertionError("the weekly report asks Cost Explorer nothing")

    def bill(self, payer: Environment, morning: date, readings: Sequence[CostReading], allowance: Allowance) -> Shown:
        raise AssertionError("the weekly report asks Cost Explorer nothing")

    def budgets(self, environment: Environment) -> BudgetsRead:
        one = Budget(name="all-of-it", limit=self.limit, actual=0.0, forecast=None, currency="USD", unit="MONTHLY")
        return BudgetsRead(account=environment.account_id, budgets=(one,) if self.limit else ())

    def advice(self, payer: Environment, day: date, allowance: Allowance | None = None) -> Advice:
        return Advice(payer=payer.name, day=day, advised=self.advised)

    def anomalies(self, payer: Environment, first: date, last: date, allowance: Allowance) -> Seconds:
        return Seconds(payer=payer.name, day=last)

    def writes(self, environment: Environment, region: str, window: Period, first: str = "") -> Writes:
        raise AssertionError("the weekly report looks for no changes")


def bill(
    store: SqlStore,
    places: Sequence[Environment],
    usd: float = 40.0,
    *,
    days: int = 80,
    jump: float = 1.0,
    read: date = TODAY,
) -> None:
    """A bill of all of them, read this morning: so much a day for each, `jump` times as much of the second one's RDS since
    the release, and a fee on the first of each month."""
    payer, morning = places[0].name, read
    services = ("Amazon Relational Database Service", "AWS Lambda")
    leaves = [Leaf(one.account_id, name, "eu-central-1", "EUC1-Use") for one in places for name in services]
    fee = Leaf(places[0].account_id, "AWS Support (Business)", "", "Support", "Fee")
    told = []
    for ago in range(days, 0, -1):
        day = morning - timedelta(days=ago)
        amounts = np.full(len(leaves), usd / 2) * (1 + 0.02 * np.cos(np.arange(len(leaves)) + 0.7 * ago))
        if len(leaves) > 2 and ago <= 4:
            amounts[2] *= jump
        own = [*amounts.tolist(), *([100.0 * len(places)] if day.day == 1 else [])]
        rows = np.repeat(np.asarray(own)[:, None], 4, axis=1)
        told.append(
            CostDay(day=day, leaves=(*leaves, *([fee] if day.day == 1 else [])), amounts=rows, estimated=ago == 1)
        )
    reading = CostReading(
        payer=payer, morning=morning, first=told[0].day, end=morning, requests=1, rows=1, page_rows=1
    )  # fmt: skip
    store.costs().keep(Shown(payer=payer, morning=morning, currency="USD", days=tuple(told), readings=(reading,)))


def finding(place: str, resource: str, check: str = "ecs-cpu", status: Status = Status.WARNING) -> Finding:
    return Finding(check=check, environment=place, resource=resource, status=status, at=NOW, unit=Unit.PERCENT, title="ECS CPU",
                   area="ecs", summary="CPU above its limit")  # fmt: skip


def alerted(store: SqlStore, *alerts: Alert) -> None:
    store.alerts().turn(lambda book: Step(turned=Turned(alerts=alerts, at=NOW)))


def alert(one: Finding, fired: datetime, lasted: timedelta | None, *, times: int = 1, ack: str = "") -> Alert:
    """That fired then, and ended by itself after so long; None: it fires still."""
    ended = fired + (lasted or timedelta(0))
    return Alert(
        finding=one, state=AlertState.FIRING if lasted is None else AlertState.RESOLVED, since=fired, seen_at=ended,
        changed_at=ended, job="daily_health", episode=times, fired_at=fired, ack=Ack(who=ack, at=fired) if ack else None,
    )  # fmt: skip


def incident(
    store: SqlStore, place: Environment, title: str, at: datetime, *, priority: Priority = Priority.P1
) -> None:
    """Acknowledged after four minutes, over after 23."""
    by = By(actor=Actor(login="ada@desk"), now=at)
    new, entry, act = opened(by, title, priority, environment=place.name, tenant=place.tenant)
    over = replace(
        new, state=IncidentState.RESOLVED, acked_at=at + timedelta(minutes=4), resolved_at=at + timedelta(minutes=23),
        fix="image pulled from our own registry",
    )  # fmt: skip
    store.incidents().open(over, entry, act)


def foreseen(store: SqlStore, place: Environment, resource: str, *, days: int, made: date = TODAY) -> None:
    """Storage that is full in so many days."""
    full = [made + timedelta(days=days + off) for off in (-4, 0, 5)]
    store.trends().note([
        Forecast(key=f"{place.name}/capacity-rds-storage/{resource}", made=made, current=410 * 2.0**30, limit=500 * 2.0**30,
                 p_breach_30d=0.95 if days < 30 else 0.1, p_breach_90d=0.99, p10=full[0], p50=full[1], p90=full[2])
    ])  # fmt: skip


def look(
    cloud: Written,
    places: Sequence[Environment],
    store: SqlStore | None = None,
    *,
    everywhere: Sequence[Environment] = (),
    payers: Payers | None = None,
    budgets: tuple[OwnBudget, ...] = (),
    now: datetime = NOW,
    **settings: object,
) -> Week:
    """The week of these environments; what is kept comes from the store."""
    kept = store and Looking(
        cloud=cloud, bills=payers or Payers(), costs=store.costs(), trends=store.trends(), alerts=store.alerts(),
        incidents=store.incidents(), uptime=store.uptime(), budgets=budgets, everywhere=tuple(everywhere or places),
    )  # fmt: skip
    context = Context(
        now=now, window=last(days=7, now=now), environments=tuple(places), zone=ZONE,
        checks={place.name: checks() for place in places}, looking=kept or Looking(cloud=cloud, everywhere=tuple(everywhere)),
    )  # fmt: skip
    return week(context, WeeklySettings.model_validate(settings))
