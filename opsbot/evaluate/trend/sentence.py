"""The forecast in words: a stretch of days with its odds, and what was left out, or that there is no trend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from opsbot.evaluate.trend.history import Kind, Outlook, Pace, Undone
from opsbot.model.finding import Evidence

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_NAMED = 3


def sentence(found: Outlook, *, last: date, first: date, say: Callable[[float], str]) -> str:
    """What the report prints after the resource's name.

    `first` and `last` are the days of the history's first and last sample; `say` puts a value in its unit.
    """
    odds = f"P(30 d) {percent(found.p_breach_30d)}, P(90 d) {percent(found.p_breach_90d)}"
    parts = [_when(found, last, say, odds), ignored(found.undone, first=first, say=say)]
    return "; ".join(part for part in parts if part)


def ignored(undone: tuple[Undone, ...], *, first: date, say: Callable[[float], str]) -> str:
    """What was undone before the fit, such as "ignored: a clean-up on 3 Mar (-41 GiB), 2 false zeros"; else ""."""
    said = _all_said(undone, first, say)
    return f"ignored: {', '.join(said)}" if said else ""


def evidence(found: Outlook, *, first: date, last: date, say: Callable[[float], str]) -> Evidence:
    """What a capacity finding carries: the limit in the values' unit, the odds, ISO days or None, what was undone."""
    days = (("breach_day_p10", found.p10), ("breach_day_p50", found.p50), ("breach_day_p90", found.p90))
    return (
        ("limit", found.limit),
        ("p_breach_30d", round(found.p_breach_30d, 4)),
        ("p_breach_90d", round(found.p_breach_90d, 4)),
        *((name, None if day is None else (last + timedelta(days=round(day))).isoformat()) for name, day in days),
        ("ignored", _all_said(found.undone, first, say)),
    )


def percent(share: float) -> str:
    """Odds without false certainty: never 0 or 100 from a few hundred ways."""
    if share < 0.01:
        return "under 1 %"
    return "over 99 %" if share > 0.99 else f"{share * 100:.0f} %"


def _when(found: Outlook, last: date, say: Callable[[float], str], odds: str) -> str:
    limit = say(found.limit)
    if found.current is None:
        return "no finite value in its history: no forecast"
    if found.current >= found.limit:
        return f"at {say(found.current)}, over its limit of {limit} now"
    if found.pace is Pace.UNKNOWN:
        return f"too little history to say when it reaches {limit}"
    if found.p10 is None:
        trend = "no trend" if found.pace is Pace.NONE else found.pace.value
        return f"{trend}: not expected to reach {limit} within {found.horizon} days; {odds}"
    start = _spoken(last, found.p10)
    if found.p50 is None:
        return f"might reach {limit} from {start} on, {percent(found.p_horizon)} within {found.horizon} days; {odds}"
    middle = _spoken(last, found.p50)
    if found.p90 is None:
        return f"reaches {limit} from {start} on (middle {middle}), or not within {found.horizon} days; {odds}"
    return f"80 % of ways it reaches {limit} between {start} and {_spoken(last, found.p90)} (middle {middle}); {odds}"


def _all_said(undone: tuple[Undone, ...], first: date, say: Callable[[float], str]) -> tuple[str, ...]:
    said = (_said(kind, [each for each in undone if each.kind is kind], first, say) for kind in Kind)
    return tuple(text for text in said if text)


def _said(kind: Kind, found: list[Undone], first: date, say: Callable[[float], str]) -> str:
    if not found:
        return ""
    if kind is Kind.FALSE_ZERO or len(found) > MOST_NAMED:
        return f"{len(found)} {kind.value}{'s' if len(found) > 1 else ''}"
    article = "an" if kind.value[0] in "aeiou" else "a"
    return ", ".join(
        f"{article} {kind.value} on {_spoken(first, each.at)} ({_signed(each.amount, say)})" for each in found
    )


def _signed(amount: float, say: Callable[[float], str]) -> str:
    return f"{'-' if amount < 0 else '+'}{say(abs(amount))}"


def _spoken(start: date, days: float) -> str:
    day = start + timedelta(days=round(days))
    return f"{day.day} {MONTHS[day.month - 1]}"
