"""What everything does at once: demand that rises everywhere, a holiday and the way back, a day billed faster than usual.

The middle relative excess of like leaves is taken for common and subtracted before anyone is judged. Calm leaves (disks,
reserved machines) and lively ones (requests, traffic) have each their own, as demand moves only the latter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from opsbot.evaluate.cost.tail import WILD
from opsbot.evaluate.cost.tree import Tree
from opsbot.samples import Values

CALM = 0.04
# Leaves that make up less than this part of the bill have no say; fewer than so many say nothing.
LEAST_SHARE, FEWEST = 0.001, 8
MOST = 0.5


def drift(tree: Tree, excess: Values, expected: Values, spread: Values) -> Values:
    """Money per day, horizons x rows, that the common movement accounts for.

    `spread` is each row's usual relative error of a single day. A common fall explains only half of itself: what did
    not fall with the others is no anomaly for that.
    """
    leaves = tree.leaf_rows
    taken = np.zeros_like(excess)
    known = np.isfinite(spread)
    for kind in (known & (spread <= CALM), known & (spread > CALM) & (spread < WILD)):
        rows = leaves[kind[leaves]]
        if len(rows) >= FEWEST:
            taken[:, rows] = _common(excess[:, rows], expected[:, rows])[:, None] * expected[:, rows]
    return tree.fold(taken.T).T


def _common(excess: Values, expected: Values) -> Values:
    said = expected >= LEAST_SHARE * expected.sum(axis=1, keepdims=True)
    said &= np.isfinite(excess)
    relative = np.where(said, excess / np.where(said, expected, 1.0), np.nan)
    middle = np.asarray([_middle(row, mask) for row, mask in zip(relative, said, strict=True)])
    return np.clip(np.where(middle > 0, middle, 0.5 * middle), -MOST, MOST)


def _middle(relative: Values, said: NDArray[np.bool_]) -> float:
    count = int(said.sum())
    return float(np.median(relative[said])) * count / (count + 4.0) if count >= FEWEST else 0.0
