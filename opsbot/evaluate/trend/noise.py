"""Noise that remembers: today's share of yesterday's deviation, which a fit must not take for evidence."""

from __future__ import annotations

import numpy as np

from opsbot.samples import Values


def whiten(columns: Values, gaps: Values, memory: float) -> tuple[Values, float]:
    """Columns with the noise's memory taken out, and half the log determinant that costs; gaps are honoured."""
    kept = memory**gaps
    if memory < 1:
        variance, first = (1 - kept**2) / (1 - memory**2), float(np.sqrt(1 - memory**2))
    else:
        # A random walk has no level of its own: the first value says next to nothing.
        variance, first = gaps, 0.1
    white = np.empty_like(columns)
    white[0] = columns[0] * first
    white[1:] = (columns[1:] - kept[:, None] * columns[:-1]) / np.sqrt(variance)[:, None]
    return white, 0.5 * float(np.sum(np.log(variance))) - float(np.log(first))
