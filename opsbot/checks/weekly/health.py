"""The section "system health": environments worst first, the well ones in one row where there are many."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.checks.spending.words import dollars
from opsbot.checks.weekly.course import Course
from opsbot.checks.weekly.kpi import loudest, percent
from opsbot.checks.weekly.places import Place
from opsbot.checks.weekly.week import Week
from opsbot.model.report import Cell, Column, Prose, Row, Section, Table
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import clean, clip, plural, quantity

ROWS = 24
_NONE = "–"
_WELL = (Status.OK, Status.INFO)
_COLUMNS = (
    Column(title="Environment"),
    Column(title="Availability", align="right"),
    Column(title="Budget left", align="right", phone=False),
    Column(title="p95", align="right"),
    Column(title="Errors", align="right", phone=False),
    Column(title="Spend", align="right"),
)


def section(week: Week) -> Section:
    if not week.places:
        text = "No environment was asked for, so nothing is known."
        return Section(id="system_health", title="System health", status=Status.UNKNOWN, blocks=(Prose(text=text),))
    shown, rest = _shown(week.places)
    rows = [*(_row(week, one) for one in shown), *([_others(rest)] if rest else [])]
    return Section(
        id="system_health",
        title="System health",
        status=loudest([one.status for one in week.places]),
        blocks=(Table(columns=_COLUMNS, rows=tuple(rows)),),
        aside=f"worst first; {plural(len(week.places), 'environment')}; budget left is of four weeks",
    )


def _shown(places: Sequence[Place]) -> tuple[Sequence[Place], Sequence[Place]]:
    """All of them where they fit; else those in trouble, as far as they fit."""
    if len(places) <= ROWS:
        return places, ()
    ill = [one for one in places if one.status not in _WELL]
    shown = (ill or places)[: ROWS - 1]
    names = {one.name for one in shown}
    return shown, [one for one in places if one.name not in names]


def _others(rest: Sequence[Place]) -> Row:
    """One row for all that is left out; the worst of it gives its mark."""
    ill = sum(one.status not in _WELL for one in rest)
    said = f"{plural(len(rest), 'other')}{f', {ill} of them in trouble' if ill else ', all well'}"
    cells = (Cell(text=said, status=loudest([one.status for one in rest])), *(Cell(text=_NONE) for _ in _COLUMNS[1:]))
    return Row(cells=cells)


def _row(week: Week, one: Place) -> Row:
    targets = week.settings.targets
    share, left = one.available.course.now, one.available.left
    return Row(
        cells=(
            Cell(text=clip(clean(one.name), 40), status=one.status),
            _judged(share, None if share is None else percent(share), share is not None and share < targets.availability),
            _judged(left, None if left is None else f"{100 * max(left, -9.99):.0f} %", left is not None and left <= 0),
            _timed(one.p95, targets.api_seconds),
            _judged(one.errors.now, None if one.errors.now is None else percent(one.errors.now),
                    one.errors.now is not None and one.errors.now > targets.error_rate),
            _money(one.spend, week.spent.currency),
        ),
        note=one.why,
    )  # fmt: skip


def _judged(value: float | None, text: str | None, bad: bool) -> Cell:
    return (
        Cell(text=_NONE) if value is None or text is None else Cell(text=text, status=Status.WARNING if bad else None)
    )


def _timed(course: Course, limit: float) -> Cell:
    text = None if course.now is None else quantity(course.now, Unit.SECONDS)
    return _judged(course.now, text, course.now is not None and course.now > limit)


def _money(course: Course, currency: str) -> Cell:
    """With its change where that is more than usual."""
    if course.now is None:
        return Cell(text=_NONE)
    moved = course.moved and course.before
    change = (
        f" {'▲' if (course.change or 0) > 0 else '▼'} {100 * abs(course.change or 0) / course.before:.0f} %"
        if moved and course.before
        else ""
    )
    return Cell(text=f"{dollars(course.now, currency)}{change}")
