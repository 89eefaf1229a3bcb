"""Recorded data as people have it: a CSV with or without a header, its columns guessed, every problem told with its line."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from opsbot.evaluate.cost import Charge, Leaf
from opsbot.render.format import clean, clip
from opsbot.samples import Values

MOST_TOLD, MOST_BYTES, MOST_ROWS = 10, 512 * 2**20, 5_000_000
TIMES = ("time", "timestamp", "datetime", "date", "day", "at", "usagestartdate", "lineitemusagestartdate")
VALUES = ("value", "average", "avg", "mean", "p95", "maximum", "max", "sum", "minimum", "min", "used", "usage", "count")
AMOUNTS = ("amount", "cost", "unblendedcost", "lineitemunblendedcost", "usd", "value")
LEAF = {
    "account": ("account", "accountid", "linkedaccount", "lineitemusageaccountid"),
    "service": ("service", "product", "productcode", "lineitemproductcode"),
    "region": ("region", "productregion"),
    "usage_type": ("usagetype", "lineitemusagetype"),
}
# What a file says where nothing was measured.
NOTHING = frozenset(("", "-", "null", "none", "nan", "na", "n/a"))
_EARLIEST, _MILLISECONDS = 1e8, 1e11
_MONEY = re.compile(r"^[$€£]|[\s,](?=\d{3}(?:\D|$))")


@dataclass(slots=True)
class Problems:
    """What is wrong with a file, where; only the first are told in full."""

    name: str
    told: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, what: str) -> None:
        self.count += 1
        if self.count <= MOST_TOLD:
            self.told.append(f"{self.name}, line {line}: {what}")

    def check(self) -> None:
        """Raises ClickException with all of them, if there is one."""
        if self.count:
            more = [f"and {self.count - MOST_TOLD:,} more of the kind"] if self.count > MOST_TOLD else []
            raise click.ClickException("\n".join([*self.told, *more]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A file's rows with their line numbers. `header` is empty where the first line was data already."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...]

    @property
    def width(self) -> int:
        return len(self.header) or len(self.rows[0][1])


def points(path: Path, *, time: str | None, value: str | None) -> tuple[NDArray[np.int64], Values]:
    """Epoch seconds and values, in the file's order; gaps are left out. Raises ClickException."""
    sheet = _sheet(path)
    at = _time_column(sheet, time)
    read = _value_column(sheet, at, value)
    problems, times, values = Problems(sheet.name), [], []
    for line, row in sheet.rows:
        moment, number = _cell(row, at), _cell(row, read)
        if number.lower() in NOTHING:
            continue
        try:
            times.append(_moment(moment))
            values.append(_number(number))
        except ValueError as error:
            problems.add(line, str(error))
    problems.check()
    if not values:
        raise click.ClickException(f"{sheet.name}: expected rows with a time and a value, got none with a value")
    return np.asarray(times, dtype=np.int64), np.asarray(values, dtype=np.float64)


def charges(path: Path, *, time: str | None, value: str | None) -> tuple[Charge, ...]:
    """What was billed, a row a day and leaf; where there is no amount, every further column is a service. Raises
    ClickException."""
    sheet = _sheet(path)
    day = _time_column(sheet, time)
    names = [_plain(name) for name in sheet.header]
    leaf = {part: _first(names, known) for part, known in LEAF.items()}
    amount = _column(sheet, AMOUNTS, value, "--value") if value else _first(names, AMOUNTS)
    if amount is None and not sheet.header:
        amount = _value_column(sheet, day, None)
    problems = Problems(sheet.name)
    read = tuple(
        _long(sheet, day, amount, leaf, problems) if amount is not None else _wide(sheet, day, problems)
    )  # fmt: skip
    problems.check()
    if not read:
        raise click.ClickException(f"{sheet.name}: expected rows with a day and an amount, got none with an amount")
    return read


def _long(sheet: Sheet, day: int, amount: int, leaf: dict[str, int | None], problems: Problems) -> Iterator[Charge]:
    for line, row in sheet.rows:
        told = _cell(row, amount)
        if told.lower() in NOTHING:
            continue
        parts = {part: clip(clean(_cell(row, place)), 120) if place is not None else "" for part, place in leaf.items()}
        try:
            yield Charge(day=_day(_cell(row, day)), leaf=_leaf(**parts), amount=_number(told))
        except ValueError as error:
            problems.add(line, str(error))


