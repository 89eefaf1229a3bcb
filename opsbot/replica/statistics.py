"""CloudWatch's statistics of a series, at any period, from what the world says about its base steps.

A base step is a log-normal handful of samples (count, mean, relative spread). Periods of several steps are pooled:
counts and sums add up, extremes are extremes of extremes, and percentiles come from the pooled quantiles of all
steps, never from an average of percentiles.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from opsbot.replica.codec import Fault
from opsbot.replica.world import Buckets, Floats

# Borders of the slices by which one step's distribution enters a pool: finer where p95..p99.9 are read.
_BORDERS = np.array(
    [0, 0.001, 0.01, 0.025, *(step / 50 for step in range(2, 48)), 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999, 1]
)
_SHARES: Floats = np.diff(_BORDERS)
_NORMAL = NormalDist()
_SCORES: Floats = np.array([_NORMAL.inv_cdf(level) for level in (_BORDERS[1:] + _BORDERS[:-1]) / 2])
# Expected extreme of n standard normal samples (Blom 1958), tabulated because numpy has no inverse normal.
_COUNTS = np.geomspace(1, 1e9, 256)
_EXTREMES: Floats = np.array([_NORMAL.inv_cdf((n - 0.375) / (n + 0.25)) for n in _COUNTS])
_LOG_COUNTS = np.log(_COUNTS)

Of = Callable[["Pool"], Floats]
SIMPLE = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_SHORT = re.compile(r"(p|tm|wm|tc|ts)(\d{1,3}(?:\.\d{1,10})?)", re.IGNORECASE)
_RANGE = re.compile(r"(TM|WM|TC|TS|PR)\(\s*(-?[\d.]*)(%?)\s*:\s*(-?[\d.]*)(%?)\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pool:
    """n periods of k base steps each; arrays of shape (n, k). Steps without a datum have count 0."""

    count: Floats
    mean: Floats
    spread: Floats

    @property
    def total(self) -> Floats:
        """Samples of each period."""
        total: Floats = self.count[:, 0] if self.count.shape[1] == 1 else self.count.sum(axis=1)
        return total


def pool(buckets: Buckets, k: int) -> Pool:
    """Base steps as periods of k steps."""
    return Pool(*(array.reshape(-1, k) for array in (buckets.count, buckets.mean, buckets.spread)))


@lru_cache(maxsize=512)
def statistic(name: str) -> Of:
    """The function that works out the statistic `name` (`Sum`, `p99.9`, `tm90`, `TM(2%:98%)`, `PR(:300)`, `IQM` ...).

    It gives NaN for periods without data. Raises Fault ValidationError for a name that CloudWatch does not have.
    """
    if name in SIMPLE:
        return _simple(name)
    if name.upper() == "IQM":
        return _trimmed("TM", (0.25, 0.75), percent=True)
    if found := _SHORT.fullmatch(name):
        return _short(found[1].lower(), float(found[2]) / 100, name)
    if found := _RANGE.fullmatch(name):
        return _ranged(found, name)
    raise _unknown(name)


def _unknown(name: str) -> Fault:
    return Fault("ValidationError", f"The value {name} for parameter Stat is not supported.")


def _short(kind: str, level: float, name: str) -> Of:
    if not 0 <= level <= 1:
        raise _unknown(name)
    if kind == "p":
        return lambda periods: _percentile(periods, level)
    return _trimmed(kind.upper(), (0.0, level), percent=True)


def _ranged(found: re.Match[str], name: str) -> Of:
    kind, low, low_unit, high, high_unit = found.groups()
    percent = "%" in (low_unit, high_unit)
    mixed = percent and bool((low and not low_unit) or (high and not high_unit))
    if mixed or not (low or high):
        raise _unknown(name)
    scale = 100 if percent else 1
    bounds = (
        float(low) / scale if low else (0.0 if percent else -math.inf),
        float(high) / scale if high else (1.0 if percent else math.inf),
    )
    if bounds[0] >= bounds[1] or (kind.upper() == "PR" and percent):
        raise _unknown(name)
    return _trimmed(kind.upper(), bounds, percent=percent)


def _simple(name: str) -> Of:
    def work_out(periods: Pool) -> Floats:
        total = periods.total
        values = _SIMPLE_OF[name](periods, total)
        return values if total.all() else np.where(total > 0, values, np.nan)

    return work_out


def _sum(periods: Pool, _: Floats) -> Floats:
    if periods.count.shape[1] == 1:
        product: Floats = periods.count[:, 0] * periods.mean[:, 0]
        return product
    return np.asarray((periods.count * periods.mean).sum(axis=1))


def _average(periods: Pool, total: Floats) -> Floats:
    if periods.count.shape[1] == 1:
        return periods.mean[:, 0]
    return _sum(periods, total) / np.maximum(total, 1e-300)


def _minimum(periods: Pool, _: Floats) -> Floats:
    low = _lowest(periods, _sigma(periods))
    if low.shape[1] == 1:
        return low[:, 0]
    return np.asarray(np.where(periods.count > 0, low, np.inf).min(axis=1))


def _maximum(periods: Pool, _: Floats) -> Floats:
    high = _highest(periods, _sigma(periods))
    if high.shape[1] == 1:
        return high[:, 0]
    return np.asarray(np.where(periods.count > 0, high, -np.inf).max(axis=1))


_SIMPLE_OF: dict[str, Callable[[Pool, Floats], Floats]] = {
    "SampleCount": lambda _, total: total,
    "Sum": _sum,
    "Average": _average,
    "Minimum": _minimum,
    "Maximum": _maximum,
}


def _sigma(periods: Pool) -> Floats:
    """Each step's sigma of ln x; 0 where there is nothing to spread: one sample, or none above zero."""
    if periods.count.size and periods.count.min() > 1 and periods.mean.min() > 0:
        return periods.spread
    return np.where((periods.mean > 0) & (periods.count > 1), periods.spread, 0.0)


