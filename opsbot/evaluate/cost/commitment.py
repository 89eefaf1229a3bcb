"""Savings Plans and reservations that ended: the day their fee stopped, and the use they no longer cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from opsbot.evaluate.cost.anomaly import Kind
from opsbot.evaluate.cost.bill import COMMITMENTS, Bill, Leaf
from opsbot.evaluate.cost.scan import LAGS, Candidate, Look, top
from opsbot.evaluate.cost.tree import Tree

# What Savings Plans are sold for, by a word in the fee's service; reservations carry the service's own name.
COMPUTE = frozenset(
    {
        "Amazon Elastic Compute Cloud - Compute",
        "Amazon Elastic Container Service",
        "Amazon Elastic Container Service for Kubernetes",
        "AWS Lambda",
    }
)
DATABASES = frozenset(
    {
        "Amazon Relational Database Service",
        "Amazon ElastiCache",
        "Amazon DynamoDB",
        "Amazon DocumentDB (with MongoDB compatibility)",
        "Amazon Neptune",
        "Amazon Timestream",
    }
)
PLANS = (
    ("Compute", COMPUTE),
    ("EC2", COMPUTE),
    ("Database", DATABASES),
    ("SageMaker", frozenset({"Amazon SageMaker"})),
)
RECENT, BEFORE = 7, 8
# The end of a commitment says where to look and how much to expect, so less is needed to believe it.
SIGMAS, LEAST_SHARE = 2.5, 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A commitment whose fee, in money per day, stopped on `day` (an ordinal), and the services it was for."""

    day: int
    fee: float
    services: frozenset[str]


def ended(bill: Bill) -> tuple[Ended, ...]:
    """The commitments that ended in the last week, as their fees show it: half or less of the week before."""
    first = bill.first.toordinal()
    found = []
    if bill.cost.shape[1] < RECENT + BEFORE:
        return ()
    for row, leaf in enumerate(bill.leaves):
        if leaf.record_type not in COMMITMENTS:
            continue
        fees = np.nan_to_num(bill.cost[row, -RECENT - BEFORE :])
        for back in range(RECENT, 0, -1):
            usual = float(np.median(fees[-back - BEFORE : -back]))
            if usual > 0 and fees[-back - 1] > 0.5 * usual and fees[-back:].max() <= 0.5 * usual:
                found.append(Ended(day=first + bill.cost.shape[1] - back, fee=usual, services=_sold(leaf)))
                break
    return tuple(found)


def _sold(fee: Leaf) -> frozenset[str]:
    if "Savings Plans" not in fee.service:
        return frozenset({fee.service})
    return next((services for word, services in PLANS if word in fee.service), COMPUTE)


def uncovered(tree: Tree, look: Look, commitments: Iterable[Ended]) -> Iterator[Candidate]:
    """For each commitment that ended, the node that rose most clearly since."""
    for one in commitments:
        sold = np.asarray([key[1] in one.services for key in tree.keys], dtype=bool) & tree.branching()
        passed = look.day - one.day + 1
        horizon = next(place for place, lag in enumerate(LAGS) if lag >= passed)
        excess, sigma = look.excess[horizon], look.sigma[horizon]
        with np.errstate(invalid="ignore"):
            rose = sold & (excess > SIGMAS * sigma) & (excess >= max(look.floor, LEAST_SHARE * one.fee))
            clear = np.where(rose & np.isfinite(sigma), excess / sigma, 0.0)
        if rose.any() and clear.max() > 0:
            row = int(np.argmax(clear))
            yield Candidate(
                row=row,
                top=top(tree, look, horizon, row),
                horizon=horizon,
                score=float(clear[row]) / SIGMAS,
                daily=float(excess[row]),
                kind=Kind.COMMITMENT,
            )