def _wide(sheet: Sheet, day: int, problems: Problems) -> Iterator[Charge]:
    """A column a service, as the console of Cost Explorer writes it; totals would count everything twice."""
    services = {
        place: clip(clean(name.removesuffix("($)")), 120)
        for place, name in enumerate(sheet.header)
        if place != day and "total" not in name.lower()
    }
    for line, row in sheet.rows:
        if _cell(row, day).lower().endswith("total"):
            continue
        for place, service in services.items():
            told = _cell(row, place)
            try:
                if told.lower() not in NOTHING:
                    yield Charge(day=_day(_cell(row, day)), leaf=_leaf("", service, "", ""), amount=_number(told))
            except ValueError as error:
                problems.add(line, f"column {clip(clean(sheet.header[place]), 40)}: {error}")


def _leaf(account: str, service: str, region: str, usage_type: str) -> Leaf:
    return Leaf(account or "all", service or "all", region or "all", usage_type or "all")


def _sheet(path: Path) -> Sheet:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise click.ClickException(
                f"{path.name}: expected 512 MiB at most, got {path.stat().st_size / 2**20:,.0f} MiB"
            )
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            return _read(path.name, file)
    except OSError as error:
        raise click.ClickException(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _read(name: str, file: Iterator[str]) -> Sheet:
    first = next((line for line in file if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(file, delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    try:
        head = next(csv.reader([first], delimiter=delimiter), [])
        for row in reader:
            if any(row):
                rows.append((reader.line_num + 1, row))
            if len(rows) > MOST_ROWS:
                raise click.ClickException(f"{name}: expected {MOST_ROWS:,} rows at most; cut the file into parts")
    except csv.Error as error:
        raise click.ClickException(f"{name}, line {reader.line_num + 1}: not a CSV: {error}") from None
    if head and _is_moment(head[0].strip()):
        return Sheet(name=name, header=(), rows=((1, head), *rows))
    if not rows:
        raise click.ClickException(f"{name}: expected rows such as 2026-11-20T07:00:00Z,41.5, got none")
    return Sheet(name=name, header=tuple(each.strip() for each in head), rows=tuple(rows))


def _column(sheet: Sheet, known: Sequence[str], asked: str | None, option: str) -> int:
    names = [_plain(name) for name in sheet.header]
    place = _first(names, (_plain(asked),) if asked else known)
    if place is None:
        there = ", ".join(clip(clean(name), 40) for name in sheet.header[:20])
        what = f'a column "{asked}"' if asked else f"a column such as {', '.join(known[:4])} (or name it with {option})"
        raise click.ClickException(f"{sheet.name}, line 1: expected {what}, got {there or 'no header'}")
    return place


def _time_column(sheet: Sheet, asked: str | None) -> int:
    """The one asked for, one with a usual name, or the first that holds times."""
    if not asked and _first([_plain(name) for name in sheet.header], TIMES) is None:
        last = sheet.rows[-1][1]
        for place, cell in enumerate(last[: sheet.width]):
            if _is_moment(cell.strip()):
                return place
    return _column(sheet, TIMES, asked, "--time") if sheet.header else 0


def _value_column(sheet: Sheet, at: int, asked: str | None) -> int:
    """The one asked for, one with a usual name, or the only other one."""
    if not sheet.header or (asked is None and sheet.width == 2):
        if sheet.width < 2:
            raise click.ClickException(f"{sheet.name}, line 1: expected two columns, a time and a value, got one")
        return 1 - at if at < 2 else 0
    return _column(sheet, VALUES, asked, "--value")


def _first(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _cell(row: list[str], place: int) -> str:
    return row[place].strip() if place < len(row) else ""


def _is_moment(text: str) -> bool:
    try:
        _moment(text)
    except ValueError:
        return False
    return True


def _moment(text: str) -> int:
    """ISO 8601 (UTC where no offset is told), or epoch seconds or milliseconds."""
    try:
        if re.fullmatch(r"\d{9,13}(\.\d+)?", text):
            number = float(text)
            return int(number / 1000 if number > _MILLISECONDS else number)
        read = datetime.fromisoformat(text)
        return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        shown = clip(clean(text), 40)
        raise ValueError(
            f"expected a time such as 2026-11-20T07:00:00Z or epoch seconds, got {shown!r}"
        ) from None  # fmt: skip


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise ValueError(f"expected a day such as 2026-11-20, got {clip(clean(text), 40)!r}") from None


def _number(text: str) -> float:
    try:
        number = float(_MONEY.sub("", text))
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"expected a number, got {clip(clean(text), 40)!r}")
    return number
