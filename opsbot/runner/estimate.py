"""What a run would ask of AWS, before it asks anything that costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from opsbot.checks.log_price import PricedLogs
from opsbot.checks.spending.priced import PricedBills
from opsbot.model.environment import Environment
from opsbot.model.resource import Inventory
from opsbot.model.run import Usage
from opsbot.ports import Ask, Cloud, CustomMetric, Estimate, Progress, Reading, World, quiet
from opsbot.runner.request import Request, context_of
from opsbot.samples import Grid, aligned


def estimate(request: Request, world: World, *, progress: Progress = quiet) -> Estimate:
    """What the run would ask of AWS. Describe calls are made: only they tell how many metrics there are, and they are free."""
    bills = PricedBills(world.bills) if world.bills else None
    logs = PricedLogs(world.logs) if world.logs else None
    try:
        priced = _Priced(world.cloud, onward=request.job.parts)
        context = context_of(request, replace(world, bills=bills, logs=logs), priced, {}, progress)
        request.job.run(context, request.settings)
        plan = _together([world.cloud.estimate(()), *priced.plans])
    except _Estimated as stop:
        plan = stop.estimate
    plan = _with_discovery(plan, world.cloud.usage())
    plan = logs.added(plan) if logs else plan
    return bills.added(plan) if bills else plan


def _with_discovery(plan: Estimate, discovery: Usage) -> Estimate:
    """The whole run's price: the discovery that was made to know the plan is made again in the run itself."""
    calls = Counter(dict(discovery.calls)) + Counter(dict(plan.calls))
    return replace(plan, calls=tuple(sorted(calls.items())), usd=plan.usd + discovery.usd)


def _together(plans: Sequence[Estimate]) -> Estimate:
    calls: Counter[str] = Counter()
    for plan in plans:
        calls += Counter(dict(plan.calls))
    return Estimate(
        calls=tuple(sorted(calls.items())),
        metrics=sum(plan.metrics for plan in plans),
        datapoints=sum(plan.datapoints for plan in plans),
        usd=sum(plan.usd for plan in plans),
        log_bytes=sum(plan.log_bytes for plan in plans),
    )


class _Estimated(BaseException):
    """Carries the estimate out of a job, past any `except Exception` in it."""

    def __init__(self, estimate: Estimate) -> None:
        self.estimate = estimate


class _Priced:
    """A Cloud that looks and prices, and stops where the first metric would be asked; `onward` it answers that nothing was
    published, and prices what is asked next."""

    def __init__(self, cloud: Cloud, *, onward: bool) -> None:
        self._cloud = cloud
        self._onward = onward
        self.plans: list[Estimate] = []

    def inventory(
        self, environments: Sequence[Environment], kinds: frozenset[str], custom: frozenset[CustomMetric], now: datetime
    ) -> Iterator[Inventory]:
        return self._cloud.inventory(environments, kinds, custom, now)

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        return self._cloud.estimate(asks)

    def read(self, asks: Sequence[Ask]) -> Iterator[tuple[Reading, ...]]:
        if not self._onward:
            raise _Estimated(self._cloud.estimate(asks))
        self.plans.append(self._cloud.estimate(asks))
        return map(_silence, asks)

    def usage(self) -> Usage:
        return self._cloud.usage()


def _silence(ask: Ask) -> tuple[Reading, ...]:
    """An answer without a datum."""
    return tuple(_of_period(ask, step) for step in sorted({query.period for query in ask.queries}))


def _of_period(ask: Ask, step: int) -> Reading:
    start, width = aligned(ask.window, step)
    rows = {query: 0 for query in ask.queries if query.period == step}
    return Reading(ask=ask, grid=Grid(start=start, step=step, values=np.full((1, width), np.nan)), rows=rows, gaps={})
