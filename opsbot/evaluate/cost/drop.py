"""Services that stopped: listed once, told to nobody. What costs nothing any more is no bill to fear, but maybe an outage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np

from opsbot.evaluate.cost.anomaly import Anomaly, Kind, RootCause, State
from opsbot.evaluate.cost.scan import Look
from opsbot.evaluate.cost.tell import money
from opsbot.evaluate.cost.tree import SERVICE, Rows, Tree
from opsbot.samples import Values

GONE, THERE = 0.2, 0.5
# Floors a day: smaller services come and go.
WORTH = 3.0
EVERYTHING = "every service"


def drops(tree: Tree, look: Look, spread: Values, currency: str) -> tuple[Anomaly, ...]:
    """What fell to a fifth or less two days ago and stayed there, by service; by account where all of it did.

    `spread` is each row's usual relative error of a day: what comes and goes by nature is left out.
    """
    base = look.bases.get(look.day - 3)
    if base is None:
        return ()
    days = np.arange(look.day - 2, look.day + 1)
    expected = base.expected(days, len(look.cost))
    worth = (tree.level == SERVICE) & (expected.min(axis=1) >= WORTH * look.floor) & (spread < 0.4)
    share = look.cost[:, -3:] / np.where(worth[:, None], expected, 1.0)
    gone = worth & (share[:, 0] >= THERE) & (share[:, 1:] <= GONE).all(axis=1)
    return tuple(_listed(tree, look, expected, (np.flatnonzero(worth), np.flatnonzero(gone)), currency))


def _listed(tree: Tree, look: Look, expected: Values, judged: tuple[Rows, Rows], currency: str) -> Iterator[Anomaly]:
    worth, gone = judged
    for account in np.unique(tree.account[gone]):
        rows = gone[tree.account[gone] == account]
        if len(rows) > 1 and len(rows) == int((tree.account[worth] == account).sum()):
            yield _anomaly(tree, look, expected, (rows, EVERYTHING), currency)
        else:
            for row in rows:
                yield _anomaly(tree, look, expected, (np.asarray([row]), tree.keys[row][1]), currency)


def _anomaly(tree: Tree, look: Look, expected: Values, fallen_to: tuple[Rows, str], currency: str) -> Anomaly:
    rows, service = fallen_to
    start, last = date.fromordinal(look.day - 1), date.fromordinal(look.day)
    account = tree.keys[rows[0]][0]
    was, now = float(expected[rows, 1:].sum()), float(look.cost[rows, -2:].sum())
    fallen = expected[:, 1:].sum(axis=1) - look.cost[:, -2:].sum(axis=1)
    leaves = np.concatenate([tree.below(int(row)) for row in rows])
    top = [int(leaf) for leaf in leaves[np.argsort(-fallen[leaves], kind="stable")[:5]]]
    return Anomaly(
        id=f"{account}/{service}/drop/{last + (last - start)}",
        kind=Kind.DROP,
        state=State.OPENED,
        account=account,
        service=service,
        start=start,
        last=last,
        actual=now,
        expected=was,
        impact=now - was,
        daily=(now - was) / 2,
        confidence=0.9,
        score=was / max(look.floor, 1e-9) / 2,
        causes=tuple(_cause(tree, leaf, -float(fallen[leaf]), was - now) for leaf in top),
        also=(),
        why=f"{service} (account {account}): {money(now / 2, currency)} a day instead of the "
        f"{money(was / 2, currency)} expected since {start.day} {start:%B}; stopped, moved away or not billed",
    )


def _cause(tree: Tree, leaf: int, impact: float, whole: float) -> RootCause:
    account, service, region, usage_type, tag = tree.keys[leaf]
    share = max(0.0, -impact) / max(whole, 1e-9)
    return RootCause(
        account=account, service=service, region=region, usage_type=usage_type, tag=tag, share=share, impact=impact
    )
