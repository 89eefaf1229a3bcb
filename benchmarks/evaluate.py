"""How long judging takes: 100,000 series of a day at 5 minutes, and what their findings weigh.

    python benchmarks/evaluate.py

Targets: 1.5 s of one core for rules over 100,000 x 288 points; 100 MB for 100,000 findings that say all is well.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from opsbot.checks import KINDS
from opsbot.checks.catalogue import load
from opsbot.checks.kind import Subject, When, Work
from opsbot.checks.matching import subject
from opsbot.evaluate import threshold
from opsbot.model.check import Check, Missing, Rule
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.model.resource import Resource
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.ports import Ask, MetricQuery, Reading
from opsbot.samples import Grid

ROWS, COLUMNS, STEP = 100_000, 288, 300
NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
RULES = (
    Rule.parse(Status.CRITICAL, "> 95 % for 10m", Unit.PERCENT),
    Rule.parse(Status.WARNING, "> 80 % for 10m", Unit.PERCENT),
)


def estate() -> Grid:
    """Mostly well: 1 % missing points, 0.2 % of the rows too high now, 0.5 % were for an hour, 2 % had one spike."""
    random = np.random.default_rng(7)
    values = random.normal(40.0, 8.0, (ROWS, COLUMNS)).clip(0, 78)
    values[random.random((ROWS, COLUMNS)) < 0.01] = np.nan
    values[:200, -36:] = 93.0
    values[200:700, 100:112] = 97.0
    values[700:2700, 50] = 99.0
    start = int((NOW - timedelta(hours=24)).timestamp())
    return Grid(start=start, step=STEP, values=values)


def judged(grid: Grid) -> int:
    """Rules, then the walk of each breaching row, then what was over before."""
    verdicts = threshold.judge(grid, RULES, Missing.UNKNOWN)
    for row in np.flatnonzero(verdicts >= 0).tolist():
        threshold.trace(grid.values[row], RULES[int(verdicts[row])], Missing.UNKNOWN, grid.period)
    threshold.episodes(grid, RULES, Missing.UNKNOWN, np.flatnonzero(verdicts == threshold.OK))
    return int((verdicts >= 0).sum())


def work(grid: Grid) -> Work:
    """One check on every row, as `observe` would hand it over."""
    environment = Environment(name="bench", regions=("eu-central-1",), tenant="bench", tier="production")
    check = next(one for one in load([], [environment])[0].checks if one.name == "ecs-cpu")
    subjects = [subject(environment, _service(place)) for place in range(ROWS)]
    queries = [_queries(check, one) for one in subjects]
    period = Period(start=NOW - timedelta(hours=24), end=NOW)
    ask = Ask(environment=environment, region="eu-central-1", window=period, queries=())
    rows = {query[0]: place for place, query in enumerate(queries)}
    reading = Reading(ask=ask, grid=grid, rows=rows, gaps={})
    return Work(check=check, subjects=subjects, queries=queries, reading=reading, when=When(now=NOW, window=period))


def _queries(check: Check, one: Subject) -> tuple[MetricQuery, ...]:
    planned = KINDS[check.kind].plan(check, one)
    assert not isinstance(planned, str)
    return planned


def _service(place: int) -> Resource:
    dimensions = (("ClusterName", "main"), ("ServiceName", f"service-{place}"))
    return Resource(kind="ecs-service", name=f"service-{place}", region="eu-central-1", dimensions=dimensions)


def timed(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> int:
    grid = estate()
    seconds = min(timed(lambda: judged(grid)) for _ in range(3))
    whole = work(grid)
    tracemalloc.start()
    findings = list(KINDS["metric"].evaluate(whole))
    megabytes = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    full = timed(lambda: list(KINDS["metric"].evaluate(whole)))
    rows = [
        ("rules, since, recovered: 100,000 x 288", f"{seconds:.2f} s CPU", "1.50 s", seconds <= 1.5),
        ("the same to findings with words and series", f"{full:.2f} s CPU", "3.00 s", full <= 3.0),
        ("memory of 100,000 findings", f"{megabytes:.0f} MB", "100 MB", megabytes <= 100),
    ]
    print(f"{'evaluate':<46}{'measured':>12}  {'target':>8}")
    for name, measured, target, kept in rows:
        print(f"{name:<46}{measured:>12}  {target:>8}  {'ok' if kept else 'MISSED'}")
    print(f"{len(findings):,} findings, {sum(one.status is not Status.OK for one in findings):,} of them not ok")
    return 0 if all(row[3] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
