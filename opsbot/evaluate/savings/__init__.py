"""What could be saved and how that is computed: list prices, and one pure judgement for each kind of waste."""

from __future__ import annotations

from opsbot.evaluate.savings.prices import AS_OF, HOURS, Prices
from opsbot.evaluate.savings.saving import Confidence, Left, Saving, Thrift

__all__ = ["AS_OF", "HOURS", "Confidence", "Left", "Prices", "Saving", "Thrift"]