def _at(periods: Pool, sigma: Floats, score: Floats | float) -> Floats:
    """The value of each step's log-normal that lies `score` sigmas from its median."""
    return periods.mean * np.exp(sigma * (score - sigma / 2))


def _extreme_score(periods: Pool) -> Floats:
    return np.interp(np.log(np.maximum(periods.count, 1)), _LOG_COUNTS, _EXTREMES)


def _lowest(periods: Pool, sigma: Floats) -> Floats:
    return np.minimum(_at(periods, sigma, -_extreme_score(periods)), periods.mean)


def _highest(periods: Pool, sigma: Floats) -> Floats:
    return np.maximum(_at(periods, sigma, _extreme_score(periods)), periods.mean)


def _percentile(periods: Pool, level: float) -> Floats:
    if periods.count.shape[1] > 1 or not 0 < level < 1:
        values, weights = _distribution(periods)
        return _read(values, weights, level)
    sigma = _sigma(periods)
    values = _at(periods, sigma, _NORMAL.inv_cdf(level))
    # No percentile of a handful lies beyond its extremes; with many samples it cannot.
    if not periods.count.size or periods.count.min() * min(level, 1 - level) < 3:
        values = np.minimum(np.maximum(values, _lowest(periods, sigma)), _highest(periods, sigma))
    return np.where(periods.count[:, 0] > 0, values[:, 0], np.nan)


def _distribution(periods: Pool) -> tuple[Floats, Floats]:
    """Sorted values and their weights (samples), one row a period: all steps' quantile slices pooled."""
    n = len(periods.count)
    sigma = _sigma(periods)
    low, high = _lowest(periods, sigma), _highest(periods, sigma)
    values = periods.mean[:, :, None] * np.exp(sigma[:, :, None] * (_SCORES - sigma[:, :, None] / 2))
    values = np.clip(values, low[:, :, None], high[:, :, None])
    # Steps without a datum go to the far end, where their weight of nothing is in nobody's way.
    most = np.where(periods.count > 0, high, -np.inf).max(axis=1)
    values = np.where(periods.count[:, :, None] > 0, values, np.nan_to_num(most)[:, None, None]).reshape(n, -1)
    weights = (periods.count[:, :, None] * _SHARES).reshape(n, -1)
    order = np.argsort(values, axis=1)
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(weights, order, axis=1)


def _read(values: Floats, weights: Floats, level: float) -> Floats:
    """The value below which `level` of the weight lies, interpolated between the slices' middles."""
    heap = weights.cumsum(axis=1)
    total = heap[:, -1]
    middles = heap - weights / 2
    wanted = np.clip(level * total, middles[:, 0], None)
    above = np.minimum((middles < wanted[:, None]).sum(axis=1), values.shape[1] - 1)
    below = np.maximum(above - 1, 0)
    rows = np.arange(len(values))
    gap = np.maximum(middles[rows, above] - middles[rows, below], 1e-300)
    share = np.clip((wanted - middles[rows, below]) / gap, 0, 1)
    found = values[rows, below] + share * (values[rows, above] - values[rows, below])
    return np.where(total > 0, found, np.nan)


def _trimmed(kind: str, bounds: tuple[float, float], *, percent: bool) -> Of:
    """Trimmed mean, count and sum, winsorized mean, and percentile rank between two bounds."""

    def work_out(periods: Pool) -> Floats:
        values, weights = _distribution(periods)
        total = weights.sum(axis=1)
        inside = _between(values, weights, bounds, percent)
        return np.where(total > 0, _TRIMMED_OF[kind](values, weights, inside, total), np.nan)

    return work_out


def _between(values: Floats, weights: Floats, bounds: tuple[float, float], percent: bool) -> Floats:
    """The part of each slice's weight that lies within the bounds."""
    if not percent:
        return np.where((values > bounds[0]) & (values <= bounds[1]), weights, 0.0)
    heap = weights.cumsum(axis=1)
    low, high = (bound * heap[:, -1:] for bound in bounds)
    # The part of the slice heap-weight..heap that lies between low and high.
    part: Floats = np.minimum(heap, high) - np.maximum(heap - weights, low)
    return np.maximum(part, 0.0)


def _trimmed_mean(values: Floats, _: Floats, inside: Floats, __: Floats) -> Floats:
    kept = inside.sum(axis=1)
    mean = (values * inside).sum(axis=1) / np.maximum(kept, 1e-300)
    return np.where(kept > 0, mean, np.nan)


def _winsorized_mean(values: Floats, weights: Floats, inside: Floats, total: Floats) -> Floats:
    kept = inside > 1e-9 * total[:, None]
    first, last = kept.argmax(axis=1), kept.shape[1] - 1 - kept[:, ::-1].argmax(axis=1)
    rows = np.arange(len(values))
    held = np.clip(values, values[rows, first][:, None], values[rows, last][:, None])
    mean = (held * weights).sum(axis=1) / np.maximum(total, 1e-300)
    return np.where(kept.any(axis=1), mean, np.nan)


_TRIMMED_OF: dict[str, Callable[[Floats, Floats, Floats, Floats], Floats]] = {
    "TM": _trimmed_mean,
    "WM": _winsorized_mean,
    "TC": lambda _, __, inside, ___: np.asarray(inside.sum(axis=1)),
    "TS": lambda values, _, inside, __: np.asarray((values * inside).sum(axis=1)),
    "PR": lambda _, __, inside, total: np.asarray(100 * inside.sum(axis=1) / np.maximum(total, 1e-300)),
}
