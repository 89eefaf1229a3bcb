"""A bill read from files: rows in any number, added up to days of leaves while they stream by.

What stays in memory is one entry a leaf and day, and a number for each line id, never the rows. Nothing is guessed: a
file whose columns are unknown, an amount that is none, a second currency are errors that say where.
"""

from __future__ import annotations

import csv
import math
import zlib
from array import array
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from opsbot.errors import OpsbotError
from opsbot.evaluate.cost.bill import Leaf
from opsbot.evaluate.costdata.columns import FORMS, Form, Row, first, form_of, normal
from opsbot.evaluate.costdata.days import METRICS, CostDay, CostGap, CostReading, Shown
from opsbot.evaluate.costdata.regions import region_of
from opsbot.samples import Values

PIECE = 1 << 20
CLOSED_ON = 6
LONGEST = 200
SOURCE = "export"


class ExportError(OpsbotError):
    """A file that is no bill opsbot can read; says where and what was expected."""


def text_of(chunks: Iterable[bytes], name: str) -> Iterator[str]:
    """The lines of a file that may be gzipped (by its content, not its name), piece by piece."""
    decoder = getincrementaldecoder("utf-8-sig")()
    rest = ""
    try:
        for piece in _plain(iter(chunks)):
            *lines, rest = (rest + decoder.decode(piece)).split("\n")
            yield from (line + "\n" for line in lines)
            if len(rest) > PIECE * 16:
                raise ExportError(f"{name}: expected lines, found one of more than {len(rest) >> 20} MB")
        rest += decoder.decode(b"", final=True)
    except (zlib.error, EOFError) as error:
        raise ExportError(f"{name}: it begins as gzip and cannot be unpacked ({error})") from error
    except UnicodeDecodeError as error:
        raise ExportError(
            f"{name}: expected a CSV file in UTF-8, gzipped or not", hint="Parquet is not read: export CSV"
        ) from error
    if rest:
        yield rest


def _plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    while len(head) < 2:
        more = next(chunks, None)
        if more is None:
            break
        head += more
    if not head.startswith(b"\x1f\x8b"):
        yield head
        yield from chunks
        return
    unpacker = zlib.decompressobj(wbits=31)
    for chunk in _with(head, chunks):
        left = chunk
        while left:
            if unpacker.eof:
                # Files that were put together of several gzip members are one text.
                unpacker = zlib.decompressobj(wbits=31)
            yield unpacker.decompress(left, PIECE)
            left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if not unpacker.eof:
        raise EOFError("it ends early")


