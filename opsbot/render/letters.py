"""Charts in characters, for terminals and plain mail: a line in dots, bars in blocks, and one-line trends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from opsbot.model.period import epoch, from_epoch
from opsbot.model.report import ChartSpec
from opsbot.render.axis import ticks
from opsbot.render.extent import Extent, Values, extent, limit_of
from opsbot.render.format import fit, pad, quantity, short_day, tick, width
from opsbot.render.plot import crossing

ROWS, COLUMNS = 8, 60
_BLOCKS = " ▁▂▃▄▅▆▇█"
_LIMIT, _EXPECTED, _YOUNG, _MARK = "┄", "░", "▒", "▼"
# Braille dots by row and column of a character.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Characters by row, top first; `dots` are what a line leaves behind, four high and two wide in each."""

    seen: Extent
    rows: list[list[str]]
    dots: list[list[int]]
    columns: int

    def column(self, at: float, parts: int = 1) -> int:
        share = (at - self.seen.start) / (self.seen.end - self.seen.start)
        return min(max(int(share * self.columns * parts), 0), self.columns * parts - 1)

    def height(self, value: float, parts: int = 1) -> int:
        """Counted from the bottom, in parts of a row."""
        share = (value - self.seen.bottom) / (self.seen.top - self.seen.bottom)
        return min(max(int(share * ROWS * parts), 0), ROWS * parts - 1)

    def dot(self, column: int, height: int) -> None:
        row, part = divmod(ROWS * 4 - 1 - height, 4)
        self.dots[row][column // 2] |= _DOTS[part][column % 2]

    def lines(self) -> Iterator[str]:
        for row, dots in zip(self.rows, self.dots, strict=True):
            yield "".join(chr(0x2800 + dot) if dot else kept for kept, dot in zip(row, dots, strict=True))


def drawn(spec: ChartSpec, zone: str, columns: int) -> tuple[str, ...]:
    """Eight rows and an axis, at most `columns` wide; a note where there is nothing to draw."""
    try:
        seen = extent(spec, zone)
    except ValueError as error:
        return (f"No chart: {error}.",)
    names, ends = _names(spec, seen), _ends(spec, seen)
    left = max(width(name) for name in names.values())
    right = max((width(text) for text in ends.values()), default=0)
    wide = _even(spec, max(12, min(COLUMNS, columns - left - right - 4)))
    sheet = Sheet(
        seen=seen, columns=wide, rows=[[" "] * wide for _ in range(ROWS)], dots=[[0] * wide for _ in range(ROWS)]
    )
    _painted(spec, sheet)
    body = (
        f"{names.get(row, ''):>{left}} {'┤' if row in names else '│'}{line} {ends.get(row, '')}"
        for row, line in enumerate(sheet.lines())
    )
    margin = " " * (left + 1)
    marks = _marks(spec, sheet)
    return tuple(
        fit(line.rstrip(), columns)
        for line in (
            *([f"{margin} {marks}"] if marks else []),
            *body,
            f"{margin}└{'─' * wide}",
            f"{margin} {_axis(sheet)}",
        )
    )


def _even(spec: ChartSpec, columns: int) -> int:
    """So many columns that every bar has as many as the next."""
    bars = len(spec.series.values)
    return columns // bars * bars if spec.bars and not spec.ahead and bars <= columns else columns


def told(spec: ChartSpec, zone: str) -> tuple[str, ...]:
    """What the picture says in words: what happened, and when the limit is met."""
    try:
        seen = extent(spec, zone)
    except ValueError:
        return ()
    inside = (mark for mark in spec.marks if seen.start <= epoch(mark.at) <= seen.end and not mark.text.isdigit())
    marks = sorted(inside, key=lambda mark: mark.at)
    at = crossing(spec, seen.fan) if seen.fan else None
    return (
        *(f"{_MARK} {short_day(mark.at, seen.zone)}: {mark.text}" for mark in marks),
        *([f"Middle of the ways ahead: {quantity(spec.limit, spec.unit)} on {short_day(from_epoch(at), seen.zone)}"] if at else []),
    )  # fmt: skip


def _painted(spec: ChartSpec, sheet: Sheet) -> None:
    seen = sheet.seen
    if spec.limit is not None:
        sheet.rows[ROWS - 1 - sheet.height(spec.limit)] = [_LIMIT] * sheet.columns
    if seen.low is not None and seen.high is not None:
        _shaded(sheet, seen.times.astype(float), seen.low, seen.high)
    if seen.fan is not None:
        _shaded(sheet, seen.fan.times.astype(float), seen.fan.low, seen.fan.high)
    if spec.bars:
        _bars(spec, sheet)
    else:
        for run in seen.runs:
            _line(sheet, seen.times[run].astype(float), seen.values[run], every=1)
    if seen.fan is not None:
        _line(sheet, seen.fan.times.astype(float), seen.fan.middle, every=3)


def _shaded(sheet: Sheet, times: Values, low: Values, high: Values) -> None:
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return
    for column in range(sheet.column(times[known][0]), sheet.column(times[known][-1]) + 1):
        at = sheet.seen.start + (column + 0.5) / sheet.columns * (sheet.seen.end - sheet.seen.start)
        least, most = (float(np.interp(at, times[known], row[known])) for row in (low, high))
        for height in range(sheet.height(least), sheet.height(most) + 1):
            row = sheet.rows[ROWS - 1 - height]
            row[column] = _EXPECTED if row[column] == " " else row[column]


def _bars(spec: ChartSpec, sheet: Sheet) -> None:
    """A column of blocks a bar; of several bars in one column the highest is shown."""
    seen, step = sheet.seen, spec.series.times.step
    heights: dict[int, tuple[int, bool]] = {}
    for place, value in enumerate(seen.values.tolist()):
        if value != value:
            continue
        first = sheet.column(seen.start + step * (place + 0.01))
        wide = sheet.column(seen.start + step * (place + 0.99)) - first
        for column in range(first, first + max(1, wide)):
            height = sheet.height(value, 8) + (value > seen.bottom)
            if height > heights.get(column, (0, False))[0]:
                heights[column] = height, place >= spec.series.judged
    for column, (height, young) in heights.items():
        for row in range(ROWS):
            part = min(8, height - 8 * row)
            if part > 0:
                sheet.rows[ROWS - 1 - row][column] = _YOUNG if young else _BLOCKS[part]


def _line(sheet: Sheet, times: Values, values: Values, *, every: int) -> None:
    """Dots from each point to the next, so that a steep step stays one line; `every` third for what is only expected."""
    if len(times) == 1:
        sheet.dot(sheet.column(times[0], 2), sheet.height(values[0], 4))
        return
    seen, before = sheet.seen, -1
    part = (seen.end - seen.start) / sheet.columns / 2
    for column in range(sheet.column(times[0], 2), sheet.column(times[-1], 2) + 1):
        start = seen.start + column * part
        inside = values[(times >= start) & (times < start + part)]
        here = inside if len(inside) else np.interp([start + part / 2], times, values)
        low, high = sheet.height(float(here.min()), 4), sheet.height(float(here.max()), 4)
        if before >= 0 and every == 1:
            low, high = min(low, before + 1), max(high, before - 1)
        for height in range(low, high + 1) if column % every == 0 else ():
            sheet.dot(column, height)
        before = sheet.height(float(here[-1]), 4)


def _names(spec: ChartSpec, seen: Extent) -> dict[int, str]:
    """Round values by row, the highest of those that share one."""
    placed = (
        (ROWS - 1 - int((value - seen.bottom) / (seen.top - seen.bottom) * ROWS * 0.9999), value)
        for value in seen.ticks
    )
    return {row: tick(value, spec.unit) for row, value in placed if 0 <= row < ROWS} or {ROWS - 1: ""}


def _ends(spec: ChartSpec, seen: Extent) -> dict[int, str]:
    """Limit and last value, each in the row where it lies."""
    told = [(spec.limit, limit_of(spec))] if spec.limit is not None else []
    last = [(seen.last, f"{'last' if spec.bars else 'now'} {quantity(seen.last, spec.unit)}")]
    rows: dict[int, str] = {}
    for value, text in [*last, *told]:
        row = ROWS - 1 - min(max(int((value - seen.bottom) / (seen.top - seen.bottom) * ROWS), 0), ROWS - 1)
        rows[row] = f"{rows[row]}, {text}" if row in rows else text
    return rows


def _axis(sheet: Sheet) -> str:
    row = ""
    for at, text in ticks(int(sheet.seen.start), int(sheet.seen.end), sheet.seen.zone):
        start = sheet.column(at) - width(text) // 2
        if start > width(row) or not row:
            row += " " * (start - width(row)) + text
    return row


def _marks(spec: ChartSpec, sheet: Sheet) -> str:
    """Pointers above what happened; a number stands for itself, where it has room."""
    shift = spec.series.times.step / 2 if spec.bars else 0
    row = ""
    for mark in sorted(spec.marks, key=lambda mark: mark.at):
        if sheet.seen.start <= epoch(mark.at) <= sheet.seen.end:
            place, text = sheet.column(epoch(mark.at) - shift), mark.text if mark.text.isdigit() else _MARK
            row = pad(row, place) + text if width(row) <= place else row
    return row


def spark(values: Sequence[float | None], columns: int) -> str:
    """A series as one line of bars, gaps as spaces: what a terminal can draw."""
    size = max(1, math.ceil(len(values) / columns))
    stretches = [
        [v for v in values[i : i + size] if v is not None and math.isfinite(v)] for i in range(0, len(values), size)
    ]
    means = [sum(v / len(stretch) for v in stretch) if stretch else None for stretch in stretches]
    known = [mean for mean in means if mean is not None]
    if not known:
        return ""
    low, span = min(known), (max(known) / 2 - min(known) / 2) or 1.0
    bars = _BLOCKS[1:]
    return "".join(" " if mean is None else bars[min(7, int((mean / 2 - low / 2) / span * 7.99))] for mean in means)
