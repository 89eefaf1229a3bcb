"""Series to look at: made of a season, noise from a fixed seed, and what happened to them."""

from __future__ import annotations

import numpy as np

from opsbot.samples import Values

MONDAY = 1_704_067_200
DAY = 86_400


def times(days: float, step: int = 300) -> list[int]:
    return list(range(MONDAY, MONDAY + int(days * DAY), step))


def season(days: float, *, step: int = 300, seed: int = 1, noise: float = 3.0) -> Values:
    """Traffic of an office: 100 on average, 60 more at noon than at midnight."""
    at = np.arange(0, days * DAY, step)
    return 100 - 30 * np.cos(2 * np.pi * at / DAY) + np.random.default_rng(seed).normal(0, noise, len(at))


def row(day: float, step: int = 300) -> int:
    return int(day * DAY // step)
