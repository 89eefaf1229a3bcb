"""Asking CloudWatch for one batch: every page, every query's status, and what to do about those that failed.

No query is ever lost silently: after its last asking each one either has its points in the matrix or a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opsbot.aws.answers import Column, columns, notes
from opsbot.aws.errors import CALL_ERRORS, SHAPE_ERRORS, Failure, Family, translate
from opsbot.aws.meter import Meter
from opsbot.aws.plan import MAX_POINTS, Batch, Group
from opsbot.aws.price import billed_metrics
from opsbot.aws.questions import asked
from opsbot.aws.session import Access, asking, last_call
from opsbot.model.period import from_epoch
from opsbot.samples import Values

ACTION = "cloudwatch:GetMetricData"
ALONE = 10
"""Up to so many failed queries of a batch are asked again one by one; more of them together."""
NARROWER = 2
"""How often a batch that AWS throttles or fails on is cut before it is given up."""
MOST_CUTS = 30
"""Halvings of one group without a good answer between them, after which it is plain that everything is refused."""

_HALVED = {Family.THROTTLED, Family.SERVER, Family.REFUSED, Family.MALFORMED}
HOPELESS = {Family.DENIED, Family.CREDENTIALS, Family.REGION_OFF, Family.SKEW, Family.UNREACHABLE}
"""Families that every further batch of the same place would meet too."""


@dataclass(slots=True, kw_only=True)
class Filling:
    """A group while it is being read: its matrix, the reasons for what could not be read, how much is still out."""

    group: Group
    gaps: dict[int, str] = field(default_factory=dict)
    waiting: int = 0
    cuts: int = 0
    _values: Values | None = None

    @property
    def values(self) -> Values:
        """The matrix, made when it is first needed: a long plan's matrices would not fit into memory together."""
        if self._values is None:
            self._values = np.full((len(self.group.queries), self.group.count), np.nan)
        return self._values

    def let_go(self) -> None:
        """The matrix is with whoever took the reading."""
        self._values = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How one batch went: rows that cannot be read and why, and batches to be asked next."""

    batch: Batch
    gaps: dict[int, str]
    again: tuple[Batch, ...] = ()
    failure: Failure | None = None


def ask(access: Access, batch: Batch, values: Values, meter: Meter, *, recent: bool, away: bool) -> Answered:
    """One batch, all pages; points go straight into their rows of `values`. Never raises for what AWS does."""
    reading = _Pages(batch, values)
    try:
        with access.signed():
            _read(access, reading, meter, recent=recent)
    except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
        return failed(batch, translate(error, call=last_call(), away=away))
    return reading.outcome()


def failed(batch: Batch, failure: Failure) -> Answered:
    """A whole batch went wrong: cut it if that can help, otherwise say why for each of its rows."""
    cuttable = len(batch.rows) > 1 and failure.family in _HALVED
    if cuttable and (failure.family in {Family.REFUSED, Family.MALFORMED} or batch.halved < NARROWER):
        return Answered(batch=batch, gaps={}, again=batch.halves(), failure=failure)
    return Answered(batch=batch, gaps=dict.fromkeys(batch.rows, failure.message), failure=failure)


def _read(access: Access, reading: _Pages, meter: Meter, *, recent: bool) -> None:
    client = access.client("cloudwatch", reading.batch.group.region)
    request = _request(reading.batch)
    seen: set[str] = set()
    for number in range(4 * reading.batch.pages + 16):
        with (
            asking(reading.batch.points if number == 0 else 0, recent=recent),
            asked(client, reading.batch.queries) as queries,
        ):
            page = client.get_metric_data(MetricDataQueries=queries, **request)
        meter.read(metrics=billed_metrics(reading.batch.queries) if number == 0 else 0, datapoints=reading.take(page))
        token = page.get("NextToken")
        if not token:
            return
        if token in seen:
            reading.broke_off("CloudWatch repeated a page instead of going on")
            return
        seen.add(token)
        request["NextToken"] = token
    reading.broke_off("CloudWatch sent more pages than the window can hold")


def _request(batch: Batch) -> dict[str, Any]:
    group = batch.group
    return {
        "StartTime": from_epoch(group.start),
        "EndTime": from_epoch(group.start + group.step * group.count),
        "MaxDatapoints": MAX_POINTS,
    }


class _Pages:
    """The pages of one batch, as they come in."""

    def __init__(self, batch: Batch, values: Values) -> None:
        self.batch = batch
        self._values = values
        self._status: dict[int, str] = {}
        self._notes: dict[int, str] = {}
        self._general = ""
        self._broken = ""
        self._times: NDArray[np.float64] | None = None
        self._places: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._inside: NDArray[np.bool_] | None = None

    def take(self, page: Any) -> int:
        """Put a page's points into their rows; how many there were."""
        self._general = notes(page.get("Messages")) or self._general
        found = columns(page)
        for column in found:
            self._put(column)
        return sum(len(column.values) for column in found)

    def broke_off(self, why: str) -> None:
        self._broken = why

    def outcome(self) -> Answered:
        """Complete -> in the matrix. A failed or half-answered query is asked once more, then it is a gap."""
        unanswered = [row for row in self.batch.rows if self._status.get(row) != "Complete"]
        forbidden = {row for row in unanswered if self._status.get(row) == "Forbidden"}
        retry = [row for row in unanswered if row not in forbidden]
        if retry and not self.batch.again:
            gaps = {row: self._why(row) for row in forbidden}
            return Answered(batch=self.batch, gaps=gaps, again=tuple(_again(self.batch, retry)))
        return Answered(batch=self.batch, gaps={row: self._why(row) for row in unanswered})

    def _put(self, column: Column) -> None:
        place = int(column.id[1:])
        if not 0 <= place < len(self.batch.rows):
            raise ValueError(f"an answer to a query {column.id!r} that was not asked")
        row = self.batch.rows[place]
        if self._status.get(row, "PartialData") == "PartialData":
            self._status[row] = column.status
        self._notes[row] = column.notes or self._notes.get(row, "")
        if not len(column.values):
            return
        if column.times is not self._times:
            self._locate(column.times)
        self._fill(self._values[row], column.values)

    def _locate(self, times: NDArray[np.float64]) -> None:
        group = self.batch.group
        places = np.floor_divide(times - group.start, group.step)
        inside = (places >= 0) & (places < group.count)
        self._times = times
        self._inside = None if inside.all() else inside
        self._places = places[inside].astype(np.intp)

    def _fill(self, row: Values, values: Values) -> None:
        kept = values if self._inside is None else values[self._inside]
        row[self._places] = kept
        if not np.isfinite(kept).all():
            row[np.isinf(row)] = np.nan

    def _why(self, row: int) -> str:
        status = self._status.get(row, "")
        match status:
            case "Forbidden":
                why = f"{ACTION} is denied for this metric"
            case "InternalError":
                why = "CloudWatch failed on this metric twice"
            case "" | "PartialData":
                why = self._broken or (
                    "CloudWatch gave only a part of the points" if status else "CloudWatch left this metric unanswered"
                )
            case _:
                why = f"CloudWatch answered {status[:40]!r} for this metric"
        said = self._notes.get(row) or self._general
        return f"{why} ({said})" if said else why


def _again(batch: Batch, rows: Sequence[int]) -> Iterable[Batch]:
    parts = [[row] for row in rows] if len(rows) <= ALONE else [list(rows)]
    for part in parts:
        yield Batch(group=batch.group, rows=part, again=True, halved=batch.halved)
