"""The cost scan of one payer, morning by morning: what was shown, what it will become, what stands out, since when.

Feed it the mornings in order, as they were shown; the same mornings give the same answers. It keeps only what earlier
mornings taught: how complete a fresh day is, each node's own errors, and the anomalies that are open.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from opsbot.evaluate.cost.anomaly import Anomaly
from opsbot.evaluate.cost.bill import Bill
from opsbot.evaluate.cost.commitment import ended
from opsbot.evaluate.cost.drift import CALM, drift
from opsbot.evaluate.cost.drop import drops
from opsbot.evaluate.cost.incident import Incident, aged, clean, covered_on, grown, hosted, known, opened
from opsbot.evaluate.cost.nowcast import SETTLED, Completeness, behind
from opsbot.evaluate.cost.scan import LAGS, Look, latest, limits, strictness, windows
from opsbot.evaluate.cost.season import Base, base, week_shape
from opsbot.evaluate.cost.suspects import candidates
from opsbot.evaluate.cost.tail import HORIZONS, WILD, Errors
from opsbot.evaluate.cost.tell import told
from opsbot.evaluate.cost.tree import LEAF, Rows, Tree
from opsbot.samples import Values

WINDOW = 150
# Days before anything is said, days of errors before limits are trusted, days a new row's base needs to mean something.
FIRST_WORD, TRUSTED, WARM = 60, 58, 14
LEAST_BASE = 20
# Of the floor; a leak's last days are a little lower than its last one.
LEAST_HEIGHT = 0.75
# Of the floor: rows below it hardly ever exceed it by chance and need no allowance.
LARGE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What is worth an alert. An excess below `floor_usd` a day, or below `floor_share` of the daily cost, is not.

    `strict` scales how far above chance it must be: 1.0 is the default, 0.8 tells more and errs more.
    """

    floor_usd: float = 4.0
    floor_share: float = 0.008
    strict: float = 1.0


