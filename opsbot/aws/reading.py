"""A plan being read: batches out, matrices filling, Readings handed over as soon as an Ask is complete."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from opsbot.aws.errors import CALL_ERRORS, Failure, translate
from opsbot.aws.flow import Flow
from opsbot.aws.meter import Meter
from opsbot.aws.metrics import HOPELESS, MOST_CUTS, Answered, Filling, ask
from opsbot.aws.pace import POINTS, RECENT_SECONDS, Pace
from opsbot.aws.plan import Batch, Group, Place, Plan
from opsbot.aws.session import Access, Sessions, last_call
from opsbot.model.environment import Environment
from opsbot.ports import Ask, MetricQuery, Reading
from opsbot.samples import Grid, Values

_Step = Callable[[], None]

MOST_ANSWERS = 6
"""Pages of 3 MB on their way at once: more come in than can be read, and only hold memory."""


class Readings:
    """Reads one plan. All bookkeeping happens in the thread that iterates; the pool only asks."""

    def __init__(self, plan: Plan, sessions: Sessions, pool: ThreadPoolExecutor, meter: Meter, threads: int) -> None:
        self._plan = plan
        self._sessions = sessions
        self._meter = meter
        self._flow: Flow[_Step] = Flow(pool)
        self._fillings = {group: Filling(group=group) for group in plan.groups}
        self._queues: dict[Place, deque[Batch]] = defaultdict(deque)
        self._under_way: dict[Place, int] = defaultdict(int)
        self._hopeless: dict[Place, Failure] = {}
        self._now = time.time()
        self._open_asks = [len(groups) for groups in plan.groups_of]
        self._asks_of: dict[Group, list[int]] = defaultdict(list)
        self._complete: deque[int] = deque()
        for batch in plan.batches:
            self._queues[batch.group.place].append(batch)
            self._fillings[batch.group].waiting += 1
        # One place must not fill the pool with calls that wait for its own quota.
        most = min(threads, MOST_ANSWERS)
        self._threads = most if len(self._queues) <= 1 else max(2, most // 2)
        self._most: dict[Place, int] = {}
        self._access: dict[Place, Access] = {}

    def __iter__(self) -> Iterator[tuple[Reading, ...]]:
        for number, groups in enumerate(self._plan.groups_of):
            for group in groups:
                self._asks_of[group].append(number)
            if not groups:
                self._complete.append(number)
        for group, filling in self._fillings.items():
            if not filling.waiting:
                self._close(group)
        self._sign_in()
        yield from self._handed_over()
        for step in self._flow:
            step()
            yield from self._handed_over()

    def _sign_in(self) -> None:
        waiting = dict.fromkeys(batch.group.environment for batch in self._plan.batches)
        for environment in waiting:
            access = self._sessions.opened(environment)
            if access is None:
                self._flow.start(lambda environment=environment: self._opened(environment))  # type: ignore[misc]
            else:
                self._begin(access)

    def _opened(self, environment: Environment) -> _Step:
        """In the pool."""
        try:
            access = self._sessions.open(environment)
        except CALL_ERRORS as error:
            failure = translate(error, call=last_call())
            return lambda: self._shut_out(environment, failure)
        return lambda: self._begin(access)

    def _begin(self, access: Access) -> None:
        for place in self._places(access.environment):
            self._announce(access.pace(place[1]), place)
            self._access[place] = access
        self._go_on()

    def _announce(self, pace: Pace, place: Place) -> None:
        queue = self._queues[place]
        points: dict[bool, int] = defaultdict(int)
        for batch in queue:
            points[self._recent(batch.group)] += batch.points
        at_once = [pace.expect(total, recent=recent) for recent, total in points.items()]
        # A long plan leaves at the quota's speed: more answers under way than that would only hold memory.
        enough = 2 * POINTS * len(queue) / max(1, sum(points.values()))
        self._most[place] = self._threads if all(at_once) else min(self._threads, max(4, int(enough)))

    def _shut_out(self, environment: Environment, failure: Failure) -> None:
        for place in self._places(environment):
            self._give_up(place, failure)

    def _places(self, environment: Environment) -> list[Place]:
        return [place for place in self._queues if place[0] == environment.name]

    def _recent(self, group: Group) -> bool:
        return group.start > self._now - RECENT_SECONDS

    def _go_on(self) -> None:
        """Ask more, the places in their order: one that is finished early lets go of its matrix early."""
        free = MOST_ANSWERS - sum(self._under_way.values())
        for place, access in self._access.items():
            queue = self._queues[place]
            while free > 0 and queue and self._under_way[place] < self._most[place]:
                batch = queue.popleft()
                self._under_way[place] += 1
                free -= 1
                values = self._fillings[batch.group].values
                self._flow.start(partial(self._ask, access, batch, values))

    def _ask(self, access: Access, batch: Batch, values: Values) -> _Step:
        """In the pool."""
        group = batch.group
        away = group.region != group.environment.home_region
        answered = ask(access, batch, values, self._meter, recent=self._recent(group), away=away)
        return lambda: self._take(answered)

    def _take(self, answered: Answered) -> None:
        group = answered.batch.group
        place = group.place
        self._under_way[place] -= 1
        self._settle(answered)
        if answered.failure is not None and answered.failure.family in HOPELESS:
            self._give_up(place, answered.failure)
        self._go_on()

    def _settle(self, answered: Answered) -> None:
        group = answered.batch.group
        filling = self._fillings[group]
        filling.gaps.update(answered.gaps)
        filling.waiting -= 1
        filling.cuts = filling.cuts + 1 if answered.failure is not None else 0
        if answered.failure is not None and (filling.cuts > MOST_CUTS or group.place in self._hopeless):
            filling.gaps.update(dict.fromkeys(answered.batch.rows, answered.failure.message))
        else:
            # Ahead of what was not asked yet: what is left of an Ask should not wait for all the others.
            self._queues[group.place].extendleft(reversed(answered.again))
            filling.waiting += len(answered.again)
        if not filling.waiting:
            self._close(group)

    def _give_up(self, place: Place, failure: Failure) -> None:
        self._hopeless[place] = failure
        queue = self._queues[place]
        while queue:
            batch = queue.popleft()
            self._settle(Answered(batch=batch, gaps=failed_rows(batch, failure)))

    def _close(self, group: Group) -> None:
        for number in self._asks_of[group]:
            self._open_asks[number] -= 1
            if not self._open_asks[number]:
                self._complete.append(number)

    def _handed_over(self) -> Iterator[tuple[Reading, ...]]:
        while self._complete:
            number = self._complete.popleft()
            asked, groups = self._plan.asks[number], self._plan.groups_of[number]
            yield tuple(_reading(asked, self._fillings[group]) for group in groups)
            for group in groups:
                self._asks_of[group].remove(number)
                if not self._asks_of[group]:
                    self._fillings[group].let_go()


def failed_rows(batch: Batch, failure: Failure) -> dict[int, str]:
    return dict.fromkeys(batch.rows, failure.message)


def _reading(asked: Ask, filling: Filling) -> Reading:
    """The part of a group that one Ask wanted; the matrix is shared, not copied."""
    group = filling.group
    rows: dict[MetricQuery, int] = {}
    gaps: dict[MetricQuery, str] = {}
    for query in dict.fromkeys(query for query in asked.queries if query.period == group.step):
        row = group.rows[query]
        if row in filling.gaps:
            gaps[query] = filling.gaps[row]
        else:
            rows[query] = row
    return Reading(
        ask=asked, grid=Grid(start=group.start, step=group.step, values=filling.values), rows=rows, gaps=gaps
    )
