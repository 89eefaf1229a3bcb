"""Histories written as what happened to them: a line, its noise, and the disturbances of a story."""

from __future__ import annotations

import numpy as np

from opsbot.samples import Values


def line(days: int, start: float, a_day: float, noise: float = 0.0, seed: int = 1) -> Values:
    """A straight line with noise that forgets within days."""
    random = np.random.default_rng(seed)
    return start + a_day * np.arange(days) + noise * random.standard_normal(days)


def moved(values: Values, at: int, by: float) -> Values:
    """The same with the level moved for good from day `at` on."""
    return values + np.where(np.arange(values.size) >= at, by, 0.0)


def put(values: Values, at: list[int], value: float) -> Values:
    """The same with `value` on the days given."""
    changed = values.copy()
    changed[at] = value
    return changed


def weekly(values: Values, deep: float) -> Values:
    """The same with two lower days a week."""
    return values - np.where(np.arange(values.size) % 7 >= 5, deep, 0.0)


def teeth(values: Values, high: float, length: int) -> Values:
    """The same with log rotation: filled up and dropped every `length` days."""
    return values + high * (np.arange(values.size) % length) / length


def uploads(days: int, seed: int = 3) -> Values:
    """Growth by leaps alone: nothing on most days, sometimes a lot."""
    random = np.random.default_rng(seed)
    leaps = np.where(random.random(days) < 0.15, random.lognormal(1.0, 1.0, days), 0.0)
    return 500.0 + np.cumsum(leaps)
