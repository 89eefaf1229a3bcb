"""Cost that its own past does not explain: found the next morning, in dollars, with the cause."""

from __future__ import annotations

from opsbot.evaluate.cost.anomaly import Anomaly, Kind, RootCause, State
from opsbot.evaluate.cost.bill import Bill, BillError, Charge, Leaf, bill_of
from opsbot.evaluate.cost.watch import Sensitivity, Watch

__all__ = [
    "Anomaly", "Bill", "BillError", "Charge", "Kind", "Leaf", "RootCause", "Sensitivity", "State", "Watch", "bill_of",
]  # fmt: skip
