"""What a forecast is made of and what it says: plain frozen values, indices counted in samples."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from opsbot.samples import Values

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Kind(StrEnum):
    """What was undone before the fit, in an operator's words."""

    FALSE_ZERO = "false zero"
    OUTLIER = "outlier"
    CLEAN_UP = "clean-up"
    IMPORT = "import"
    RESET = "reset"
    RESIZE = "resize"


class Pace(StrEnum):
    """How the values move once the disturbances are undone."""

    RISING = "rising"
    FALLING = "falling"
    NONE = "no trend"
    UNKNOWN = "too little history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """One disturbance taken out of the history: `at` is its sample, `amount` how far it moved the values (their unit)."""

    kind: Kind
    at: int
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A recurring pattern: `offsets` from the level, one for each phase of `length` samples."""

    length: float
    offsets: Values

    def at(self, times: Values) -> Values:
        picked: Values = self.offsets[phase(times, self.length)]
        return picked


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read the repaired history: `times` in samples, `values` scaled and without the cycle.

    `steps` are positions at which the level moved; `penalty` is the log density its rescaling costs, so that two
    readings of the same history can be weighed against each other.
    """

    times: Values
    values: Values
    steps: tuple[int, ...] = ()
    penalty: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """A history with its disturbances undone, divided by `scale`.

    `raw` still has its moves and gaps (NaN), but no false zeros and outliers.
    """

    readings: tuple[Reading, ...]
    cycle: Cycle | None
    raw: Values
    scale: float
    undone: tuple[Undone, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """When a history reaches `limit`. Days count samples after the last one; None is "not within the horizon".

    `day` is the likeliest day: the centre of the stretch that holds most of the ways it can go. `p10`, `p50` and
    `p90` are the days by which a tenth, half and nine tenths of the ways have reached it. `growth` is the change a day,
    in the values' unit, of the middle way.
    """

    limit: float
    current: float | None
    p_breach_30d: float
    p_breach_90d: float
    p_horizon: float
    day: float | None
    p10: float | None
    p50: float | None
    p90: float | None
    growth: float
    pace: Pace
    horizon: int
    undone: tuple[Undone, ...] = ()
    cycle: float | None = None


def phase(times: Values, length: float) -> Indices:
    """Which sample of the cycle each time is; a cycle of 30.4 samples has 31 phases, the last one rarely used."""
    return np.floor(np.mod(times, length)).astype(np.int64)


def spread(values: Values) -> float:
    """Standard deviation by the median of the deviations, so that a few wild values do not widen it."""
    if not values.size:
        return 0.0
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def unscaled(value: float, scale: float) -> float:
    """A scaled value in its own unit; the largest float stands for what is beyond it."""
    largest = float(np.finfo(np.float64).max)
    with np.errstate(over="ignore"):
        return float(np.clip(np.float64(value) * np.float64(scale), -largest, largest))
