"""What is paid for and not used: allocated far above a use that does not grow, and volumes that nothing is attached to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from opsbot.checks.capacity import words
from opsbot.checks.capacity.judge import Judged
from opsbot.checks.capacity.looked import Forecasts
from opsbot.checks.capacity.source import GIB, number
from opsbot.model.environment import Environment
from opsbot.model.report import Block, Cell, Column, Prose, Row, Section, Table
from opsbot.model.resource import Resource
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import clean, clip, count, plural, quantity

ROWS = 15
DAYS = 90
IDLE, HEADROOM = 0.35, 1.5
"""Used at most so far in ninety days; what would be left is half more than that."""
CALM = 0.05
VOLUME_USD = {"gp2": 0.10, "gp3": 0.08, "io1": 0.125, "io2": 0.125, "st1": 0.045, "sc1": 0.015, "standard": 0.05}
"""USD a GiB and month, us-east-1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """`usd` a month that it would save; None where its price is not known."""

    what: str
    used: str
    change: str
    usd: float | None
    advice: str


def section(all: Forecasts) -> Section:
    """What could be given back, the dearest first."""
    found = wastes(all)
    if not found:
        text = f"Nothing was found that is paid for and was hardly used in {DAYS} days."
        return Section(id="unused", title="Paid for, not used", status=Status.OK, blocks=(Prose(text=text),))
    saved = sum(one.usd or 0.0 for one in found)
    columns = (Column(title="Resource"), Column(title="Used at most", align="right", phone=False),
               Column(title="Change", phone=False),
               Column(title="Saves a month", align="right"))  # fmt: skip
    table: Block = Table(columns=columns, rows=tuple(_row(one) for one in found[:ROWS]))
    more = (Prose(text=f"{plural(len(found) - ROWS, 'other')} would save less."),) if len(found) > ROWS else ()
    return Section(
        id="unused",
        title="Paid for, not used",
        status=Status.OK,
        blocks=(table, *more),
        aside=f"{count(len(found))} in {DAYS} days: {words.usd(saved)} a month, list price of us-east-1",
    )


def wastes(all: Forecasts) -> Sequence[Waste]:
    """The dearest first."""
    found = [*_loose(all), *(waste for one in all.judged if (waste := _idle(one)) is not None)]
    return sorted(found, key=lambda one: (-(one.usd or 0.0), one.what))


def advice(all: Forecasts) -> list[Row]:
    """The same as things to do, where they save a dollar a month or more."""
    worth = [one for one in wastes(all) if (one.usd or 0.0) >= 1.0]
    return [
        Row(cells=(Cell(text=one.what), Cell(text=f"saves {words.usd(one.usd or 0.0)} a month")), note=f"{one.advice}.")
        for one in worth
    ]


def _row(one: Waste) -> Row:
    usd = "not known" if one.usd is None else words.usd(one.usd)
    return Row(cells=tuple(Cell(text=text) for text in (one.what, one.used, one.change, usd)))


def _loose(all: Forecasts) -> Iterator[Waste]:
    for environment, volume in all.loose:
        yield _volume(environment, volume)


def _volume(environment: Environment, volume: Resource) -> Waste:
    size, type = number(volume, "size_bytes") or 0.0, str(volume.fact("volume_type") or "")
    price = VOLUME_USD.get(type)
    return Waste(
        what=f"{clip(clean(environment.name), 28)} volume {clip(clean(volume.name), 44)}",
        used="not attached",
        change=f"{quantity(size, Unit.BYTES)} {clean(type)}, snapshot and delete",
        usd=None if price is None else price * size / GIB,
        advice="Snapshot the volume that nothing is attached to, then delete it",
    )


def _idle(one: Judged) -> Waste | None:
    """Storage and throughput only: a connection or a quota that is not used costs nothing."""
    paid = _allocated(one)
    if paid is None or one.outlook is None or one.outlook.p_breach_90d > CALM:
        return None
    recent = one.past.values[-DAYS:]
    known = recent[np.isfinite(recent)]
    top = float(known.max()) if known.size >= DAYS // 3 else paid
    if top > IDLE * paid:
        return None
    least = HEADROOM * top
    return Waste(
        what=words.full(one),
        used=f"{words.amount(one, top)} ({quantity(100 * top / paid, Unit.PERCENT)})",
        change=f"{words.amount(one, paid)} to {words.amount(one, least)}",
        usd=(one.track.source.usd or 0.0) * (paid - least),
        advice=_ADVICE[one.track.source.name],
    )


_ADVICE = {
    "rds-storage": "Move the database to smaller storage at its next blue/green deployment",
    "dynamodb-read": "Provision less, or make the table on-demand",
    "dynamodb-write": "Provision less, or make the table on-demand",
}


def _allocated(one: Judged) -> float | None:
    match one.track.source.name:
        case "rds-storage":
            return number(one.track.resource, "allocated_bytes")
        case "dynamodb-read":
            return number(one.track.resource, "read")
        case "dynamodb-write":
            return number(one.track.resource, "write")
        case _:
            return None
