"""What was billed, as it is read: days of leaves from Cost Explorer's grouped answers or from a Data Export's rows."""

from __future__ import annotations

from opsbot.evaluate.costdata.days import (
    METRICS,
    Budget,
    BudgetsRead,
    CostDay,
    CostGap,
    CostReading,
    Metric,
    Shown,
    bill_as_shown,
)
from opsbot.evaluate.costdata.export import ExportError, ExportReader, read_export
from opsbot.evaluate.costdata.join import Margins, joined
from opsbot.evaluate.costdata.regions import region_of

__all__ = [
    "METRICS", "Budget", "BudgetsRead", "CostDay", "CostGap", "CostReading", "ExportError", "ExportReader", "Margins", "Metric",
    "Shown", "bill_as_shown", "joined", "read_export", "region_of",
]  # fmt: skip
