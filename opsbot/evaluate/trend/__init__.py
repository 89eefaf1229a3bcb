"""When does a resource reach its limit, and with what odds: repair, season, pace, paths, first passage.

`outlook()` answers for one limit, `quantiles()` for the values themselves, `sentence()` and `evidence()` say it. All of
it is pure and deterministic: the same numbers in, the same numbers out. Measured by `benchmarks/capacity.py`.
"""

from __future__ import annotations

from opsbot.evaluate.trend.gather import daily
from opsbot.evaluate.trend.history import Kind, Outlook, Pace, Undone
from opsbot.evaluate.trend.passage import fan, outlook, quantiles
from opsbot.evaluate.trend.sentence import evidence, ignored, sentence

__all__ = [
    "Kind",
    "Outlook",
    "Pace",
    "Undone",
    "daily",
    "evidence",
    "fan",
    "ignored",
    "outlook",
    "quantiles",
    "sentence",
]
