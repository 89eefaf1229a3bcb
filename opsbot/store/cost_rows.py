"""One day of a bill as bytes: leaf numbers, money in millionths, quantities; column by column and packed.

A cost column is kept as its difference to the one before, which for most leaves is nothing, and numbers are turned so
that like bytes lie together: a fifth of what they are as rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from opsbot.errors import StoreError
from opsbot.evaluate.cost.bill import Leaf
from opsbot.samples import Values
from opsbot.store import rows

MILLIONTHS = 1_000_000.0
MOST = 9.0e12
COSTS = 3
Numbers = NDArray[np.uint32]


def name(leaf: Leaf) -> str:
    parts = (leaf.account, leaf.service, leaf.region, leaf.usage_type, leaf.record_type, leaf.tag)
    return rows.dump([rows.text(part) for part in parts])


def read_name(text: str) -> Leaf:
    try:
        return Leaf(*orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError) as error:
        raise _rotten() from error


def pack(numbers: Sequence[int], amounts: Values) -> bytes:
    """Leaves in ascending order of their numbers; equal days give equal bytes."""
    order = np.argsort(np.asarray(numbers, np.int64), kind="stable")
    ids = np.asarray(numbers, np.int64)[order]
    money = np.rint(np.clip(amounts[order, :COSTS], -MOST, MOST) * MILLIONTHS).astype(np.int64)
    steps = np.diff(ids, prepend=0).astype("<u4")
    # A difference to the column before is mostly nothing; zigzag keeps small negative ones small.
    change = np.diff(money, axis=1, prepend=0)
    zigzag = ((change << 1) ^ (change >> 63)).astype("<i8")
    with np.errstate(over="ignore"):
        quantity = amounts[order, COSTS].astype("<f4")
    planes = [_turned(steps), *(_turned(np.ascontiguousarray(zigzag[:, n])) for n in range(COSTS)), _turned(quantity)]
    return zlib.compress(len(ids).to_bytes(4, "little") + b"".join(planes), 6)


def unpack(body: bytes) -> tuple[Numbers, Values]:
    """Leaf numbers, ascending, and their amounts. Raises StoreError for what is no such day."""
    try:
        plain = zlib.decompress(body)
    except zlib.error as error:
        raise _rotten() from error
    count = int.from_bytes(plain[:4], "little")
    if len(plain) != 4 + count * (4 + 8 * COSTS + 4):
        raise _rotten()
    at = 4
    steps = _straight(plain, at, count, "<u4")
    at += 4 * count
    money = np.empty((count, COSTS), np.int64)
    for column in range(COSTS):
        coded = _straight(plain, at, count, "<i8").astype(np.int64)
        money[:, column] = (coded >> 1) ^ -(coded & 1)
        at += 8 * count
    amounts = np.empty((count, COSTS + 1))
    amounts[:, :COSTS] = np.cumsum(money, axis=1) / MILLIONTHS
    amounts[:, COSTS] = _straight(plain, at, count, "<f4")
    return np.cumsum(steps, dtype=np.uint32), amounts


def _turned(column: NDArray[np.generic]) -> bytes:
    return column.view(np.uint8).reshape(len(column), column.dtype.itemsize).T.tobytes()


def _straight(plain: bytes, at: int, count: int, kind: str) -> NDArray[np.generic]:
    width = np.dtype(kind).itemsize
    turned = np.frombuffer(plain, np.uint8, count * width, at).reshape(width, count)
    return np.ascontiguousarray(turned.T).view(kind).ravel()


def _rotten() -> StoreError:
    return StoreError(
        "a day of a bill cannot be read any more", hint="look for a failing disk; a backup may still hold it"
    )
