"""Looks for waste in every environment: lists, asks a week of series in one plan, and judges each resource."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from opsbot.checks import gaps
from opsbot.checks.found import blind, well
from opsbot.checks.kind import Subject, When
from opsbot.checks.matching import subject
from opsbot.checks.savings.rules import KINDS, RULES, Rule, Seen, look_back
from opsbot.checks.savings.telling import fewer, id_of, left_out, told
from opsbot.errors import PlanTooDear
from opsbot.evaluate.savings import Left, Prices, Saving, Thrift
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.period import Period
from opsbot.model.resource import Inventory
from opsbot.ports import Ask, MetricQuery, Reading
from opsbot.samples import Values

Place = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One resource under one rule, and the series it takes to judge it."""

    rule: Rule
    subject: Subject
    queries: tuple[MetricQuery, ...]

    @property
    def place(self) -> Place:
        return self.subject.environment.name, self.subject.resource.region


@dataclass(slots=True, kw_only=True)
class Search:
    """One look: `judged` is what came of each resource that could be judged, `said` what is told at once."""

    ctx: Context
    thrift: Thrift
    prices: Prices
    when: When
    inventories: dict[str, Inventory] = field(default_factory=dict)
    said: list[Finding] = field(default_factory=list)
    judged: list[tuple[Wanted, Saving | Left | None]] = field(default_factory=list)

    def look(self) -> Iterator[Finding]:
        """Everything, well or not; what is too small to be told alone is added up."""
        asking: dict[Place, list[Wanted]] = defaultdict(list)
        for environment in self.ctx.environments:
            inventory = self.inventories.get(environment.name)
            self.said += gaps.unseen(environment, [rule.check for rule in RULES], inventory, self.when)
            for wanted in self._wanted(environment, inventory) if inventory else ():
                if wanted.queries:
                    asking[wanted.place].append(wanted)
                else:
                    self._judge(wanted, ())
        self._read(asking)
        yield from self.said
        yield from self._told()

    def discover(self) -> None:
        """Costs nothing."""
        looking, total = self.ctx.looking, len(self.ctx.environments)
        for inventory in looking.cloud.inventory(self.ctx.environments, KINDS, frozenset(), self.ctx.now):
            self.inventories[inventory.environment] = inventory
            looking.progress("looking for savings", len(self.inventories), total)

    def known(self, ids: Collection[str]) -> dict[str, Subject]:
        """What was listed of these ids."""
        where = {one.name: one for one in self.ctx.environments}
        listed = ((where[name], one) for name, inventory in self.inventories.items() for one in inventory.resources)
        return {id: subject(environment, one) for environment, one in listed if (id := id_of(one)) in ids}

    def _wanted(self, environment: Environment, inventory: Inventory) -> Iterator[Wanted]:
        for rule in RULES:
            mine = [one for one in inventory.resources if one.kind in rule.check.where.kinds]
            for resource in rule.gather(mine, self.ctx.now, self.thrift):
                yield Wanted(rule=rule, subject=subject(environment, resource), queries=rule.asks(resource))

    def _read(self, asking: dict[Place, list[Wanted]]) -> None:
        start, end = look_back(self.ctx.now, self.thrift)
        asks = [
            Ask(
                environment=many[0].subject.environment,
                region=region,
                window=Period(start=start, end=end),
                queries=tuple(dict.fromkeys(query for one in many for query in one.queries)),
            )
            for (_, region), many in asking.items()
        ]
        try:
            for readings in self.ctx.looking.cloud.read(asks) if asks else ():
                for reading in readings:
                    self._take(reading, asking.pop((reading.ask.environment.name, reading.ask.region), []))
        except PlanTooDear as error:
            self._blind(asking, f"not looked for: {error.message}")
        self._blind(asking, "AWS gave no answer for its metric")

    def _take(self, reading: Reading, many: Sequence[Wanted]) -> None:
        for wanted in many:
            why = next((reading.gaps.get(one, "no answer") for one in wanted.queries if one not in reading.rows), "")
            if why:
                self.said.append(blind(wanted.rule.check, wanted.subject, self.when, why))
            else:
                self._judge(wanted, tuple(reading.grid.values[reading.rows[one]] for one in wanted.queries))

    def _judge(self, wanted: Wanted, rows: tuple[Values, ...]) -> None:
        seen = Seen(
            resource=wanted.subject.resource, rows=rows, now=self.ctx.now, thrift=self.thrift, prices=self.prices
        )
        self.judged.append((wanted, wanted.rule.judge(seen)))

    def _blind(self, asking: dict[Place, list[Wanted]], why: str) -> None:
        for wanted in (one for many in asking.values() for one in many):
            self.said.append(blind(wanted.rule.check, wanted.subject, self.when, why))
        asking.clear()

    def _told(self) -> Iterator[Finding]:
        small: dict[tuple[str, str], list[tuple[Wanted, Saving]]] = defaultdict(list)
        for wanted, came in self.judged:
            if isinstance(came, Saving):
                if came.usd_month is not None and came.usd_month < self.thrift.least_usd:
                    small[wanted.subject.environment.name, wanted.rule.check.name].append((wanted, came))
                else:
                    yield told(wanted.rule.check, wanted.subject, self.when, came)
            elif came is None:
                yield well(wanted.rule.check, wanted.subject, self.when, None)
        for many in small.values():
            first = many[0][0]
            yield fewer(first.rule.check, first.subject, self.when, [came for _, came in many], self.thrift)
        yield from self._left_out()

    def _left_out(self) -> Iterable[Finding]:
        """What could not be judged for one reason is said once in each environment."""
        why: dict[tuple[str, str, str], list[Wanted]] = defaultdict(list)
        for wanted, came in self.judged:
            if isinstance(came, Left):
                why[wanted.subject.environment.name, wanted.rule.check.name, came.why].append(wanted)
        for (_, _, reason), many in why.items():
            yield left_out(many[0].rule.check, [one.subject for one in many], self.when, reason)
