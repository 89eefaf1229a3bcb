"""What is asked beside the bills once something new was found: who changed what, and AWS's own opinion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opsbot.checks.spending.changes import Before, before
from opsbot.checks.spending.reading import Billed, Spending, loud
from opsbot.checks.spending.second import asked
from opsbot.evaluate.savings.advice import Seconds
from opsbot.job import Context

MOST = 5
"""Anomalies of one morning that CloudTrail is asked about: those that are told in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """`before` by the anomaly's key, `seconds` by payer."""

    before: Mapping[str, Before] = field(default_factory=dict)
    seconds: Mapping[str, Seconds] = field(default_factory=dict)


UNKNOWN = Background()


def background(ctx: Context, all: Billed) -> Background:
    """Free but for a cent a payer, at most, within its requests. Nothing that fails here breaks the run but the store:
    raises StoreError."""
    bills, costs = ctx.looking.bills, ctx.looking.costs
    if bills is None or costs is None:
        return UNKNOWN
    new = loud(all)
    found = {life.key: before(ctx, bills, one, life) for one, life in new[:MOST]}
    opinions = ((one, asked(bills, costs, one, news=_news(one))) for one in all.spending)
    return Background(before=found, seconds={one.payer.name: told for one, told in opinions if told is not None})


def _news(one: Spending) -> bool:
    """Whether something was opened or grew this morning, told or not: a look that tells nobody must not cost a cent."""
    return any(life.open and life.news for life in one.lives)
