"""What the environments hold, asked once for all that the report looks at: discovery is most of its calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from opsbot.checks import needs
from opsbot.checks.savings.rules import KINDS as SAVINGS
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.resource import Inventory
from opsbot.model.run import Usage
from opsbot.ports import Ask, Cloud, CustomMetric, Estimate, Reading


@dataclass
class Once:
    """A Cloud that discovers everything at the first question, and answers the others from that."""

    cloud: Cloud
    kinds: frozenset[str]
    custom: frozenset[CustomMetric]
    found: list[Inventory] | None = field(default=None)

    def inventory(
        self, environments: Sequence[Environment], kinds: frozenset[str], custom: frozenset[CustomMetric], now: datetime
    ) -> Iterator[Inventory]:
        if self.found is None:
            everything = self.cloud.inventory(environments, self.kinds | kinds, self.custom | custom, now)
            self.found = list(everything)
        wanted = kinds | {f"metric:{one.namespace}/{one.name}" for one in custom}
        names = {one.name for one in environments}
        return (_part(one, wanted) for one in self.found if one.environment in names)

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        return self.cloud.estimate(asks)

    def read(self, asks: Sequence[Ask]) -> Iterator[tuple[Reading, ...]]:
        return self.cloud.read(asks)

    def usage(self) -> Usage:
        return self.cloud.usage()


def _part(one: Inventory, wanted: frozenset[str]) -> Inventory:
    """As if only these kinds had been asked for. A gap without kinds hides the whole environment."""
    return replace(
        one,
        resources=tuple(resource for resource in one.resources if resource.kind in wanted),
        gaps=tuple(gap for gap in one.gaps if not gap.kinds or wanted.intersection(gap.kinds)),
    )


def once(ctx: Context, *, savings: bool) -> Context:
    """The same run with a Cloud that discovers once."""
    kinds, custom = needs(check for checks in ctx.checks.values() for check in checks)
    asked = Once(cloud=ctx.looking.cloud, kinds=kinds | (SAVINGS if savings else frozenset()), custom=custom)
    return replace(ctx, looking=replace(ctx.looking, cloud=asked))
