"""Logs Insights at work: commands one after another over lines, each of which may stand for many that are alike."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from opsbot.replica.insightlang import Reader, Row, Term, Value, number, pattern, refuse, tokens
from opsbot.replica.insightterms import shown, term, truth

WEIGHT = "#weight"
"""How many lines a row stands for."""
MOST_ROWS = 10_000
_USUAL = ("@timestamp", "@message")

Rows = Iterable[Row]
Step = Callable[[Rows], Rows]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the answer."""

    name: str
    of: Term


def compiled(query: str) -> Callable[[Rows], list[list[dict[str, str]]]]:
    """A query as a function from lines, newest first, to the rows of the answer. Raises Fault for what it cannot read."""
    reader = Reader(tokens(query))
    steps: list[Step] = []
    columns: list[str] = list(_USUAL)
    while True:
        step, named = _command(reader)
        steps.append(step)
        columns = named or columns
        if not reader.takes("|"):
            break
    if reader.now.kind != "end":
        refuse(f"unexpected symbol found {reader.now.text}")
    return lambda rows: _answered(rows, steps, columns)


def _answered(rows: Rows, steps: Sequence[Step], columns: Sequence[str]) -> list[list[dict[str, str]]]:
    for step in steps:
        rows = step(rows)
    each = (row for row in rows for _ in range(int(number(row.get(WEIGHT)) or 1)))
    return [_cells(row, columns) for row in islice(each, MOST_ROWS)]


def _cells(row: Row, columns: Sequence[str]) -> list[dict[str, str]]:
    return [{"field": name, "value": _written(name, value)} for name in columns if (value := row.get(name)) is not None]


def _written(name: str, value: Value) -> str:
    if isinstance(value, float) and (name == "@timestamp" or name.startswith("bin(")):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return shown(value)


def _command(reader: Reader) -> tuple[Step, list[str]]:
    """A command, and the columns it leaves to be shown."""
    word = reader.name().lower()
    if word not in _COMMANDS:
        refuse(f"unknown command {word}")
    return _COMMANDS[word](reader)


def _fields(reader: Reader) -> tuple[Step, list[str]]:
    columns = _columns(reader)

    def step(rows: Rows) -> Iterator[Row]:
        for row in rows:
            told = dict(row)
            for column in columns:
                told[column.name] = column.of(told)
            yield told

    return step, [column.name for column in columns]


def _columns(reader: Reader) -> list[Column]:
    found = [_column(reader)]
    while reader.takes(","):
        found.append(_column(reader))
    return found


def _column(reader: Reader) -> Column:
    written = reader.rest()
    of = term(reader)
    return Column(reader.name() if reader.takes("as") else written, of)


def _filter(reader: Reader) -> tuple[Step, list[str]]:
    wanted = term(reader)
    return lambda rows: (row for row in rows if truth(wanted(row))), []


def _parse(reader: Reader) -> tuple[Step, list[str]]:
    name = reader.name()
    token = reader.next()
    if token.kind not in ("regex", "text"):
        refuse(f"expected a regular expression, found {token.text or 'end of input'}")
    if token.kind == "regex":
        search = pattern(token.text)
    else:
        reader.needs("as")
        names = [reader.name()]
        while reader.takes(","):
            names.append(reader.name())
        search = _glob(token.text, names)

    def step(rows: Rows) -> Iterator[Row]:
        for row in rows:
            match = search.search(shown(row.get(name)))
            yield {**row, **(match.groupdict() if match else {})}

    return step, []


def _glob(text: str, names: Sequence[str]) -> re.Pattern[str]:
    parts = [re.escape(part) for part in text.split("*")]
    if len(parts) - 1 != len(names):
        refuse(f"expected {len(parts) - 1} names, found {len(names)}")
    ends = [*(f"(?P<{name}>.*{'?' if parts[place + 1] else ''})" for place, name in enumerate(names)), ""]
    return re.compile("".join(part + end for part, end in zip(parts, ends, strict=True)))


