"""Leaves out of two-way tables: Cost Explorer groups by two things at a time, a leaf has four.

A usage type names its region, and most belong to one service, so account x usage type and service x usage type say it
all. Where one usage type is used by several services in several accounts, a third table (account x service of just
those) is fitted to the other two by iterative proportional fitting (Deming and Stephan 1940): every table's sums stay
as they were told, and what they leave open is split evenly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opsbot.evaluate.cost.bill import Leaf
from opsbot.evaluate.costdata.regions import region_of
from opsbot.samples import Values

Pair = tuple[str, str]
Table = Mapping[Pair, Values]
ROUNDS, CLOSE_ENOUGH = 60, 1e-7
# AWS tells ten decimals: what is less is nothing, and must not be divided by.
NOTHING = 1e-12
NOT_TOLD = "not told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """One day in tables of amounts (in METRICS): by account and usage type, by service and usage type; `by_both` is by
    account and service, of the shared usage types alone."""

    by_account: Table
    by_service: Table
    by_both: Table = field(default_factory=dict)


Joined = dict[Leaf, Values]


def shared(by_account: Table, by_service: Table) -> tuple[str, ...]:
    """The usage types whose leaves two tables cannot tell: several services use them in several accounts."""
    services, accounts = _others(by_service), _others(by_account)
    return tuple(sorted(u for u, many in services.items() if len(many) > 1 and len(accounts.get(u, ())) > 1))


def joined(margins: Margins) -> Joined:
    """The leaves of a day. Sums by account and usage type are exactly those told."""
    services, accounts = _others(margins.by_service), _others(margins.by_account)
    open_cells: list[tuple[str, str, str]] = []
    found: Joined = {}
    for usage_type, payers in accounts.items():
        users = services.get(usage_type, [NOT_TOLD])
        if len(users) == 1:
            for account in payers:
                found[_leaf(account, users[0], usage_type)] = margins.by_account[account, usage_type]
        elif len(payers) == 1:
            for service in users:
                found[_leaf(payers[0], service, usage_type)] = margins.by_service[service, usage_type]
        else:
            open_cells += [(account, service, usage_type) for account in payers for service in users]
    if open_cells:
        found |= _fitted(margins, open_cells)
    return found


def _leaf(account: str, service: str, usage_type: str) -> Leaf:
    return Leaf(account, service, region_of(usage_type, service), usage_type)


def _others(table: Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for first, usage_type in sorted(table):
        found[usage_type].append(first)
    return found


def _fitted(margins: Margins, cells: list[tuple[str, str, str]]) -> Joined:
    possible = [cell for cell in cells if not margins.by_both or cell[:2] in margins.by_both] or cells
    # An account whose services the third table does not name keeps its cells: its money must stand somewhere.
    covered = {(account, usage_type) for account, _, usage_type in possible}
    possible += [cell for cell in cells if (cell[0], cell[2]) not in covered]
    share = _share(margins, possible)
    found: Joined = {}
    for (account, service, usage_type), part in zip(possible, share, strict=True):
        if part > 0:
            found[_leaf(account, service, usage_type)] = margins.by_account[account, usage_type] * part
    return found


def _share(margins: Margins, cells: list[tuple[str, str, str]]) -> Values:
    """For each cell the part of its account's usage type that it is."""
    sides = (
        _side(margins.by_account, [(account, usage_type) for account, _, usage_type in cells]),
        _side(margins.by_service, [(service, usage_type) for _, service, usage_type in cells]),
        _side(margins.by_both, [(account, service) for account, service, _ in cells]),
    )
    cell = np.ones(len(cells))
    for _ in range(ROUNDS):
        before = cell
        for place, wanted in sides:
            if len(wanted):
                sums = np.bincount(place, weights=cell, minlength=len(wanted))
                cell = cell * (np.divide(wanted, sums, out=np.zeros_like(sums), where=sums > NOTHING))[place]
        if np.abs(cell - before).max() <= CLOSE_ENOUGH * max(float(cell.max()), 1e-12):
            break
    return _within(sides[0][0], cell)


def _within(place: NDArray[np.int64], cell: Values) -> Values:
    """Cells as parts of their group; a group that came out empty is split evenly."""
    size = int(place.max()) + 1
    sums, counts = np.bincount(place, weights=cell, minlength=size), np.bincount(place, minlength=size)
    even = 1.0 / counts[place]
    there = sums[place] > NOTHING
    parts: Values = np.where(there, cell / np.where(there, sums[place], 1.0), even)
    return parts


def _side(table: Table, keys: list[Pair]) -> tuple[NDArray[np.int64], Values]:
    if not table:
        return np.zeros(len(keys), np.int64), np.zeros(0)
    names = {key: row for row, key in enumerate(dict.fromkeys(keys))}
    # A negative sum cannot be shared out; it counts as nothing here and stays whole in its account.
    wanted = np.asarray([max(float(table[key][0]), 0.0) if key in table else 0.0 for key in names])
    return np.asarray([names[key] for key in keys], np.int64), wanted
