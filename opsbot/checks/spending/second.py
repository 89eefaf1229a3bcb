"""The second opinion: whether AWS's own anomaly detection tells the same. It costs a cent, so it is asked once a week, and
on a morning on which something new was found."""

from __future__ import annotations

from datetime import date, timedelta

from opsbot.checks.spending.life import Life
from opsbot.checks.spending.reading import Spending
from opsbot.checks.spending.words import dollars, short
from opsbot.evaluate.costdata.ports import Bills, Costs
from opsbot.evaluate.savings.advice import Second, Seconds
from opsbot.render.format import clean, clip, count, plural

ASKED_AGAIN, DAYS = timedelta(days=7), timedelta(days=30)
# A detector that begins a day earlier or later still means the same.
SLACK = timedelta(days=2)


def asked(bills: Bills, costs: Costs, one: Spending, *, news: bool) -> Seconds | None:
    """What AWS's detection tells of this payer, as of the last time it was asked; None if it never was."""
    kept = costs.seconds(one.payer.name)
    if any(reading.morning > one.morning for reading in costs.readings(one.payer.name)):
        # A morning of the past is shown as it was, as far as that is known still.
        return kept if kept is not None and kept.day <= one.morning else None
    old = kept is None or one.morning - kept.day >= (timedelta(days=1) if news else ASKED_AGAIN)
    unread = bool(one.gaps) and not one.read
    if not old or unread or one.payer.cost_export:
        return kept
    limits = one.limits
    allowance = costs.allowance(one.payer.name, one.morning, per_day=limits.per_day, per_month=limits.per_month)
    if allowance.left < 1:
        return kept
    fresh = bills.anomalies(one.payer, one.morning - DAYS, one.morning, allowance)
    if not fresh.note:
        costs.keep_seconds(fresh)
        return fresh
    return kept or fresh


def same(one: Life, told: Seconds) -> Second | None:
    """AWS's anomaly of the same account, service, region and days; the one that began first."""
    cause, anomaly = one.anomaly.causes[0], one.anomaly
    there = [
        second
        for second in told.anomalies
        if _fits(second.account, cause.account) and _fits(second.service, cause.service)
        and _fits(second.region, cause.region) and _fits(second.usage_type, cause.usage_type)
        and _overlaps(second, anomaly.start, anomaly.last, told.day)
    ]  # fmt: skip
    return min(there, key=lambda second: second.start, default=None)


def _fits(told: str, ours: str) -> bool:
    """AWS leaves out what it does not know."""
    return not told or told == ours


def _overlaps(second: Second, start: date, last: date, day: date) -> bool:
    return second.start <= last + SLACK and (second.end or day) >= start - SLACK


def opinion(one: Life, told: Seconds | None) -> str:
    """One line about one anomaly, "" where nobody was asked."""
    if told is None:
        return ""
    if told.note:
        return f"AWS's own detector could not be asked: {clip(clean(told.note), 160)}"
    found = same(one, told)
    if found is None:
        return f"AWS's own detector has not told it, asked on {short(told.day)}"
    over = f" to {short(found.end)}" if found.end and found.end < one.anomaly.last else ""
    since = "from" if over else "since"
    return f"AWS's own detector says the same {since} {short(found.start)}{over}, {dollars(found.impact_usd)} in all"


def standing(one: Spending, told: Seconds | None) -> str:
    """One line about a payer: how much AWS's detector tells, and how much of that is told here."""
    if told is None:
        return ""
    if told.note:
        return f"its own detector could not be asked: {clip(clean(told.note), 160)}"
    lead = f"its own detector, asked on {short(told.day)}: {plural(len(told.anomalies), 'anomaly', 'anomalies')} in {DAYS.days} days"
    ours = {second.id for life in one.lives if (second := same(life, told))}
    other = [second for second in told.anomalies if second.id not in ours]
    if not told.anomalies or not other:
        return f"{lead}{', told here too' if told.anomalies else ''}"
    most = max(other, key=lambda second: second.impact_usd)
    words = f"{clip(clean(most.service), 40)} from {short(most.start)}, {dollars(most.impact_usd)}"
    return f"{lead}; {count(len(other))} not open here, the largest {words}"
