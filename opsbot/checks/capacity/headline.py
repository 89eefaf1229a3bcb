"""The verdict as one sentence, what runs out first and when; and the two sentences after it."""

from __future__ import annotations

from opsbot.checks.capacity import words
from opsbot.checks.capacity.judge import LIKELY, Judged
from opsbot.checks.capacity.looked import Forecasts
from opsbot.checks.capacity.report import AHEAD, near
from opsbot.model.status import Status
from opsbot.render.format import clip, count, plural
from opsbot.render.headline import LIMIT

_TOLD = (Status.CRITICAL, Status.WARNING)


def capacity_headline(all: Forecasts) -> str:
    """`edt-prod RDS storage lecture-db fills first, around 4 Dec`; "" where the common words say it best."""
    if not all.judged:
        return "" if all.findings else "Nothing was found that can run full"
    first = _first(all)
    if first is None:
        return f"Nothing reaches its limit within {AHEAD} days"
    if first.over:
        more = sum(one.over for one in all.limited) - 1
        rest = f", and {plural(more, 'other')}" if more else ""
        return _fitted(first, f" is at its limit{rest}")
    middle = words.spoken(first.days[1], all.today)
    if middle:
        return _fitted(first, f" runs out first, around {middle}")
    return _fitted(first, f" is nearly full: {words.now(first)}")


def _fitted(one: Judged, said: str) -> str:
    return f"{clip(words.full(one), LIMIT - len(said))}{said}"


def _first(all: Forecasts) -> Judged | None:
    """By time left among what needs somebody; else among what has even odds to get there."""
    told = [one for one in all.limited if one.status in _TOLD]
    likely = [one for one in all.limited if one.outlook and one.outlook.p_breach_90d >= LIKELY]
    return next(iter(told or likely), None)


def capacity_lede(all: Forecasts) -> str:
    """How many run out, how many have longer, how many could not be told."""
    if not all.judged:
        return ""
    limited, close = all.limited, near(all)
    soon = sum(one.over or bool(one.outlook and one.outlook.p_breach_90d >= LIKELY) for one in limited)
    decide = sum(one.status in _TOLD for one in limited)
    parts = [
        f"{count(soon)} of {plural(len(limited), 'resource')} with a limit will likely reach it within {AHEAD} days."
    ]
    if close and decide:
        parts.append(f"{plural(decide, 'needs', 'need')} a decision.")
    blind = sum(one.status is Status.UNKNOWN for one in all.findings)
    untold = len(all.untold)
    if blind or untold:
        parts.append(f"{count(max(untold, blind))} could not be forecast.")
    return " ".join(parts)
