"""What could be saved: `savings` looks for it in every environment and hears AWS's own advice, as findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from opsbot.checks.kind import When
from opsbot.checks.savings.looking import Search
from opsbot.checks.savings.merging import merged
from opsbot.checks.savings.section import savings_section
from opsbot.checks.savings.telling import explained
from opsbot.evaluate.costdata.ports import Bills
from opsbot.evaluate.costdata.verdicts import last_words
from opsbot.evaluate.savings import Prices, Thrift
from opsbot.evaluate.savings.advice import Advice
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding

__all__ = ["Thrift", "savings", "savings_section"]

# What Cost Explorer charges for changes slowly: it is asked again after a week.
ASKED_AGAIN = timedelta(days=7)


def savings(
    ctx: Context, thrift: Thrift | None = None, *, per_day: int = 10, per_month: int = 310
) -> tuple[Finding, ...]:
    """Waste in every environment, and AWS's own advice to every payer: INFO findings `saving-*`, sorted by what they save
    a month; OK ones for what was looked at and is well, UNKNOWN ones for what could not be looked at.

    `per_day` and `per_month` are the requests of Cost Explorer that a payer may take; those for its bill count too.
    Evidence: `saving_usd_month` (None where no price is known), `how`, `confidence`, `basis`.
    """
    limits = thrift or Thrift()
    when = When(now=ctx.now, window=ctx.window)
    search = Search(ctx=ctx, thrift=limits, prices=Prices(own=limits.prices), when=when)
    search.discover()
    # Before any metric: what prices a run stops where the first one would be asked.
    advices = tuple(_advice(ctx, per_day, per_month))
    found = list(search.look())
    known = search.known({one.resource for advice in advices for one in advice.advised})
    told = merged(found, advices, ctx.environments, when, limits, known)
    said = last_words(ctx.looking.costs.verdicts()) if ctx.looking.costs else {}
    return tuple(sorted((explained(one, said.get(one.key)) for one in told), key=_rank))


def _rank(one: Finding) -> tuple[float, str]:
    return -(one.value or 0.0), one.key


def _advice(ctx: Context, per_day: int, per_month: int) -> Iterator[Advice]:
    bills = ctx.looking.bills
    if bills is not None:
        for payer in (one for one in ctx.environments if one.payer):
            yield _of(ctx, bills, payer, (per_day, per_month))


def _of(ctx: Context, bills: Bills, payer: Environment, most: tuple[int, int]) -> Advice:
    """The hub's of today, with what was last paid for; that is asked again once a week, within the day's requests."""
    costs, today = ctx.looking.costs, ctx.now.date()
    if costs is None:
        return bills.advice(payer, today)
    kept = costs.advice(payer.name)
    if kept is None or today - kept.day >= ASKED_AGAIN:
        allowance = costs.allowance(payer.name, today, per_day=most[0], per_month=most[1])
        fresh = bills.advice(payer, today, allowance)
        # What was not asked for want of requests is asked tomorrow.
        if not fresh.cut and (fresh.covered or fresh.notes):
            costs.keep_advice(fresh)
        return fresh
    fresh = bills.advice(payer, today)
    # Rightsizing stands in for the hub where that is not there; both would count things twice.
    return replace(kept, day=today, advised=fresh.advised or kept.advised)
