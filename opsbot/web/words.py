"""Schedules, states and ages in the words of people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.model.run import Run, RunState
from opsbot.model.status import Verdict
from opsbot.render.format import span
from opsbot.render.tokens import MARKS, Mark

_DAYS = {
    "MON": "Monday", "TUE": "Tuesday", "WED": "Wednesday", "THU": "Thursday", "FRI": "Friday", "SAT": "Saturday",
    "SUN": "Sunday",
}  # fmt: skip
_MONTHS = {
    "JAN": "January", "FEB": "February", "MAR": "March", "APR": "April", "MAY": "May", "JUN": "June", "JUL": "July",
    "AUG": "August", "SEP": "September", "OCT": "October", "NOV": "November", "DEC": "December",
}  # fmt: skip
_NAMED = {
    "@hourly": "every hour, on the hour",
    "@daily": "at 00:00, every day",
    "@midnight": "at 00:00, every day",
    "@weekly": "at 00:00, on Sunday",
    "@monthly": "at 00:00, on the 1st of the month",
    "@yearly": "at 00:00, on the 1st of January",
    "@annually": "at 00:00, on the 1st of January",
}
_UNITS = ((86400, 2.5), (3600, 2.5), (60, 1.5))
_STEP = re.compile(r"\*/(\d+)")
_NTH = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth"}


@dataclass(frozen=True, slots=True)
class Word:
    """A state as a reader sees it: colour class, glyph, word. Never colour alone."""

    css: str
    glyph: str
    word: str


_STATES = {
    RunState.QUEUED: Word("quiet", "…", "Queued"),
    RunState.RUNNING: Word("series", "▸", "Running"),
    RunState.SUCCEEDED: Word("ok", "✓", "Done"),
    RunState.FAILED: Word("action", "✕", "Failed"),
    RunState.TIMED_OUT: Word("action", "✕", "Timed out"),
    RunState.LOST: Word("action", "✕", "Lost"),
    RunState.CANCELLED: Word("unknown", "–", "Cancelled"),
    RunState.SKIPPED: Word("quiet", "–", "Skipped"),
}


def of_verdict(verdict: Verdict) -> Word:
    mark: Mark = MARKS[verdict]
    return Word(mark.css, mark.glyph, mark.word)


def of_state(state: RunState) -> Word:
    return _STATES[state]


def of_run(run: Run) -> Word:
    """What it said if it said something, else how it ended."""
    verdict = verdict_of(run)
    return of_verdict(verdict) if run.state is RunState.SUCCEEDED and verdict else of_state(run.state)


def verdict_of(run: Run) -> Verdict | None:
    return Verdict(run.verdict) if run.verdict in Verdict.__members__.values() else None


def age(at: datetime, now: datetime) -> str:
    """`41 s ago`, `3 h ago`, `in 2 d`: one unit, because nobody subtracts minutes from days."""
    return relative((now - at).total_seconds())


def relative(seconds: float) -> str:
    """Of a moment that passed so many seconds ago; negative for one to come."""
    size = abs(seconds)
    if size < 1:
        return "now"
    # From so many of a unit on nobody misses the next smaller one.
    unit = next((unit for unit, enough in _UNITS if size >= enough * unit), 1)
    told = span(timedelta(seconds=round(size / unit) * unit))
    return f"{told} ago" if seconds > 0 else f"in {told}"


def schedule(cron: str) -> str:
    """`at 07:00, Monday to Friday`; the cron text itself where words would be longer than it is clear."""
    if named := _NAMED.get(cron.strip().lower()):
        return named
    fields = cron.upper().split()
    if len(fields) != 5:
        return cron
    minute, hour, day, month, weekday = fields
    told = [_clock(minute, hour), _days(day, weekday), _month(month)]
    if None in told:
        return cron
    parts = [part for part in told if part]
    often = parts[0].startswith("every") and parts[1] == "every day"
    return ", ".join([parts[0], *parts[2:]] if often else parts)


def _clock(minute: str, hour: str) -> str | None:
    if minute.isdecimal():
        return _hours(int(minute), hour)
    step = _step(minute, 60)
    if step is None:
        return None
    told = "every minute" if step == 1 else f"every {step} minutes"
    if hour == "*":
        return told
    first, dash, last = hour.partition("-")
    if dash and first.isdecimal() and last.isdecimal():
        return f"{told} from {int(first):02}:00 to {int(last):02}:59"
    return f"{told} from {int(hour):02}:00 to {int(hour):02}:59" if hour.isdecimal() else None


def _step(field: str, of: int) -> int | None:
    """How often, if that is the same all the way round: `*/7` of an hour is not."""
    step = 1 if field == "*" else int(match[1]) if (match := _STEP.fullmatch(field)) else 0
    return step if step and of % step == 0 else None


def _hours(minute: int, hour: str) -> str | None:
    if hour == "*":
        return "every hour, on the hour" if minute == 0 else f"every hour, at {minute} past"
    if step := _step(hour, 24):
        past = "" if minute == 0 else f", at {minute} past"
        return f"every {step} hours{past}"
    first, dash, last = hour.partition("-")
    if dash and first.isdecimal() and last.isdecimal():
        return f"every hour from {int(first):02}:{minute:02} to {int(last):02}:{minute:02}"
    each = hour.split(",")
    if not all(part.isdecimal() for part in each):
        return None
    return f"at {listed([f'{int(part):02}:{minute:02}' for part in each])}"


def _days(day: str, weekday: str) -> str | None:
    if day == "*":
        return _weekdays(weekday)
    # With both fields set cron takes either of them, which nobody reads right in a short sentence.
    return _monthdays(day) if weekday == "*" else None


def _weekdays(weekday: str) -> str | None:
    if weekday == "*":
        return "every day"
    if last := re.fullmatch(r"([A-Z]{3})L", weekday):
        return f"on the last {_DAYS.get(last[1], last[1])} of the month"
    if nth := re.fullmatch(r"([A-Z]{3})#([1-5])", weekday):
        return f"on the {_NTH[nth[2]]} {_DAYS.get(nth[1], nth[1])} of the month"
    first, dash, last_day = weekday.partition("-")
    if dash and first in _DAYS and last_day in _DAYS:
        return f"{_DAYS[first]} to {_DAYS[last_day]}"
    each = weekday.split(",")
    return f"on {listed([_DAYS[name] for name in each])}" if all(name in _DAYS for name in each) else None


def _monthdays(day: str) -> str | None:
    if day == "L":
        return "on the last day of the month"
    each = day.split(",")
    if not all(part.isdecimal() for part in each):
        return None
    return f"on the {listed([_ordinal(int(part)) for part in each])} of the month"


def _month(month: str) -> str | None:
    if month == "*":
        return ""
    names = list(_MONTHS.values())
    each = [_MONTHS.get(part) or (names[int(part) - 1] if part in map(str, range(1, 13)) else "") for part in month.split(",")]  # fmt: skip
    return f"in {listed(each)}" if all(each) else None


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
