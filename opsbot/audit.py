"""The audit log as arithmetic: each row carries the hash of the row before it, so that none can be changed unseen.

A chain shows what was changed, taken out or put in. Whoever can write the whole database can also forge a whole new
chain: that is found by keeping `opsbot audit export`'s head somewhere else, and giving it to `opsbot audit verify`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from opsbot.model.actor import Actor

START = "0" * 64
"""What the first row is chained to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did, before it has a place in the chain. `about` is an incident, a runbook run, a silence ..."""

    at: datetime
    actor: Actor
    what: str
    about: str
    environment: str = ""
    detail: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A row of the log. `before` is the hash of the row before it, `seal` its own."""

    seq: int
    act: Act
    before: str
    seal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain, kept apart from it: rows that were cut off the end leave no other trace."""

    seq: int
    seal: str


NOTHING = Head(seq=0, seal=START)


def sealed(act: Act, head: Head) -> Sealed:
    """The act as the next row after `head`."""
    return Sealed(seq=head.seq + 1, act=act, before=head.seal, seal=_seal(head.seq + 1, act, head.seal))


def _seal(seq: int, act: Act, before: str) -> str:
    told = [seq, before, _stamp(act.at), act.actor.login, act.actor.arn, act.actor.via, act.what, act.about]
    told += [act.environment, [list(pair) for pair in act.detail]]
    written = json.dumps(told, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def faults(rows: Iterable[Sealed], head: Head, known: str = "") -> Iterator[str]:
    """What is wrong with a chain, in its order; nothing if it is whole. `known` is a seal that was kept elsewhere and
    must be in it."""
    last, found = NOTHING, not known or known == START
    for row in rows:
        if row.seq != last.seq + 1:
            yield _gap(last.seq, row.seq)
        elif row.before != last.seal:
            yield f"row {row.seq}: it follows another row than the one that stands before it"
        if row.seal != _seal(row.seq, row.act, row.before):
            yield f"row {row.seq}: it was changed after it was written ({row.act.what} {row.act.about})"
        last, found = Head(seq=row.seq, seal=row.seal), found or row.seal == known
    if last != head:
        yield f"the log ends with row {last.seq}, but row {head.seq} was written last: rows were taken off or put on its end"
    if not found:
        yield f"no row has the seal {known[:12]}… that was kept elsewhere: the log is not the one that was exported"


def _gap(last: int, seq: int) -> str:
    if seq <= last:
        return f"row {seq}: it stands there twice"
    missing = f"row {last + 1} is" if seq == last + 2 else f"rows {last + 1} to {seq - 1} are"
    return f"row {seq}: {missing} missing before it"
