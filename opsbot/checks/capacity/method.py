"""How the forecasts are made, how past ones did, and what asking cost: what makes a date worth believing."""

from __future__ import annotations

from opsbot.checks.capacity.looked import Forecasts
from opsbot.evaluate.trend.record import Record
from opsbot.model.report import Prose, Section
from opsbot.model.status import Status
from opsbot.render.format import count, money, plural

METHOD = (
    "One value a day. Clean-ups, imports, resizes, resets, false zeros and lone outliers are undone first and named; then "
    "trend and season are fitted in many ways, each believed as far as the past supports it, and the odds are the share of "
    "simulated futures that reach the limit. A range holds 80 % of them. No trend is an answer."
)
ENOUGH = 20


def method(all: Forecasts) -> Section:
    """The last part: method, track record, history."""
    return Section(
        id="method",
        title="Method and track record",
        status=Status.OK,
        blocks=(
            Prose(text=f"Track record: {told(all.record)}"),
            Prose(text=f"Method: {METHOD}"),
            Prose(text=f"History: {_history(all)}"),
        ),
    )


def told(record: Record) -> str:
    """How past forecasts did, in two sentences; that there are none to judge yet."""
    if not record.made and not record.ranges:
        return "No forecast is thirty days old yet: there is nothing to hold them against."
    parts = []
    if record.made:
        parts.append(
            f"Of {plural(record.made, 'forecast')} of thirty days, {count(record.reached)} met the limit; Brier score "
            f"{record.brier:.3f} (0 is perfect, always saying {100 * record.reached / record.made:.0f} % scores {record.always:.3f})."
        )
    if record.ranges:
        parts.append(
            f"Of {plural(record.ranges, 'range')} of days that have passed, {count(record.held)} held the day ({_held(record)})."
        )
    if max(record.made, record.ranges) < ENOUGH:
        parts.append("Too few to judge by.")
    return " ".join(parts)


def _held(record: Record) -> str:
    share = f"{100 * record.held / record.ranges:.0f} %"
    return f"{share}, as they should" if 0.7 <= record.held / record.ranges <= 0.9 else f"{share}; 80 % should"


def _history(all: Forecasts) -> str:
    calls = sum(number for _, number in all.asked.calls)
    asked = (
        f"{plural(all.asked.metrics, 'metric')} in {plural(calls, 'call')} ({money(all.asked.usd)}) for what was missing"
        if calls
        else "nothing was missing"
    )
    days = max((one.past.values.size for one in all.judged), default=0)
    return f"{plural(len(all.judged), 'series', 'series')}, up to {plural(days, 'day')}; {count(all.kept)} known before, {asked}."
