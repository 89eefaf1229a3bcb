"""What payers pay, as one more thing that grows: from the mornings that the cost job kept, so it asks AWS nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, timedelta

import numpy as np

from opsbot.checks.capacity.past import Past
from opsbot.checks.capacity.settings import CapacitySettings
from opsbot.checks.capacity.source import Around, Limit
from opsbot.checks.capacity.sources import COST, MONTH, SOURCES
from opsbot.checks.capacity.track import Track, track
from opsbot.evaluate.costdata.days import CostDay, Metric
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.resource import Resource
from opsbot.render.format import clean, clip
from opsbot.samples import Values

WEEK = 7


def bills(ctx: Context, settings: CapacitySettings) -> Iterator[tuple[Track, Past]]:
    """Each payer's monthly pace: the mean of seven days, as a month. Raises StoreError."""
    if ctx.looking.costs is None or COST not in settings.names:
        return
    end = ctx.now.astimezone(UTC).date()
    for payer in ctx.environments:
        if not payer.payer:
            continue
        days = ctx.looking.costs.days(payer.name, end - timedelta(days=settings.days), end, morning=end)
        whole = [day for day in days if not day.estimated]
        if whole:
            resource = Resource(kind="payer", name="bill", region=payer.home_region)
            followed = track(SOURCES[COST], payer, resource, Around(), settings)
            yield followed if followed.limit else replace(followed, limit=_budget(ctx, payer)), _past(whole)


def _budget(ctx: Context, payer: Environment) -> Limit | None:
    """What the whole bill of a month may come to: the least of one's own budgets for it, else of AWS's."""
    payers = [one for one in ctx.looking.everywhere or ctx.environments if one.payer]
    mine = payer.name if len(payers) > 1 else ""
    own = [
        Limit(value=one.usd, said=f"your budget {clip(clean(one.name), 40)}")
        for one in ctx.looking.budgets
        if one.payer in (payer.name, mine) and not (one.environment or one.tenant or one.service)
    ]
    # What is not known here is told by the job cost_anomalies, which reads them every morning.
    found = ctx.looking.bills.budgets(payer).budgets if ctx.looking.bills and not own else ()
    aws = [
        Limit(value=one.limit, said=f"AWS's budget {clip(clean(one.name), 40)}")
        for one in found
        if one.unit == "MONTHLY" and one.currency == "USD" and not one.about
    ]
    return min([*own, *aws], key=lambda one: one.value, default=None)


def _past(days: list[CostDay]) -> Past:
    first, last = days[0].day, days[-1].day
    row = np.full((last - first).days + 1, np.nan)
    for day in days:
        row[(day.day - first).days] = day.total(Metric.AMORTIZED)
    return Past(first=_after_a_week(first), values=_week_by_week(row))


def _after_a_week(first: date) -> date:
    return first + timedelta(days=WEEK - 1)


def _week_by_week(row: Values) -> Values:
    """A month at the pace of the seven days until each day; NaN where one of them is missing."""
    if row.size < WEEK:
        return np.empty(0)
    weeks: Values = np.lib.stride_tricks.sliding_window_view(row, WEEK).mean(axis=1) * MONTH
    return weeks
