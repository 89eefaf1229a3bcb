"""The Costs port on SQLAlchemy Core: each day of a bill with its revisions, so that any morning can be shown again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from opsbot.evaluate.cost.bill import Bill, Leaf
from opsbot.evaluate.costdata.days import METRICS, CostDay, CostReading, Metric, Shown
from opsbot.evaluate.costdata.verdicts import Verdict
from opsbot.evaluate.savings.advice import Advice, Seconds
from opsbot.samples import Values
from opsbot.store import cost_advice, cost_retention, cost_rows, cost_verdicts, rows
from opsbot.store import tables as t
from opsbot.store.cost_rows import Numbers
from opsbot.store.engine import in_turn, reading, writing
from opsbot.store.ledger import upsert

DEPTH = 150


class SqlCosts:
    """Every method raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, shown: Shown) -> None:
        """As in the port. A day that is shown as on the morning before takes no room."""
        with writing(self._engine) as db:
            in_turn(db, f"costs/{shown.payer}")
            numbers = _numbers(db, shown.payer, {leaf for day in shown.days for leaf in day.leaves})
            for day in shown.days:
                _keep_day(db, shown, day, [numbers[leaf] for leaf in day.leaves])
            for one in shown.readings:
                new = upsert(db, t.cost_reading)
                told = {name: new.excluded[name] for name in ("until", "requests", "rows", "page_rows")}
                db.execute(
                    new.on_conflict_do_update(index_elements=list(t.cost_reading.primary_key), set_=told), _row(one)
                )

    def readings(self, payer: str) -> tuple[CostReading, ...]:
        c = t.cost_reading.c
        query = select(t.cost_reading).where(c.payer == payer).order_by(c.morning, c.until, c.first)
        with reading(self._engine) as db:
            found = db.execute(query).mappings().all()
        return tuple(_read_reading(row) for row in found)

    def days(self, payer: str, first: date, end: date, *, morning: date | None = None) -> tuple[CostDay, ...]:
        until = date.max if morning is None else morning
        with reading(self._engine) as db:
            found = _revisions(db, payer, first, end)
            leaves = _leaves(db, payer)
        seen = {one.day: one for one in found if one.shown <= until.toordinal()}
        return tuple(_cost_day(one, leaves) for _, one in sorted(seen.items()))

    def bills(
        self, payer: str, since: date, until: date, *, depth: int = DEPTH, metric: Metric | None = None
    ) -> Iterator[Bill]:
        first = since - timedelta(days=depth)
        mornings = sorted({one.morning for one in self.readings(payer) if since <= one.morning <= until})
        with reading(self._engine) as db:
            found = _revisions(db, payer, first, until)
            leaves = _leaves(db, payer)
        replay = _Replay(found=found, leaves=leaves, first=first, column=METRICS.index(metric or Metric.AMORTIZED))
        for morning in mornings:
            yield replay.at(morning, depth)

    def allowance(self, payer: str, day: date, *, per_day: int, per_month: int) -> SqlAllowance:
        return SqlAllowance(engine=self._engine, payer=payer, day=day, per_day=per_day, per_month=per_month)

    def requests(self, payer: str, day: date) -> tuple[int, int]:
        with reading(self._engine) as db:
            return _spent(db, payer, day)

    def judge(self, verdict: Verdict) -> None:
        """Keep what a person said of a finding."""
        cost_verdicts.judge(self._engine, verdict)

    def verdicts(self) -> tuple[Verdict, ...]:
        """All that people ever said, oldest first; the last word on a key holds (`last_words`)."""
        return cost_verdicts.verdicts(self._engine)

    def keep_advice(self, advice: Advice) -> None:
        """As in the port."""
        cost_advice.keep(self._engine, advice)

    def advice(self, payer: str) -> Advice | None:
        """As in the port."""
        return cost_advice.last(self._engine, payer)

    def keep_seconds(self, seconds: Seconds) -> None:
        """As in the port."""
        cost_advice.keep_seconds(self._engine, seconds)

    def seconds(self, payer: str) -> Seconds | None:
        """As in the port."""
        return cost_advice.last_seconds(self._engine, payer)

    def judgeable(self) -> tuple[str, ...]:
        """The keys of the cost findings that can be judged."""
        return cost_verdicts.keys(self._engine)

    def forget(self, now: datetime) -> int:
        """As `cost_retention.forget`, which a store's own `prune` does too."""
        return cost_retention.forget(self._engine, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlAllowance:
    """`Allowance` in the store: every process that reads this payer counts on the same row."""

    engine: Engine
    payer: str
    day: date
    per_day: int
    per_month: int

    @property
    def left(self) -> int:
        with reading(self.engine) as db:
            return self._left(db)

    @property
    def why(self) -> str:
        with reading(self.engine) as db:
            today, month = _spent(db, self.payer, self.day)
        if month >= self.per_month:
            return f"{month} requests of Cost Explorer were made this month, which is the limit"
        return f"{today} requests of Cost Explorer were made on {self.day}, which is the limit"

    def take(self) -> bool:
        with writing(self.engine) as db:
            in_turn(db, f"costs/{self.payer}")
            if self._left(db) <= 0:
                return False
            new = upsert(db, t.cost_spent)
            more = {"requests": t.cost_spent.c.requests + 1}
            new = new.on_conflict_do_update(index_elements=["payer", "day"], set_=more)
            db.execute(new, {"payer": self.payer, "day": self.day.toordinal(), "requests": 1})
        return True

    def give_back(self) -> None:
        c = t.cost_spent.c
        mine = (c.payer == self.payer, c.day == self.day.toordinal(), c.requests > 0)
        with writing(self.engine) as db:
            db.execute(update(t.cost_spent).where(*mine).values(requests=c.requests - 1))

    def _left(self, db: Connection) -> int:
        today, month = _spent(db, self.payer, self.day)
        return max(min(self.per_day - today, self.per_month - month), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Revision:
    """A day as it was shown from a morning on; both ordinals."""

    day: int
    shown: int
    estimated: bool
    numbers: Numbers
    amounts: Values


@dataclass(slots=True)
class _Replay:
    """A rectangle of all leaves and days that is turned to one morning after the other."""

    found: Sequence[_Revision]
    leaves: dict[int, Leaf]
    first: date
    column: int
    cost: Values = field(init=False)
    _rows: dict[int, int] = field(init=False)
    _coming: dict[int, list[_Revision]] = field(init=False)

    def __post_init__(self) -> None:
        days = max((one.day for one in self.found), default=self.first.toordinal()) - self.first.toordinal() + 1
        self.cost = np.full((len(self.leaves), days), np.nan)
        self._rows = {number: row for row, number in enumerate(self.leaves)}
        self._coming = defaultdict(list)
        begun: set[int] = set()
        for one in self.found:
            # The first that is known of a day holds for the mornings before it was read, too.
            self._coming[one.shown if one.day in begun else 0].append(one)
            begun.add(one.day)

    def at(self, morning: date, depth: int) -> Bill:
        for shown in sorted(shown for shown in self._coming if shown <= morning.toordinal()):
            for one in self._coming.pop(shown):
                self._put(one)
        end = morning.toordinal() - self.first.toordinal()
        start = max(end - depth, 0)
        days = self.cost[:, start:end]
        if days.shape[1] < end - start:
            missing = np.full((len(days), end - start - days.shape[1]), np.nan)
            days = np.concatenate([days, missing], axis=1)
        known = np.flatnonzero(~np.isnan(days).all(axis=0)) if days.size else np.zeros(0, np.int64)
        cut = int(known[0]) if len(known) else days.shape[1]
        first = self.first + timedelta(days=start + cut)
        return Bill(first=first, leaves=tuple(self.leaves.values()), cost=days[:, cut:].copy())

    def _put(self, one: _Revision) -> None:
        column = self.cost[:, one.day - self.first.toordinal()]
        column[:] = 0.0
        column[[self._rows[int(number)] for number in one.numbers]] = one.amounts[:, self.column]


def _numbers(db: Connection, payer: str, leaves: Iterable[Leaf]) -> dict[Leaf, int]:
    """The number of each leaf; new ones get one."""
    names = {leaf: cost_rows.name(leaf) for leaf in leaves}
    known = _named(db, payer)
    if new := sorted(set(names.values()) - known.keys()):
        db.execute(insert(t.cost_leaf), [{"payer": payer, "name": name} for name in new])
        known = _named(db, payer)
    return {leaf: known[name] for leaf, name in names.items()}


def _named(db: Connection, payer: str) -> dict[str, int]:
    query = select(t.cost_leaf.c.name, t.cost_leaf.c.id).where(t.cost_leaf.c.payer == payer)
    return {row.name: row.id for row in db.execute(query)}


def _leaves(db: Connection, payer: str) -> dict[int, Leaf]:
    return {
        number: cost_rows.read_name(name) for name, number in sorted(_named(db, payer).items(), key=lambda one: one[1])
    }


def _keep_day(db: Connection, shown: Shown, day: CostDay, numbers: Sequence[int]) -> None:
    c, at, morning = t.cost_day.c, day.day.toordinal(), shown.morning.toordinal()
    body = cost_rows.pack(numbers, day.amounts)
    mine = (c.payer == shown.payer, c.day == at)
    db.execute(delete(t.cost_day).where(*mine, c.shown == morning))
    last = select(c.body, c.estimated).where(*mine, c.shown < morning).order_by(c.shown.desc()).limit(1)
    before = db.execute(last).first()
    if before is None or bytes(before.body) != body or before.estimated != day.estimated:
        told = {"currency": shown.currency, "estimated": day.estimated, "body": body}
        db.execute(insert(t.cost_day).values(payer=shown.payer, day=at, shown=morning, **told))


def _revisions(db: Connection, payer: str, first: date, end: date) -> list[_Revision]:
    """By day and morning, oldest first."""
    c = t.cost_day.c
    within = (c.payer == payer, c.day >= first.toordinal(), c.day < end.toordinal())
    query = select(c.day, c.shown, c.estimated, c.body).where(*within).order_by(c.day, c.shown)
    found = []
    for row in db.execute(query):
        numbers, amounts = cost_rows.unpack(row.body)
        one = _Revision(day=row.day, shown=row.shown, estimated=row.estimated, numbers=numbers, amounts=amounts)
        found.append(one)
    return found


def _cost_day(one: _Revision, leaves: dict[int, Leaf]) -> CostDay:
    return CostDay(
        day=date.fromordinal(one.day),
        leaves=tuple(leaves[int(number)] for number in one.numbers),
        amounts=one.amounts,
        estimated=one.estimated,
    )


def _row(one: CostReading) -> dict[str, object]:
    plain = {name: getattr(one, name) for name in ("payer", "source", "requests", "rows", "page_rows")}
    return (
        plain | {name: getattr(one, name).toordinal() for name in ("morning", "first")} | {"until": one.end.toordinal()}
    )


def _read_reading(row: rows.Row) -> CostReading:
    plain = {name: row[name] for name in ("payer", "source", "requests", "rows", "page_rows")}
    morning, first, end = (date.fromordinal(row[name]) for name in ("morning", "first", "until"))
    return CostReading(**plain, morning=morning, first=first, end=end)


def _spent(db: Connection, payer: str, day: date) -> tuple[int, int]:
    c = t.cost_spent.c
    first = day.replace(day=1).toordinal()
    after = (day.replace(day=1) + timedelta(days=32)).replace(day=1).toordinal()
    month = select(func.coalesce(func.sum(c.requests), 0)).where(c.payer == payer, c.day >= first, c.day < after)
    today = select(func.coalesce(func.sum(c.requests), 0)).where(c.payer == payer, c.day == day.toordinal())
    return int(db.scalar(today) or 0), int(db.scalar(month) or 0)
