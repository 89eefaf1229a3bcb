"""The words of the capacity report: days, paces, names, one way each."""

from __future__ import annotations

from datetime import date

from opsbot.checks.capacity.judge import Judged
from opsbot.evaluate.trend.sentence import MONTHS
from opsbot.model.units import Unit
from opsbot.render.format import clean, clip, money, quantity

ROOM = 44
STILL = "steady"


def spoken(day: date | None, today: date) -> str:
    """`4 Dec`, with the year where it is another one; "" for None."""
    if day is None:
        return ""
    year = "" if abs((day - today).days) < 300 else f" {day.year}"
    return f"{day.day} {MONTHS[day.month - 1]}{year}"


def name(one: Judged, room: int = ROOM) -> str:
    """The resource, without its environment; one that stands for its environment has none of its own."""
    plain = clip(clean(one.track.resource.name), room)
    if one.track.source.kind in ("lambda-account", "payer"):
        return one.track.source.title
    return f"{one.track.source.title} {plain}"


def place(one: Judged, room: int = ROOM) -> str:
    """Where it is, for a column that has no room for what it is; `name` tells that."""
    known = f"{clip(clean(one.track.environment.name), 28)} {clip(clean(one.track.resource.name), room)}"
    return full(one) if one.track.source.kind in ("lambda-account", "payer") else known


def full(one: Judged, room: int = ROOM) -> str:
    return f"{clip(clean(one.track.environment.name), 28)} {name(one, room)}"


def amount(one: Judged, value: float | None) -> str:
    """A value of a series in its unit; percentages are told to the point."""
    return quantity(value, one.track.source.unit)


def now(one: Judged) -> str:
    """Where it stands: with the share of its limit where its unit is no share already."""
    share = one.share
    told = amount(one, one.now)
    return (
        told
        if share is None or one.track.source.unit is Unit.PERCENT
        else f"{told} ({quantity(100 * share, Unit.PERCENT)})"
    )


def share(one: Judged) -> str:
    """How much of its limit is used."""
    return now(one) if one.share is None else quantity(100 * one.share, Unit.PERCENT)


def pace(one: Judged) -> str:
    """The change in a week."""
    if one.outlook is None:
        return ""
    week, unit = 7 * one.outlook.growth, one.track.source.unit
    least = 0.005 * max(abs(one.now or 0.0), 1e-12)
    if abs(week) < least:
        return STILL
    # Two digits of a count: nobody knows its pace better than that.
    about = abs(week) if unit is Unit.BYTES else float(f"{abs(week):.2g}")
    told = f"{quantity(about, unit)[:-2]} points" if unit is Unit.PERCENT else quantity(about, unit)
    return f"{'+' if week > 0 else '-'}{told}"


def spread(one: Judged, today: date) -> str:
    """The 80 % range of days."""
    p10, _, p90 = one.days
    if one.over or p10 is None:
        return ""
    start = spoken(p10, today)
    if p10 == p90:
        return start
    return f"from {start}" if p90 is None else f"{start}–{spoken(p90, today)}"


def odds(share: float) -> str:
    """As short as a column needs it, and never 0 or 100 from a few hundred ways."""
    if share < 0.01:
        return "<1 %"
    return ">99 %" if share > 0.99 else f"{100 * share:.0f} %"


def usd(value: float) -> str:
    return f"${value:,.0f}" if value >= 10 else money(value)
