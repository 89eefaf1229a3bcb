"""What can be set of the weekly report: its targets, where some of its figures come from, and whom it is about."""

from __future__ import annotations

from opsbot.job import Settings


class Targets(Settings):
    """What the scorecard is held against. Shares in percent, times in seconds; `cost_per_1000` in the bill's money, None
    for no target. Utilisation is meant to lie between its two."""

    availability: float = 99.9
    error_rate: float = 0.1
    api_seconds: float = 0.5
    batch_seconds: float = 300.0
    insight_seconds: float = 14_400.0
    data_quality: float = 95.0
    utilisation_low: float = 70.0
    utilisation_high: float = 80.0
    cost_per_1000: float | None = None


class WeeklySettings(Settings):
    """Set in `[jobs.weekly_report]`. `tenant` makes it the report of that tenant alone.

    `batch`, `quality`, `available`, `insight` and `records` name the checks whose metrics are those figures: a check of
    your own by one of these names is taken up by itself. `page_usd` is what a page that nobody needed counts for beside
    savings, where recommendations are put in order.
    """

    tenant: str = ""
    targets: Targets = Targets()
    batch: str = "processing-batch"
    quality: str = "data-quality"
    available: str = "availability"
    insight: str = "time-to-insight"
    records: str = "records"
    page_usd: float = 25.0
