"""A series' outlook as a Finding, with the contract's evidence; and as the Forecast that the track record keeps."""

from __future__ import annotations

from datetime import date, datetime

from opsbot.checks.capacity import words
from opsbot.checks.capacity.judge import Judged
from opsbot.checks.matching import subject
from opsbot.evaluate.trend import Pace, evidence, ignored, sentence
from opsbot.evaluate.trend.ports import Forecast
from opsbot.model.finding import Evidence, Finding
from opsbot.model.status import Status
from opsbot.model.units import Unit

MONTHS_AHEAD = 90
WORTH_USD = 100.0
"""More a month in ninety days: worth a note, without a limit."""


def finding(one: Judged, at: datetime, today: date) -> Finding:
    """One finding a series. An OK one carries its odds too: they are what the next report is compared with."""
    source, about = one.track.source, subject(one.track.environment, one.track.resource)
    status = Status.INFO if one.status is Status.OK and one.more_usd >= WORTH_USD else one.status
    told = status in (Status.WARNING, Status.CRITICAL)
    return Finding(
        check=source.check,
        environment=one.track.environment.name,
        resource=one.track.resource.name,
        status=status,
        at=at,
        unit=source.unit,
        title=source.title,
        area=source.area,
        value=one.now,
        limit=one.limit,
        rule=_rule(one) if told else "",
        summary=summary(one, today),
        means=source.means if told else "",
        labels=about.labels,
        runbook=source.runbook if told else None,
        owner=about.owner,
        evidence=_evidence(one),
    )


def forecast(one: Judged, today: date) -> Forecast | None:
    """What was said today; nothing where there is no limit, no forecast, or nothing left to forecast."""
    if not one.forecast or one.limit is None or one.now is None or one.over or one.outlook is None:
        return None
    p10, p50, p90 = one.days
    return Forecast(
        key=one.track.key, made=today, current=one.now, limit=one.limit, p_breach_30d=one.outlook.p_breach_30d,
        p_breach_90d=one.outlook.p_breach_90d, p10=p10, p50=p50, p90=p90,
    )  # fmt: skip


def summary(one: Judged, today: date) -> str:
    """One sentence: where it stands, when it gets to its limit with which odds, what was left out, by when to act."""
    if one.outlook is None:
        return one.why
    if one.limit is None or one.track.limit is None:
        return f"{_stands(one)}; {_unlimited(one, today)}"
    if one.over:
        over = "at" if one.now == one.limit else "over"
        return f"{_stands(one)}: {over} its limit of {words.amount(one, one.limit)} ({one.track.limit.said})"
    said = sentence(one.outlook, last=one.past.last, first=one.past.first, say=lambda value: words.amount(one, value))
    return "; ".join(part for part in (_stands(one), said, _jumped(one), _act(one, today)) if part)


def _stands(one: Judged) -> str:
    share = "" if one.share is None or one.track.source.unit is Unit.PERCENT else f" ({words.share(one)})"
    return f"{words.amount(one, one.now)} {one.track.source.noun}{share}"


def _jumped(one: Judged) -> str:
    """Told for what it holds, not for its pace."""
    if one.status is not Status.WARNING or one.days[1] is not None:
        return ""
    return "nearly full, and a jump has no pace: look at what caused it"


def _act(one: Judged, today: date) -> str:
    if one.act_by is None or one.status not in (Status.WARNING, Status.CRITICAL):
        return ""
    days = f"it takes {one.lead} {'day' if one.lead == 1 else 'days'} to get more"
    if one.act_by <= today:
        return f"act now: {days}"
    return f"act by {words.spoken(one.act_by, today)}: {days}"


def _unlimited(one: Judged, today: date) -> str:
    if one.outlook is None or one.outlook.pace is not Pace.RISING:
        told = "falling" if one.outlook and one.outlook.pace is Pace.FALLING else "no trend"
        return f"no limit; {told}"
    left_out = ignored(one.outlook.undone, first=one.past.first, say=lambda value: words.amount(one, value))
    more = f"{words.pace(one)} a week, {words.usd(one.more_usd)} a month more in {MONTHS_AHEAD} days"
    return "; ".join(part for part in ("no limit", more, left_out) if part)


def _rule(one: Judged) -> str:
    if one.over:
        return "at its limit"
    if one.status is Status.CRITICAL:
        return f"reached within its lead time of {one.lead} d at 80 % or more"
    return "P(30 d) >= 50 %, act-by day near, or 90 % used"


def _evidence(one: Judged) -> Evidence:
    if one.outlook is None:
        return (("why", one.why),) if one.why else ()
    found = evidence(one.outlook, first=one.past.first, last=one.past.last, say=lambda value: words.amount(one, value))
    limited = one.limit is not None
    odds = ("p_breach_30d", "p_breach_90d")
    told = tuple((name, value if limited or name not in ("limit", *odds) else None) for name, value in found)
    extra: Evidence = (
        ("limit_from", one.track.limit.said if one.track.limit else None),
        ("act_by", one.act_by.isoformat() if one.act_by else None),
        ("per_week", 7 * one.outlook.growth),
        ("more_usd_a_month_in_90d", round(one.more_usd, 2) if one.limit is None else None),
        ("days_of_history", int(one.past.values.size)),
    )
    return (*told, *extra)
