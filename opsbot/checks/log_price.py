"""Logs that price: what a run would scan, without scanning it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from opsbot.ports import Estimate, LogAnswer, LogQuery, Logs


@dataclass(slots=True)
class PricedLogs:
    """As `Logs`, with no lines in any group. What it would have asked is in `added`; what a breach would be told by is
    not: nobody knows beforehand that there is one."""

    logs: Logs
    asked: list[LogQuery] = field(default_factory=list)

    def estimate_logs(self, asks: Sequence[LogQuery]) -> Estimate:
        return self.logs.estimate_logs(asks)

    def ask_logs(self, asks: Sequence[LogQuery]) -> Iterator[LogAnswer]:
        self.asked += asks
        return (LogAnswer(query=ask) for ask in asks)

    def added(self, plan: Estimate) -> Estimate:
        """The plan with these queries and their price."""
        more = self.logs.estimate_logs(self.asked)
        calls = Counter(dict(plan.calls)) + Counter(dict(more.calls))
        return replace(
            plan, calls=tuple(sorted(calls.items())), usd=plan.usd + more.usd, log_bytes=plan.log_bytes + more.log_bytes
        )
