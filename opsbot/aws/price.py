"""What AWS charges for asking: one table, with where each figure stands and when it was read.

Prices are USD on demand; opsbot asks only for what is listed here or free (describe and list calls of the services).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from opsbot.model.environment import Labels
from opsbot.ports import MetricQuery

_SOURCE = "https://aws.amazon.com/cloudwatch/pricing/"
_READ_ON = "2026-11-20"

STATISTICS_IN_ONE = 5
"""GetMetricData bills up to five statistics of one metric, asked in one call, as one metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """`usd` for `per` units; `source` and `date` say where and when it was read."""

    usd: float
    per: int
    unit: str
    source: str = _SOURCE
    date: str = _READ_ON

    def of(self, count: float) -> float:
        return self.usd * count / self.per


PRICES = {
    "cloudwatch:GetMetricData": Price(usd=0.01, per=1000, unit="metrics asked"),
    "cloudwatch:ListMetrics": Price(usd=0.01, per=1000, unit="requests"),
    "ce:GetCostAndUsage": Price(
        usd=0.01,
        per=1,
        unit="pages answered",
        source="https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/",
    ),
    "logs:StartQuery": Price(usd=0.005, per=10**9, unit="bytes scanned"),
    "cloudwatch:PutMetricData": Price(usd=0.01, per=1000, unit="requests"),
}

CUSTOM_METRICS = ((10_000, 0.30), (240_000, 0.10), (750_000, 0.05), (10**12, 0.02))
"""USD a month of each custom metric, by tiers of so many. Same source and date as the prices above."""


def billed_metrics(queries: Iterable[MetricQuery]) -> int:
    """How many metrics one GetMetricData call with these queries is billed as."""
    metrics: Counter[tuple[str, str, Labels]] = Counter(
        (query.namespace, query.name, query.dimensions) for query in queries
    )
    return sum(-(-count // STATISTICS_IN_ONE) for count in metrics.values())


def usd(*, metrics: int, list_requests: int = 0, cost_requests: int = 0, log_bytes: float = 0) -> float:
    """The bill for so many metrics asked, ListMetrics requests, pages that Cost Explorer answered, bytes of logs scanned."""
    asked = {
        "cloudwatch:GetMetricData": metrics,
        "cloudwatch:ListMetrics": list_requests,
        "ce:GetCostAndUsage": cost_requests,
        "logs:StartQuery": log_bytes,
    }
    return sum(PRICES[name].of(count) for name, count in asked.items())
