"""Logs Insights: queries started, asked for until they end, priced by what they scan, and stopped where that is too much."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from opsbot.aws.errors import CALL_ERRORS, SHAPE_ERRORS, translate
from opsbot.aws.flow import Flow
from opsbot.aws.meter import Meter
from opsbot.aws.price import usd
from opsbot.aws.session import Access, Sessions, last_call
from opsbot.model.period import epoch
from opsbot.ports import Estimate, LogAnswer, LogGroup, LogQuery

AT_ONCE = 20
"""Queries under way in one account and region: AWS lets 30 run in the older ones, dashboards and people among them."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
DEADLINE = 300.0
"""Seconds after which a query is stopped. AWS itself gives up after an hour, and no report waits for that."""
_GONE = "ResourceNotFoundException"
_RUNNING = ("Scheduled", "Running")
_CELL = 1_000
_Place = tuple[str, str]


def estimate(asks: Sequence[LogQuery]) -> Estimate:
    """What these queries will cost if the groups hold what they did. Each is asked for its result twice at least."""
    scanned = sum(ask.bytes for ask in asks)
    calls = (("logs:GetQueryResults", 2 * len(asks)), ("logs:StartQuery", len(asks))) if asks else ()
    return Estimate(calls=calls, metrics=0, datapoints=0, usd=usd(metrics=0, log_bytes=scanned), log_bytes=scanned)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What is left of a query where money ends: `asked` without the groups that `gaps` refuses; None if none is left."""

    query: LogQuery
    asked: LogQuery | None
    gaps: Mapping[str, str]


def affordable(asks: Sequence[LogQuery], most: float | None) -> list[Trimmed]:
    """What may be asked for `most` USD: the cheapest groups first, so that one that is huge costs nobody but itself."""
    if most is None:
        return [Trimmed(ask, ask, {}) for ask in asks]
    refused: dict[int, dict[str, str]] = {place: {} for place in range(len(asks))}
    spent = 0.0
    priced = ((_price(ask, group), place, group) for place, ask in enumerate(asks) for group in ask.groups)
    for price, place, group in sorted(priced, key=lambda one: one[0]):
        spent += price
        if spent > most:
            refused[place][group.name] = f"not asked: it would cost about ${price:.2f}, {_raise(most)}"
    return [_trimmed(ask, refused[place]) for place, ask in enumerate(asks)]


def _price(ask: LogQuery, group: LogGroup) -> float:
    return usd(metrics=0, log_bytes=group.bytes_in(ask.window.length.total_seconds()))


def _trimmed(ask: LogQuery, gaps: Mapping[str, str]) -> Trimmed:
    kept = tuple(group for group in ask.groups if group.name not in gaps)
    return Trimmed(ask, replace(ask, groups=kept) if kept else None, gaps)


def _raise(most: float) -> str:
    return f"and logs may cost ${most:.2f} a run; raise defaults.max_usd_per_run, or name fewer log groups"


@dataclass(slots=True, kw_only=True)
class Queries:
    """Runs queries. `most` is what they may cost together in USD; `wait` is given so that tests need no waiting."""

    sessions: Sessions
    pool: ThreadPoolExecutor
    meter: Meter
    most: float | None = None
    deadline: float = DEADLINE
    wait: Callable[[float], None] = time.sleep
    _before: float = 0.0
    _under_way: Counter[_Place] = field(default_factory=Counter)

    def run(self, asks: Sequence[LogQuery]) -> Iterator[LogAnswer]:
        """One answer for each, as they are ready."""
        self._before = self.meter.logs_usd()
        flow: Flow[LogAnswer] = Flow(self.pool)
        trimmed = affordable(asks, self.most)
        yield from (LogAnswer(query=one.query, gaps=one.gaps) for one in trimmed if one.asked is None)
        waiting = deque(one for one in trimmed if one.asked is not None)
        self._start(flow, waiting)
        for answer in flow:
            self._under_way[_place(answer.query)] -= 1
            self._start(flow, waiting)
            yield answer

    def _start(self, flow: Flow[LogAnswer], waiting: deque[Trimmed]) -> None:
        for _ in range(len(waiting)):
            one = waiting.popleft()
            if self._under_way[_place(one.query)] < AT_ONCE:
                self._under_way[_place(one.query)] += 1
                flow.start(partial(self._whole, one))
            else:
                waiting.append(one)

    def _whole(self, one: Trimmed) -> LogAnswer:
        """In the pool: the answer to the query as it was asked."""
        found = self._answered(one.asked or one.query)
        return replace(found, query=one.query, gaps={**one.gaps, **found.gaps})

    def _answered(self, ask: LogQuery) -> LogAnswer:
        """In the pool."""
        try:
            access = self.sessions.open(ask.environment)
        except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
            return _failed(ask, translate(error, call=last_call()).message)
        with access.signed():
            return self._asked(access, ask)

    def _asked(self, access: Access, ask: LogQuery) -> LogAnswer:
        """Halved where a group is gone meanwhile: one of fifty that does not exist refuses them all."""
        if self._too_much():
            return _failed(ask, f"not asked: what was scanned before cost more than expected, {_raise(self.most or 0)}")
        try:
            return self._read(access, ask)
        except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
            failure = translate(error, call=last_call(), away=ask.region != ask.environment.home_region)
            if failure.code != _GONE or len(ask.groups) == 1:
                return _failed(ask, failure.message)
        middle = len(ask.groups) // 2
        halves = [self._asked(access, replace(ask, groups=part)) for part in (ask.groups[:middle], ask.groups[middle:])]
        return LogAnswer(
            query=ask,
            rows=tuple(row for half in halves for row in half.rows),
            gaps={name: why for half in halves for name, why in half.gaps.items()},
            bytes=sum(half.bytes for half in halves),
        )

    def _read(self, access: Access, ask: LogQuery) -> LogAnswer:
        client = access.client("logs", ask.region)
        started = client.start_query(
            logGroupNames=[group.name for group in ask.groups],
            startTime=epoch(ask.window.start),
            # Both ends belong to what AWS searches.
            endTime=epoch(ask.window.end) - 1,
            queryString=ask.text,
            limit=ask.limit,
        )
        return self._polled(client, str(started["queryId"]), ask)

    def _polled(self, client: Any, query: str, ask: LogQuery) -> LogAnswer:
        began, pause, seen = time.monotonic(), FIRST_PAUSE, 0.0
        while True:
            answer = client.get_query_results(queryId=query)
            scanned = max(seen, _scanned(answer))
            self.meter.scanned(scanned - seen)
            seen, status = scanned, str(answer.get("status"))
            if status == "Complete":
                return LogAnswer(query=ask, rows=_rows(answer), bytes=seen)
            if status not in _RUNNING:
                return _failed(ask, f"Logs Insights ended the query as {status[:40]}", seen)
            late = time.monotonic() - began > self.deadline
            if late or self._too_much():
                client.stop_query(queryId=query)
                why = (
                    f"it did not end in {self.deadline:g} s"
                    if late
                    else f"it costs more than expected, {_raise(self.most or 0)}"
                )
                return _failed(ask, f"stopped: {why}", seen)
            self.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _too_much(self) -> bool:
        """What groups store is a guess of what a window of them holds: it may be more."""
        return self.most is not None and self.meter.logs_usd() - self._before > self.most


def _place(ask: LogQuery) -> _Place:
    return ask.environment.name, ask.region


def _failed(ask: LogQuery, why: str, bytes: float = 0.0) -> LogAnswer:
    return LogAnswer(query=ask, gaps={group.name: why for group in ask.groups}, bytes=bytes)


def _scanned(answer: Mapping[str, Any]) -> float:
    scanned = (answer.get("statistics") or {}).get("bytesScanned") or 0.0
    return float(scanned) if float(scanned) >= 0 else 0.0


def _rows(answer: Mapping[str, Any]) -> tuple[dict[str, str], ...]:
    """Rows as AWS wrote them, each cell cut to what anybody reads."""
    return tuple(
        {str(cell["field"]): str(cell.get("value") or "")[:_CELL] for cell in row if cell.get("field") != "@ptr"}
        for row in answer.get("results") or ()
    )