@dataclass(slots=True)
class Watch:
    """One payer's cost scan; see the module. Days inside are proleptic ordinals."""

    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    _tree: Tree = field(default_factory=Tree)
    _completeness: Completeness = field(default_factory=Completeness)
    _errors: Errors = field(default_factory=Errors)
    _bases: dict[int, Base] = field(default_factory=dict)
    _incidents: list[Incident] = field(default_factory=list)
    _first: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    _born: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    _learnt: int = 0
    _began: int = 0
    _today: int = 0
    _read: bool = False
    _judged: bool = False

    @property
    def judged(self) -> bool:
        """Whether the last morning could be judged: the past is long enough and yesterday is on the bill."""
        return self._judged

    def morning(self, bill: Bill, floor: float | None = None) -> tuple[Anomaly, ...]:
        """Every anomaly that is open, or was over or accepted this morning; `news` marks those to tell people.

        `floor` is the smallest excess in money per day worth an alert; None takes the sensitivity's own rule.
        Nothing is judged on a morning that shows less than half a usual day, nor in the first 60 days.
        Raises ValueError on a morning that is not after the last one.
        """
        today = bill.morning.toordinal()
        if today <= self._today:
            raise ValueError(f"expected a morning after {date.fromordinal(self._today)}, got {bill.morning}")
        self._today, self._judged = today, False
        cost, usable = self._taken(bill, today)
        if cost.shape[1] < LEAST_BASE + 2 or not len(cost):
            return ()
        shown, doubt = self._nowcast(cost, today)
        cleaned = self._tree.fold(clean(shown, today - 1, self._incidents))
        whole = self._tree.fold(shown)
        fresh = self._learn(cleaned, today, usable=usable)
        if today - self._began < FIRST_WORD or not usable:
            return ()
        self._judged = True
        look = self._look(whole, cleaned, doubt, today, fresh, self._floor(whole, floor))
        return self._judge(look, bill)

    def accept(self, anomaly: str) -> None:
        """Take an anomaly as the new normal, as people said it is expected or planned; unknown ids are ignored."""
        for place, one in enumerate(self._incidents):
            if one.end is None and self._id(one) == anomaly:
                self._incidents[place] = replace(one, accepted=True)

    def _taken(self, bill: Bill, today: int) -> tuple[Values, bool]:
        """Usage by row for the last 150 days, gaps filled, and whether yesterday can be judged."""
        place = self._tree.place(bill.leaves)
        days = bill.cost[:, -WINDOW:]
        cost = np.zeros((len(self._tree.keys), days.shape[1]))
        usage = place >= 0
        if len(np.unique(place[usage])) == int(usage.sum()):
            cost[place[usage]] = days[usage]
        else:
            np.add.at(cost, place[usage], days[usage])
        self._grow(len(cost), today, days.shape[1])
        gaps = np.isnan(cost.sum(axis=0))
        for column in np.flatnonzero(gaps):
            cost[:, column] = cost[:, column - 7] if column >= 7 else np.nan_to_num(cost[:, column])
        total = cost.sum(axis=0)
        usable = cost.shape[1] < 10 or bool(total[-1] > 0.5 * total[-9:-2].mean())
        return cost, usable and not bool(gaps[-1])

    def _grow(self, rows: int, today: int, days: int) -> None:
        more = rows - len(self._first)
        # What was there on the first morning has a past; what comes later was first seen yesterday.
        seen = today - 1 if self._began else today - 10_000
        self._first = np.concatenate([self._first, np.full(more, seen, np.int64)])
        self._born = np.concatenate([self._born, np.full(more, seen + WARM, np.int64)])
        self._errors.grow(rows)
        self._began = self._began or today - days

    def _nowcast(self, cost: Values, today: int) -> tuple[Values, Values]:
        """Leaf rows with the last two days brought to what they will become, and yesterday's doubt by row."""
        self._completeness.learn(today, cost)
        share = self._completeness.share([key[3] if len(key) > 3 else "" for key in self._tree.keys])
        now = cost.copy()
        shown = np.clip(share.shown[0] + self._behind(cost, share.shown[0], today), 0.1, 1.05)
        now[:, -1] /= shown
        now[:, -2] /= share.shown[1]
        doubt = (now[:, -1] * share.doubt[0] / shown) ** 2
        return now, np.sqrt(self._tree.fold(doubt[:, None])[:, 0])

    def _behind(self, cost: Values, usual: Values, today: int) -> float:
        known = self._bases.get(today - SETTLED - 1)
        if known is None:
            return 0.0
        expected = known.expected(np.asarray([today - 1]), len(cost))[:, 0]
        calm = (self._tree.level == LEAF) & (self._errors.spread[0] <= CALM) & (expected > 1e-3 * cost[:, -3].sum())
        return behind(cost[calm, -1], expected[calm], usual[calm])

    def _learn(self, cleaned: Values, today: int, *, usable: bool) -> dict[int, Base]:
        """Bases of settled days and their errors go to memory; those of the last days are for this morning only."""
        newest = today - SETTLED
        week = self._week(cleaned[:, : 1 - SETTLED], newest)
        shape = week
        since = max(self._learnt + 1, newest - cleaned.shape[1] + SETTLED + LEAST_BASE)
        for day in range(since, newest + 1):
            known = cleaned[:, : day + 1 - today]
            # Catching up on a long past, a week's shape serves for the week.
            shape = week if day == newest else self._week(known, day) if day % 7 == since % 7 else shape
            self._settle(known, day, shape)
        self._learnt = max(self._learnt, newest)
        for day in [day for day in self._bases if day < newest - 40]:
            del self._bases[day]
        self._refresh(today)
        recent = range(newest + 1, today - 1) if usable else ()
        return {day: self._base(cleaned[:, : day + 1 - today], day, week) for day in recent}

    def _settle(self, known: Values, day: int, week: Values) -> None:
        if day - 1 in self._bases:
            seen = windows(known, day, self._bases)
            excess = seen.excess - drift(self._tree, seen.excess, seen.expected, self._errors.spread[0])
            excess[:, covered_on(self._tree, self._incidents, day)] = np.nan
            self._errors.put(self._unborn(excess, day) / seen.scale)
        self._bases[day] = self._base(known, day, week)

    def _base(self, known: Values, day: int, week: Values) -> Base:
        """Rows that are the same series, such as a region of one leaf, are computed once."""
        return base(known[self._tree.distinct], day, week).spread(self._tree.same)

    def _week(self, known: Values, day: int) -> Values:
        rows = self._tree.distinct
        return week_shape(known[rows], day, self._tree.account[rows])

    def _refresh(self, today: int) -> None:
        if today - self._began < TRUSTED:
            return
        every = range(len(HORIZONS)) if not self._read else (today % len(HORIZONS),)
        for horizon in every:
            self._errors.read(horizon, self._tree.distinct, self._tree.same)
        self._read = True

    def _unborn(self, excess: Values, day: int) -> Values:
        """NaN where a row's base is from before it existed, or from before it was accepted as it is now."""
        masked: Values = np.where(self._born[None, :] > day - LAGS[:, None], np.nan, excess)
        return masked

    def _look(
        self, cost: Values, cleaned: Values, doubt: Values, today: int, fresh: dict[int, Base], floor: float
    ) -> Look:
        bases, day = self._bases | fresh, today - 1
        seen = windows(cleaned, day, bases)
        common = drift(self._tree, seen.excess, seen.expected, self._errors.spread[0])
        mean, scale = seen.excess - common, seen.scale
        widths = np.asarray([width for _, width in HORIZONS])[:, None]
        grouped = self._tree.level != LEAF
        large = self._tree.branching() & (cleaned[:, -28:].mean(axis=1) >= LARGE * floor)
        strict = self.sensitivity.strict * strictness(int(large.sum()))
        sigma, limit = limits(self._errors, scale, doubt[None, :] / widths, grouped, strict)
        usual = self._errors.middle * scale
        return Look(
            day=day,
            cost=cost,
            clean=cleaned,
            mean=mean,
            excess=self._unborn(mean, day) - usual,
            limit=limit,
            sigma=sigma,
            last=latest(cleaned, day, bases) - common - usual,
            bases=bases,
            age=today - self._first,
            wild=self._errors.spread[0] > WILD,
            floor=floor,
        )

    def _floor(self, whole: Values, floor: float | None) -> float:
        if floor is not None:
            return floor
        daily = float(whole[self._tree.leaf_rows, -30:].sum(axis=0).mean())
        return max(self.sensitivity.floor_usd, self.sensitivity.floor_share * daily)

    def _judge(self, look: Look, bill: Bill) -> tuple[Anomaly, ...]:
        before = {one.service for one in self._incidents if one.end is None}
        incidents = aged(self._incidents, look)
        suspects = candidates(self._tree, look, self._errors.spread[0], ended(bill))
        for found in sorted(suspects, key=lambda one: -one.daily):
            one = hosted(self._tree, opened(self._tree, look, found), incidents)
            if one.height >= LEAST_HEIGHT * look.floor and not known(one, incidents, look.day):
                incidents.append(one)
        self._incidents = [self._retold(one, look) if grown(one, look) else one for one in incidents]
        live = [one for one in self._incidents if one.end is None or (one.end == look.day and one.service in before)]
        anomalies = tuple(
            told(self._tree, look, one, incidents=self._incidents, id=self._id(one), currency=bill.currency)
            for one in live
            if one.host < 0
        )
        self._rebase(look.day)
        return anomalies + drops(self._tree, look, self._errors.spread[0], bill.currency)

    def _retold(self, one: Incident, look: Look) -> Incident:
        return replace(one, told=look.day + 1, height_told=one.height)

    def _rebase(self, day: int) -> None:
        """What was accepted is normal from here on: bases learnt before say nothing about it."""
        for one in self._incidents:
            if one.accepted and one.end == day:
                rows = np.concatenate([one.rows, self._tree.region[one.rows], self._tree.service[one.rows]])
                self._born[rows] = day - SETTLED + 2

    def _id(self, one: Incident) -> str:
        account, service, region, usage_type = self._tree.keys[one.cause][:4]
        return f"{account}/{service}/{region}/{usage_type}/{date.fromordinal(one.opened)}"
