"""The nodes a bill is judged on: leaf, account x service x region, account x service; rows keep their place for good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opsbot.evaluate.cost.bill import USAGE, Leaf
from opsbot.samples import Values

Rows = NDArray[np.int64]
LEAF, REGION, SERVICE = 0, 1, 2
Key = tuple[str, ...]


@dataclass(slots=True)
class Tree:
    """Grows as leaves appear. `level`, `region`, `service` hold, for each row, what it is and the rows above it;
    `distinct` are rows that differ from each other, `same` the place among them of every row."""

    rows: dict[Key, int] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    level: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    region: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    service: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    account: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    distinct: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    same: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    _known: dict[Leaf, int] = field(default_factory=dict)

    def place(self, leaves: Iterable[Leaf]) -> Rows:
        """The row of each leaf; -1 for what is not usage. Two leaves of one name share a row."""
        found = [self._row(leaf) for leaf in leaves]
        if len(self.level) < len(self.keys):
            self._link()
        return np.asarray(found, np.int64)

    def fold(self, leaves: Values) -> Values:
        """Leaf rows added up into the rows above them; the others of `leaves` must be zero."""
        whole = leaves.copy()
        own = self.leaf_rows
        for above in (self.region[own], self.service[own]):
            order = np.argsort(above, kind="stable")
            rows, starts = np.unique(above[order], return_index=True)
            if len(rows):
                whole[rows] = np.add.reduceat(leaves[own[order]], starts, axis=0)
        return whole

    @property
    def leaf_rows(self) -> Rows:
        return np.flatnonzero(self.level == LEAF)

    def below(self, row: int) -> Rows:
        """The leaves of a node; of a leaf, itself."""
        if self.level[row] == LEAF:
            return np.asarray([row], np.int64)
        above = self.region if self.level[row] == REGION else self.service
        return np.flatnonzero((above == row) & (self.level == LEAF))

    def family(self, row: int) -> Rows:
        """The other leaves of a leaf's account, service and region."""
        same = (self.region == self.region[row]) & (self.level == LEAF)
        same[row] = False
        return np.flatnonzero(same)

    def branching(self) -> NDArray[np.bool_]:
        """True where a row says something that no row below it says alone."""
        size = len(self.keys)
        leaves = np.bincount(self.region[self.level == LEAF], minlength=size)
        regions = np.bincount(self.service[self.level == REGION], minlength=size)
        many = (self.level == REGION) & (leaves > 1) | (self.level == SERVICE) & (regions > 1)
        branching: NDArray[np.bool_] = many | (self.level == LEAF)
        return branching

    def _row(self, leaf: Leaf) -> int:
        row = self._known.get(leaf)
        if row is None:
            row = self._add(leaf) if leaf.record_type in USAGE else -1
            self._known[leaf] = row
        return row

    def _add(self, leaf: Leaf) -> int:
        own = (leaf.account, leaf.service, leaf.region, leaf.usage_type, leaf.tag)
        for key in (own, own[:3], own[:2]):
            if key not in self.rows:
                self.rows[key] = len(self.keys)
                self.keys.append(key)
        return self.rows[own]

    def _source(self) -> Rows:
        """For each row the lowest one that is the same series: a node with one child is its child."""
        source = np.arange(len(self.keys))
        for level, above in ((LEAF, self.region), (REGION, self.service)):
            rows = np.flatnonzero(self.level == level)
            count = np.bincount(above[rows], minlength=len(source))
            only = rows[count[above[rows]] == 1]
            source[above[only]] = source[only]
        return source

    def _link(self) -> None:
        depth = {5: LEAF, 3: REGION, 2: SERVICE}
        self.level = np.asarray([depth[len(key)] for key in self.keys], np.int64)
        self.region = np.asarray([self.rows.get(key[:3], -1) if len(key) > 2 else -1 for key in self.keys], np.int64)
        self.service = np.asarray([self.rows[key[:2]] for key in self.keys], np.int64)
        accounts = {name: place for place, name in enumerate(dict.fromkeys(key[0] for key in self.keys))}
        self.account = np.asarray([accounts[key[0]] for key in self.keys], np.int64)
        self.distinct, self.same = np.unique(self._source(), return_inverse=True)
