"""The verdict on the week as one sentence, and the two after it."""

from __future__ import annotations

from collections.abc import Iterator

from opsbot.checks.spending.words import dollars, month, percent
from opsbot.checks.weekly.kpi import Kpi
from opsbot.checks.weekly.kpi import percent as precise
from opsbot.checks.weekly.week import Week
from opsbot.model.status import Status
from opsbot.render.format import clip, count, plural
from opsbot.render.headline import LIMIT

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five")


def weekly_headline(week: Week) -> str:
    """`Three decisions this week; 2 of 8 environments need action`; "" where the common words say it best."""
    if not week.places:
        return ""
    states = _states(week)
    number = len(week.decisions)
    if number:
        return clip(f"{_NUMBERS[number]} decision{'' if number == 1 else 's'} this week; {states}", LIMIT)
    return clip(f"{states[:1].upper()}{states[1:]}", LIMIT)


def _states(week: Week) -> str:
    total = len(week.places)
    for status, one, many in _WORDS:
        ill = sum(place.status is status for place in week.places)
        if ill:
            whose = "the one environment" if total == 1 else f"{count(ill)} of {plural(total, 'environment')}"
            return f"{whose} {one if ill == 1 else many}"
    return "the one environment is well" if total == 1 else f"all {plural(total, 'environment')} are well"


_WORDS = (
    (Status.CRITICAL, "needs action", "need action"),
    (Status.WARNING, "needs attention", "need attention"),
    (Status.UNKNOWN, "gives no data", "give no data"),
)


def weekly_lede(week: Week) -> str:
    """How available it was, what broke, what it cost."""
    return " ".join(_sentences(week)) if week.places else ""


def _sentences(week: Week) -> Iterator[str]:
    known = {one.id: one for one in week.kpis}
    yield _availability(known["availability"])
    told = [_broken(week), *_cost(week, known["spend"])]
    said = "; ".join(part for part in told if part)
    if said:
        yield f"{said[:1].upper()}{said[1:]}."


def _availability(kpi: Kpi) -> str:
    now = kpi.course.now
    if now is None:
        return f"Availability is not known: {kpi.why}."
    low = kpi.low or 0.0
    return f"Availability was {precise(now)} against a target of {precise(low)}{', below it' if now < low else ''}."


def _broken(week: Week) -> str:
    incidents = week.told.incidents
    return (
        "" if incidents is None else f"{plural(len(incidents), 'incident')} this week" if incidents else "no incident"
    )


def _cost(week: Week, kpi: Kpi) -> Iterator[str]:
    now, before = kpi.course.now, kpi.course.before
    if now is None:
        yield "spend is not known"
        return
    change = (
        ""
        if not before
        else f", {percent(abs(now / before - 1))} {'more' if now > before else 'less'} than the week before"
    )
    yield f"spend was {dollars(now, week.spent.currency)}{change}"
    paced = week.spent.paced
    if paced is not None and paced.end is not None:
        over = paced.end.p50 - paced.limit
        yield f"{month(paced.end.month)} is heading for {dollars(abs(over))} {'over' if over > 0 else 'under'} budget"