def _stats(reader: Reader) -> tuple[Step, list[str]]:
    aggregates: list[Callable[[Sequence[Row]], Value]] = []

    def aggregate(name: str, inner: Reader) -> Term | None:
        if name not in _AGGREGATES:
            return None
        place = f"#{len(aggregates)}"
        aggregates.append(_aggregate(name, inner))
        return lambda row: row.get(place)

    plain, reader.aggregate = reader.aggregate, aggregate
    told = _columns(reader)
    reader.aggregate = plain
    by = _columns(reader) if reader.takes("by") else []

    def step(rows: Rows) -> Iterator[Row]:
        groups: dict[tuple[Value, ...], list[Row]] = defaultdict(list)
        for row in rows:
            groups[tuple(column.of(row) for column in by)].append(row)
        if not groups and not by:
            groups[()] = []
        for key, some in groups.items():
            sums: Row = {f"#{place}": work(some) for place, work in enumerate(aggregates)}
            yield {
                **dict(zip((column.name for column in by), key, strict=True)),
                **{column.name: column.of(sums) for column in told},
            }

    return step, [*(column.name for column in by), *(column.name for column in told)]


def _aggregate(name: str, reader: Reader) -> Callable[[Sequence[Row]], Value]:
    work = _AGGREGATES[name]
    outer, reader.aggregate = reader.aggregate, lambda word, inner: None
    of: Term = _one if reader.takes("*") else term(reader)
    share = 50.0
    if reader.takes(","):
        share = number(term(reader)({})) or 0.0
    reader.aggregate = outer
    reader.needs(")")
    return lambda rows: work([(value, _weight(row)) for row in rows if (value := of(row)) is not None], share)


def _one(_: Row) -> Value:
    return 1.0


def _weight(row: Row) -> float:
    return number(row.get(WEIGHT)) or 1.0


_Weighted = list[tuple[Value, float]]


def _numbers(values: _Weighted) -> list[tuple[float, float]]:
    return [(found, weight) for value, weight in values if (found := number(value)) is not None]


def _count(values: _Weighted, _: float) -> Value:
    return sum(weight for _, weight in values)


def _sum(values: _Weighted, _: float) -> Value:
    return float(sum(value * weight for value, weight in _numbers(values)))


def _average(values: _Weighted, _: float) -> Value:
    total = sum(weight for _, weight in _numbers(values))
    return sum(value * weight for value, weight in _numbers(values)) / total if total else None


def _percentile(values: _Weighted, share: float) -> Value:
    ordered = sorted(_numbers(values))
    left = sum(weight for _, weight in ordered) * share / 100
    for value, weight in ordered:
        left -= weight
        if left <= 0:
            return value
    return None


_AGGREGATES: dict[str, Callable[[_Weighted, float], Value]] = {
    "count": _count,
    "sum": _sum,
    "avg": _average,
    "min": lambda values, _: min((value for value, _ in _numbers(values)), default=None),
    "max": lambda values, _: max((value for value, _ in _numbers(values)), default=None),
    "pct": _percentile,
    "median": _percentile,
    "count_distinct": lambda values, _: float(len({shown(value) for value, _ in values})),
}


def _sort(reader: Reader) -> tuple[Step, list[str]]:
    keys: list[tuple[Term, bool]] = []
    while True:
        of = term(reader)
        keys.append((of, reader.takes("asc", "desc") == "desc"))
        if not reader.takes(","):
            break

    def step(rows: Rows) -> list[Row]:
        ordered = list(rows)
        for of, falling in reversed(keys):
            ordered.sort(key=lambda row: _rank(of(row)), reverse=falling)
        return ordered

    return step, []


def _rank(value: Value) -> tuple[bool, float, str]:
    plain = number(value)
    return value is not None, plain if plain is not None else 0.0, "" if plain is not None else shown(value)


def _limit(reader: Reader) -> tuple[Step, list[str]]:
    most = number(reader.next().text) or 0.0

    def step(rows: Rows) -> Iterator[Row]:
        left = most
        for row in rows:
            if left <= 0:
                return
            yield {**row, WEIGHT: min(left, _weight(row))}
            left -= _weight(row)

    return step, []


def _dedup(reader: Reader) -> tuple[Step, list[str]]:
    columns = _columns(reader)

    def step(rows: Rows) -> Iterator[Row]:
        seen = set()
        for row in rows:
            key = tuple(column.of(row) for column in columns)
            if key not in seen:
                seen.add(key)
                yield {**row, WEIGHT: 1.0}

    return step, []


_COMMANDS: dict[str, Callable[[Reader], tuple[Step, list[str]]]] = {
    "fields": _fields, "display": _fields, "filter": _filter, "parse": _parse, "stats": _stats, "sort": _sort,
    "limit": _limit, "head": _limit, "dedup": _dedup,
}  # fmt: skip