def _with(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from chunks


@dataclass(slots=True)
class ExportReader:
    """Adds up the files of one payer's bill, each given to `read`, as it stood on `morning`; `shown` is the result.

    Days from `since` on and before `morning` count.
    """

    payer: str
    morning: date
    since: date = date.min
    rows: int = 0
    _currency: str = ""
    _leaves: dict[tuple[str, ...], int] = field(default_factory=dict)
    _names: list[Leaf] = field(default_factory=list)
    _places: dict[tuple[str, int], int] = field(default_factory=dict)
    _amounts: array[float] = field(default_factory=lambda: array("d"))
    _seen: set[int] = field(default_factory=set)
    repeated: int = 0

    def read(self, chunks: Iterable[bytes], name: str = "the file") -> None:
        """One file. Raises ExportError."""
        table = csv.reader(text_of(chunks, name))
        try:
            columns = [normal(column) for column in next(table, [])]
            form = form_of(columns)
            if form is None:
                raise _unknown(columns, name)
            used = [(place, column) for place, column in enumerate(columns) if column in form.used]
            for cells in table:
                if len(cells) != len(columns):
                    if not cells:
                        continue
                    raise ExportError(f"{name}, line {table.line_num}: expected {len(columns)} cells, got {len(cells)}")
                self._take(form, {column: cells[place] for place, column in used}, f"{name}, line {table.line_num}")
        except csv.Error as error:
            raise ExportError(f"{name}, line {table.line_num}: {error}") from error

    def shown(self) -> Shown:
        """Everything read so far, as the morning's bill."""
        days = list(self._days())
        readings: tuple[CostReading, ...] = ()
        if days:
            end = days[-1].day + timedelta(days=1)
            reading = CostReading(
                payer=self.payer, morning=self.morning, first=days[0].day, end=end, source=SOURCE, rows=self.rows
            )
            readings = (reading,)
        return Shown(
            payer=self.payer,
            morning=self.morning,
            currency=self._currency or "USD",
            days=tuple(days),
            readings=readings,
            gaps=tuple(self._gaps(days)),
        )

    def _days(self) -> Iterator[CostDay]:
        by_day: dict[str, list[tuple[int, int]]] = {}
        for (day, leaf), place in self._places.items():
            by_day.setdefault(day, []).append((leaf, place))
        amounts = np.asarray(self._amounts, np.float64).reshape(-1, len(METRICS))
        for day, found in sorted(by_day.items()):
            yield _day(date.fromisoformat(day), found, self._names, amounts, self.morning)

    def _gaps(self, days: list[CostDay]) -> Iterator[CostGap]:
        if not days:
            yield CostGap(why="the export holds no day before this morning", first=self.morning, end=self.morning)
        for before, after in pairwise(days):
            if (missing := before.day + timedelta(days=1)) < after.day:
                yield CostGap(why="the export has no row for these days", first=missing, end=after.day)

    def _take(self, form: Form, row: Row, where: str) -> None:
        day = first(row, form.day)[:10]
        if not self._within(day, where):
            return
        if (id := first(row, form.id)) and self._repeats(id, first(row, form.day)):
            return
        self.rows += 1
        self._same_currency(first(row, form.currency), where)
        record = form.record_type(row)
        place = self._place(day, self._leaf(form, row, record))

        def money(column: str) -> float:
            return _number(row.get(column, ""), column, where)

        for column, amount in enumerate(form.amounts(row, record, money)):
            self._amounts[place + column] += amount

    def _within(self, day: str, where: str) -> bool:
        try:
            found = date.fromisoformat(day)
        except ValueError:
            raise ExportError(f"{where}: expected a day such as 2026-11-20, got {day!r}") from None
        return self.since <= found < self.morning

    def _repeats(self, id: str, day: str) -> bool:
        mark = hash((id, day))
        if mark in self._seen:
            self.repeated += 1
            return True
        self._seen.add(mark)
        return False

    def _same_currency(self, currency: str, where: str) -> None:
        if currency and currency != self._currency:
            if self._currency:
                raise ExportError(
                    f"{where}: expected amounts in {self._currency} as before, got {currency[:10]!r}",
                    hint="export each currency on its own: sums over them would mean nothing",
                )
            self._currency = currency

    def _leaf(self, form: Form, row: Row, record: str) -> int:
        places = (form.account, form.service, form.region, form.usage_type)
        key = (*(first(row, place) for place in places), record)
        number = self._leaves.get(key)
        if number is None:
            account, service, region, usage_type, record = (_clean(part) for part in key)
            number = self._leaves[key] = len(self._names)
            told = region or (region_of(usage_type, service) if usage_type else "")
            self._names.append(Leaf(account, service, told, usage_type, record))
        return number

    def _place(self, day: str, leaf: int) -> int:
        place = self._places.get((day, leaf))
        if place is None:
            place = self._places[day, leaf] = len(self._amounts)
            self._amounts.extend((0.0,) * len(METRICS))
        return place


def read_export(chunks: Iterable[bytes], *, payer: str, morning: date, name: str = "the file") -> Shown:
    """A bill from one CSV or CSV.gz file: CUR, CUR 2.0, FOCUS or a plain table. Raises ExportError."""
    reader = ExportReader(payer=payer, morning=morning)
    reader.read(chunks, name)
    return reader.shown()


def _day(day: date, found: list[tuple[int, int]], names: list[Leaf], amounts: Values, morning: date) -> CostDay:
    # Two rows may name one leaf differently and be the same once cleaned; the sum is theirs together.
    together: dict[Leaf, Values] = {}
    for leaf, place in found:
        row = amounts[place // len(METRICS)]
        name = names[leaf]
        together[name] = together[name] + row if name in together else row
    leaves = tuple(sorted(together))
    closes = (day.replace(day=1) + timedelta(days=32)).replace(day=CLOSED_ON)
    return CostDay(
        day=day, leaves=leaves, amounts=np.asarray([together[leaf] for leaf in leaves]), estimated=morning < closes
    )


def _number(text: str, column: str, where: str) -> float:
    try:
        number = float(text or 0.0)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ExportError(f"{where}: expected an amount in {column}, got {text[:40]!r}")
    return number


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:LONGEST])


def _unknown(columns: list[str], name: str) -> ExportError:
    found = ", ".join(_clean(column)[:40] for column in columns[:8]) or "nothing"
    near = min(FORMS, key=lambda form: len([need for need in form.needs if not set(need.split("|")) & set(columns)]))
    missing = ", ".join(need.replace("|", " or ") for need in near.needs if not set(need.split("|")) & set(columns))
    return ExportError(
        f"{name}: expected the columns of CUR, CUR 2.0, FOCUS, or a table with date and cost; found {found}",
        hint=f"it is nearest to {near.name}, which needs {missing} as well",
    )
