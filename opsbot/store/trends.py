"""The Trends port on SQLAlchemy Core: a series is one packed row of daily values, a forecast a row of its own."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import TypeVar

import numpy as np
from sqlalchemy import Connection, Engine, select

from opsbot.errors import StoreError
from opsbot.evaluate.trend.ports import Forecast, Settled
from opsbot.samples import Values
from opsbot.store import rows
from opsbot.store import trends_tables as t
from opsbot.store.engine import in_turn, reading, writing
from opsbot.store.ledger import upsert

_T = TypeVar("_T")

MOST_DAYS = 1100
"""Three years of a series: what is older says nothing about the pace of now."""
# Keys in one statement, rows in one transaction: nobody waits long for the writer.
_CHUNK = 500


class SqlTrends:
    """Every method raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def settle(self, series: Sequence[Settled]) -> None:
        """As in the port. A day nobody was asked for, between two that were, is NaN."""
        for some in _chunks(series):
            with writing(self._engine) as db:
                in_turn(db, "trends")
                _settle(db, some)

    def settled(self, keys: Collection[str], since: date) -> Mapping[str, Settled]:
        found: dict[str, Settled] = {}
        with reading(self._engine) as db:
            for some in _chunks(sorted(set(keys))):
                named = {rows.text(key): key for key in some}
                for kept, one in _read(db, list(named)):
                    if (cut := _from(one, since)).values.size:
                        found[named[kept]] = cut
        return found

    def note(self, forecasts: Sequence[Forecast]) -> None:
        for some in _chunks(forecasts):
            told = {(row["key"], row["made"]): row for row in map(_forecast_row, some)}
            with writing(self._engine) as db:
                new = upsert(db, t.trend_forecast)
                replaced = {c.name: new.excluded[c.name] for c in t.trend_forecast.c if not c.primary_key}
                index = list(t.trend_forecast.primary_key)
                db.execute(new.on_conflict_do_update(index_elements=index, set_=replaced), list(told.values()))

    def noted(self, since: date, until: date) -> tuple[Forecast, ...]:
        c = t.trend_forecast.c
        within = c.made.between(since.toordinal(), until.toordinal())
        with reading(self._engine) as db:
            found = db.execute(select(t.trend_forecast).where(within).order_by(c.key, c.made)).mappings().all()
        return tuple(_read_forecast(row) for row in found)


def _settle(db: Connection, series: Sequence[Settled]) -> None:
    there = dict(_read(db, [rows.text(one.key) for one in series]))
    for one in series:
        key = rows.text(one.key)
        there[key] = _joined(there.get(key), one)
    told = [_series_row(key, there[key]) for key in dict.fromkeys(rows.text(one.key) for one in series)]
    new = upsert(db, t.trend_series)
    replaced = {name: new.excluded[name] for name in ("unit", "first", "until", "body")}
    db.execute(new.on_conflict_do_update(index_elements=[t.trend_series.c.key], set_=replaced), told)


def _joined(before: Settled | None, more: Settled) -> Settled:
    """Both on one row of days; what was known before stays as it was."""
    if before is None or before.unit != more.unit or not before.values.size:
        return more
    first = min(before.first, more.first)
    end = max(_end(before), _end(more))
    values = np.full(end - first.toordinal(), np.nan)
    for one in (more, before):
        start = one.first.toordinal() - first.toordinal()
        part = values[start : start + one.values.size]
        part[:] = np.where(np.isnan(one.values), part, one.values)
    return Settled(key=more.key, first=first, values=values, unit=more.unit)


def _end(one: Settled) -> int:
    return one.first.toordinal() + one.values.size


def _from(one: Settled, since: date) -> Settled:
    skipped = max(0, since.toordinal() - one.first.toordinal())
    first = date.fromordinal(one.first.toordinal() + skipped)
    return Settled(key=one.key, first=first, values=one.values[skipped:], unit=one.unit)


def _read(db: Connection, keys: Sequence[str]) -> Iterator[tuple[str, Settled]]:
    for row in db.execute(select(t.trend_series).where(t.trend_series.c.key.in_(keys))):
        first, values = date.fromordinal(row.first), _unpack(row.body)
        yield row.key, Settled(key=row.key, first=first, values=values, unit=row.unit)


def _series_row(key: str, one: Settled) -> dict[str, object]:
    end = _end(one)
    kept = _from(one, date.fromordinal(max(1, end - MOST_DAYS)))
    return {
        "key": key,
        "unit": one.unit,
        "first": kept.first.toordinal(),
        "until": end,
        "body": _pack(kept.values),
    }


def _pack(values: Values) -> bytes:
    """Like bytes of all values side by side: what moves little then repeats, and takes half the room."""
    turned = values.astype("<f8").view(np.uint8).reshape(values.size, 8).T
    return zlib.compress(turned.tobytes(), 6)


def _unpack(body: bytes) -> Values:
    try:
        plain = np.frombuffer(zlib.decompress(body), np.uint8)
        turned = np.ascontiguousarray(plain.reshape(8, -1).T)
    except (zlib.error, ValueError) as error:
        told = "the past of a series cannot be read any more"
        raise StoreError(told, hint="look for a failing disk; a backup may still hold it") from error
    values: Values = turned.view("<f8").ravel().astype(np.float64)
    return values


def _forecast_row(one: Forecast) -> dict[str, object]:
    days = {name: None if (day := getattr(one, name)) is None else day.toordinal() for name in ("p10", "p50", "p90")}
    return {
        "key": rows.text(one.key),
        "made": one.made.toordinal(),
        "current": one.current,
        "limit_value": one.limit,
        "p_breach_30d": one.p_breach_30d,
        "p_breach_90d": one.p_breach_90d,
        **days,
    }


def _read_forecast(row: rows.Row) -> Forecast:
    days = {name: None if row[name] is None else date.fromordinal(row[name]) for name in ("p10", "p50", "p90")}
    return Forecast(
        key=row["key"],
        made=date.fromordinal(row["made"]),
        current=row["current"],
        limit=row["limit_value"],
        p_breach_30d=row["p_breach_30d"],
        p_breach_90d=row["p_breach_90d"],
        **days,
    )


def _chunks(many: Sequence[_T]) -> Iterator[list[_T]]:
    rest = iter(many)
    while some := list(islice(rest, _CHUNK)):
        yield some
