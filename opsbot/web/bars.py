"""What a row of the uptime page draws, in as few bytes as it can: 90 days as bars, a day of latency as a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from statistics import median
from typing import NamedTuple

from opsbot.evaluate import uptime
from opsbot.evaluate.uptime import Day
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import count, plural, quantity, short_day

STEP, BAR, HIGH = 3, 2, 20
HOURS = 24
_SPARK_STEP, _SPARK_TOP = 4, 18
_NOTES = 4
# Class and middle of a bar in the 20 px of a strip; a run of equal days is one dashed stroke.
_STROKES: Mapping[Status, tuple[str, int]] = {
    Status.OK: ("", 14),
    Status.WARNING: ("d1", 12),
    Status.CRITICAL: ("d2", 10),
    Status.UNKNOWN: ("d3", 17),
    Status.INFO: ("d4", 16),
}
_WELL = (Status.OK, Status.INFO)


class Note(NamedTuple):
    """What there is to say of a day that was not well: `11 Nov 97.2 %`."""

    place: int
    text: str


def note(day: Day) -> str:
    """`97.2 %`, `degraded`, `no data`, `all well`: a day in a word, "" where nothing was asked."""
    if day.tally is None:
        return ""
    share, status = day.tally.share, day.tally.status
    if share is not None and share < uptime.WELL:
        return figure(share)
    return {Status.WARNING: "degraded", Status.UNKNOWN: "no data", Status.INFO: "excused"}.get(status, "all well")


def notes(days: Sequence[Day], begin: int = 0) -> tuple[Note, ...]:
    """Of the days that were not well; `begin` is the place of the first one in its strip."""
    return tuple(
        Note(begin + place, f"{short_day(day.start, 'UTC')} {note(day)}")
        for place, day in enumerate(days)
        if day.tally and day.tally.status not in _WELL
    )


def figure(share: float | None) -> str:
    """`99.98 %`, or a dash where nothing could be judged."""
    return "–" if share is None else quantity(share * 100, Unit.PERCENT)


def strip(bars: Sequence[Status | None], noted: Sequence[Note] = ()) -> str:
    """A table cell with one bar a day; all well since the probe was there is a class and nothing more.

    What is wrong stands in the label, which the style sheet shows to whoever points at the strip or reaches it by key.
    """
    there = next((place for place, bar in enumerate(bars) if bar is not None), len(bars))
    known = bars[there:]
    if known.count(Status.OK) == len(known):
        return "<td class=g>" if not there else f'<td class="g g{len(known)}">' if known else "<td>"
    label = escape(said(bars, noted))
    return f'<td><b tabindex=0 role=img aria-label="{label}"><svg>{paths(bars)}</svg></b>'


def said(bars: Sequence[Status | None], noted: Sequence[Note] = (), most: int = _NOTES) -> str:
    """`2 days not well: 20 Nov 91 %, 11 Nov 97.2 %, 1 excused`: a strip for those who do not see it, newest first."""
    trouble = sum(bar not in _WELL and bar is not None for bar in bars)
    newest = [one.text for one in reversed(noted)]
    listed = ", ".join(newest[:most]) + (f" and {count(len(newest) - most)} more" if len(newest) > most else "")
    excused = f", {count(number)} excused" if (number := sum(bar is Status.INFO for bar in bars)) else ""
    if not trouble:
        return f"all well{excused}"
    return f"{plural(trouble, 'day')} not well{f': {listed}' if listed else ''}{excused}"


def paths(bars: Sequence[Status | None]) -> str:
    """SVG paths, a colour each: a run of equal days is one stroke, dashed by the style sheet."""
    runs: dict[Status, list[str]] = {}
    start = 0
    for place in range(1, len(bars) + 1):
        if place < len(bars) and bars[place] is bars[start]:
            continue
        status = bars[start]
        if status is not None:
            middle = _STROKES[status][1]
            runs.setdefault(status, []).append(f"M{start * STEP} {middle}h{(place - start) * STEP - (STEP - BAR)}")
        start = place
    return "".join(_path(_STROKES[status][0], "".join(drawn)) for status, drawn in runs.items())


def targets(bars: Sequence[Status | None], noted: Sequence[Note], today: datetime) -> str:
    """Over a strip that stands alone: for each day something to point at, which says what the day was."""
    told = {one.place: one.text for one in noted}
    return "".join(
        f'<rect x="{place * STEP}" width="{STEP}" height="{HIGH}"><title>{escape(told.get(place, day))}</title></rect>'
        for place, day in enumerate(_days(bars, today))
    )


def _days(bars: Sequence[Status | None], today: datetime) -> Iterator[str]:
    for place, bar in enumerate(bars):
        day = short_day(today - (len(bars) - 1 - place) * uptime.DAY, "UTC")
        yield f"{day} {'excused' if bar is Status.INFO else 'all well' if bar else 'not probed'}"


def spark(values: Sequence[float | None], limit: float | None = None) -> str:
    """The latency of the last hours as a line from zero on, with the limit it owes where that is near; "" of too few."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    shown = limit if limit is not None and limit < 2 * max(known) else None
    # What is as usual runs along the middle, what is not has room above.
    top = max(1.1 * max(known), 2 * median(known), shown or 0.0) or 1.0
    line = f'<path class=l d="M0 {_high(shown, top)}h{(len(values) - 1) * _SPARK_STEP}"/>' if shown else ""
    words = f"{quantity(min(known), Unit.SECONDS)} to {quantity(max(known), Unit.SECONDS)}"
    drawn = _line([None if value is None else _high(value, top) for value in values])
    return f'<svg class=s role=img aria-label="{words}">{line}<path d="{drawn}"/></svg>'


def _high(value: float, top: float) -> int:
    return 1 + round(_SPARK_TOP * (1 - value / top))


def _line(heights: Sequence[int | None]) -> str:
    """A path that stops where nothing was answered; an hour alone is a dot."""
    drawn, last = "", None
    for place, high in enumerate(heights):
        if high is not None and last is None:
            drawn += f"M{place * _SPARK_STEP} {high}h0"
        elif high is not None and last is not None:
            drawn += f"l{_SPARK_STEP}{'' if high < last else ' '}{high - last}"
        last = high
    return drawn


def _path(css: str, drawn: str) -> str:
    return f'<path class={css} d="{drawn}"/>' if css else f'<path d="{drawn}"/>'
