"""Checks: their kinds, and `observe`, which looks at every resource of every environment through them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from opsbot.checks import fact, gaps, log_plan, logs, metric, seasonal
from opsbot.checks.found import blind
from opsbot.checks.kind import Kind, Queries, Subject, When, Work
from opsbot.checks.log_plan import Known
from opsbot.checks.matching import match
from opsbot.job import Context
from opsbot.model.check import Check
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.period import Period, epoch
from opsbot.model.resource import Inventory
from opsbot.ports import Ask, CustomMetric, MetricQuery, Reading

__all__ = ["KINDS", "Kind", "needs", "observe", "reads_logs"]

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (metric.KIND, fact.KIND, seasonal.KIND, logs.KIND)}

# What an answer is recognised by: environment, region, start of the window.
Place = tuple[str, str, int]


@dataclass(slots=True)
class Plan:
    """What is to be read: `asks` by place, and `waiting` the work for each answer, by place and seconds of a period.
    `looking` is the work of kinds that look for themselves, `known` the log groups of each environment."""

    asks: dict[Place, tuple[Environment, Period, dict[MetricQuery, None]]] = field(default_factory=dict)
    waiting: dict[tuple[Place, int], list[Work]] = field(default_factory=dict)
    looking: dict[str, list[Work]] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)


def observe(ctx: Context) -> tuple[Finding, ...]:
    """Every check on every resource it fits, worst or well: sorted by environment, check and resource.

    What could not be looked at is an UNKNOWN finding with the reason. Raises PlanTooDear before the first metric.
    """
    when = When(now=ctx.now, window=ctx.window, history=ctx.looking.history)
    return tuple(sorted(_all(ctx, when), key=lambda one: (one.environment, one.check, one.resource)))


def _all(ctx: Context, when: When) -> Iterator[Finding]:
    inventories = _inventories(ctx)
    plan = Plan()
    for environment in ctx.environments:
        checks = ctx.checks.get(environment.name, ())
        inventory = inventories.pop(environment.name, None)
        yield from gaps.unseen(environment, checks, inventory, when)
        if inventory is not None:
            matched = match(environment, checks, inventory)
            plan.known[environment.name] = log_plan.known(inventory, when.now)
            yield from gaps.absent(matched, checks, inventory, when)
            for check, subjects in matched.pairs:
                yield from _planned(plan, check, subjects, when)
    for name, works in plan.looking.items():
        if look := KINDS[name].look:
            yield from look(ctx.looking, works, plan.known)
    yield from _read(ctx, plan)


def needs(checks: Iterable[Check]) -> tuple[frozenset[str], frozenset[CustomMetric]]:
    """The resource kinds that must be described and the metrics that must be listed for these checks."""
    wanted = list(checks)
    kinds = frozenset(kind for check in wanted for kind in check.where.kinds if not kind.startswith("metric:"))
    if any(KINDS[check.kind].look for check in wanted):
        kinds |= {log_plan.KIND}
    return kinds, frozenset(one for check in wanted for one in KINDS[check.kind].custom(check.settings))


def reads_logs(checks: Iterable[Check]) -> bool:
    """Whether one of these checks asks Logs Insights."""
    return any(check.kind == logs.KIND.name for check in checks)


def _inventories(ctx: Context) -> dict[str, Inventory]:
    kinds, custom = needs(check for one in ctx.environments for check in ctx.checks.get(one.name, ()))
    found: dict[str, Inventory] = {}
    if not kinds and not custom:
        return {one.name: Inventory(environment=one.name, taken_at=ctx.now, resources=()) for one in ctx.environments}
    total = len(ctx.environments)
    ctx.looking.progress("discovering", 0, total)
    for inventory in ctx.looking.cloud.inventory(ctx.environments, kinds, custom, ctx.now):
        found[inventory.environment] = inventory
        ctx.looking.progress("discovering", len(found), total)
    return found


def _planned(plan: Plan, check: Check, subjects: Sequence[Subject], when: When) -> Iterator[Finding]:
    """Notes what must be read for a check; findings come at once where nothing must, or nothing can."""
    kind = KINDS[check.kind]
    if kind.look:
        plan.looking.setdefault(kind.name, []).append(Work(check=check, subjects=subjects, when=when))
        return
    window = Period(start=when.window.start - kind.before(check), end=when.window.end)
    at_once: list[Subject] = []
    asking: dict[tuple[str, int], tuple[list[Subject], list[Queries]]] = defaultdict(lambda: ([], []))
    for subject in subjects:
        queries = kind.plan(check, subject)
        if isinstance(queries, str):
            if queries:
                yield blind(check, subject, when, queries)
        elif queries:
            theirs = asking[subject.resource.region, queries[0].period]
            theirs[0].append(subject)
            theirs[1].append(queries)
        else:
            at_once.append(subject)
    if at_once:
        yield from kind.evaluate(Work(check=check, subjects=at_once, when=when))
    for (region, step), (some, queries_of) in asking.items():
        _noted(plan, window, region, step, Work(check=check, subjects=some, queries=queries_of, when=when))


def _noted(plan: Plan, window: Period, region: str, step: int, work: Work) -> None:
    environment = work.subjects[0].environment
    place = (environment.name, region, epoch(window.start))
    asked = plan.asks.setdefault(place, (environment, window, {}))[2]
    asked.update(dict.fromkeys(query for queries in work.queries for query in queries))
    plan.waiting.setdefault((place, step), []).append(work)


def _read(ctx: Context, plan: Plan) -> Iterator[Finding]:
    """Judges answers as they come in, so that only those on their way are held in memory."""
    asks = [
        Ask(environment=environment, region=place[1], window=window, queries=tuple(queries))
        for place, (environment, window, queries) in plan.asks.items()
    ]
    plan.asks.clear()
    if not asks:
        return
    ctx.looking.progress("reading metrics", 0, len(asks))
    for done, readings in enumerate(ctx.looking.cloud.read(asks), 1):
        for reading in readings:
            yield from _answered(plan, reading)
        ctx.looking.progress("reading metrics", done, len(asks))
    for work in (work for works in plan.waiting.values() for work in works):
        for subject in work.subjects:
            yield blind(work.check, subject, work.when, "AWS gave no answer for its metric")


def _answered(plan: Plan, reading: Reading) -> Iterator[Finding]:
    ask = reading.ask
    place = (ask.environment.name, ask.region, epoch(ask.window.start))
    for work in plan.waiting.pop((place, reading.grid.step), ()):
        yield from KINDS[work.check.kind].evaluate(replace(work, reading=reading))
