"""The lines that the world would have left in its log groups: worked out for the window asked, from the signals that
make the metrics, so that the Errors metric is the number of ERROR lines. Nothing is kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from opsbot.replica.codec import Request
from opsbot.replica.insightlang import Row
from opsbot.replica.insightrun import WEIGHT
from opsbot.replica.population import dimensions
from opsbot.replica.services.lookup import here
from opsbot.replica.signals import GRID, fraction_of
from opsbot.replica.statistics import pool, statistic
from opsbot.replica.world import Buckets, Resource, SeriesId, World

LINE_BYTES = 210
"""What a line weighs on average."""
ATTACKER = "203.0.113.77"
"""Where the logins come from that are more than usual."""
_USUAL_LOGINS = 7
_COLD = 0.004
"""The share of invocations that start cold."""
_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The lines of one group in [start, end), newest first, and how many more there are that nobody would look for."""

    rows: list[Row]
    others: float = 0.0

    @property
    def scanned(self) -> float:
        return self.others + sum(float(row[WEIGHT] or 0) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The 300 s buckets that a window touches."""

    world: World
    start: int
    end: int

    @property
    def first(self) -> int:
        return self.start // GRID * GRID

    @property
    def buckets(self) -> int:
        return max(0, -(-(self.end - self.first) // GRID))

    def read(self, resource: Resource, namespace: str, name: str, **extra: str) -> Buckets | None:
        """What a metric of a resource did there; None where it has no such metric."""
        named = tuple(sorted((dimensions(resource) | extra).items()))
        signal = self.world.series(resource.account, resource.region).get(SeriesId(namespace, name, named))
        return signal.buckets(self.first, self.buckets, GRID) if signal is not None and self.buckets else None

    def events(self, resource: Resource, namespace: str, name: str) -> list[int]:
        """How many there were in each bucket, as the metric's Sum says."""
        found = self.read(resource, namespace, name)
        return [] if found is None else [round(one) for one in (found.count * found.mean).tolist()]


Told = Iterator[tuple[int, int, str]]
"""A bucket, how many lines, and what they say."""


def found(request: Request, group: str) -> tuple[str, Resource] | None:
    """Whose lines a group holds; None where there is no such group."""
    for prefix, kind, tail in _GROUPS:
        name = group.removeprefix(prefix).removesuffix(tail)
        if group == f"{prefix}{name}{tail}":
            owner = next((one for one in here(request, kind) if one.name == name), None)
            if owner is not None:
                return f"{prefix}{tail}", owner
    mine = next((one for one in here(request, "log-group") if one.name == group), None)
    return ("", mine) if mine is not None else None


def lines(request: Request, group: str, start: int, end: int) -> Lines | None:
    """The lines of a group in [start, end), none of them from the future; None where there is no such group."""
    owner = found(request, group)
    if owner is None:
        return None
    style, resource = owner
    stretch = Stretch(request.world, start, min(end, int(request.now.timestamp())))
    write = _WRITERS.get(style, _nothing)
    rows = [row for told in write(stretch, resource) for row in _row(stretch, request.account, group, *told)]
    rows.sort(key=lambda row: -float(row["@timestamp"] or 0))
    return Lines(rows=rows, others=_others(stretch, resource))


def _row(stretch: Stretch, account: str, group: str, bucket: int, count: int, text: str) -> Iterator[Row]:
    # Spread over its bucket by what it says, so that a bucket's lines do not all stand on one second.
    at = stretch.first + bucket * GRID + int(fraction_of(0, text[:80], str(bucket)) * GRID)
    if count > 0 and stretch.start <= at < stretch.end:
        row: Row = {"@timestamp": float(at), "@message": text, "@log": f"{account}:{group}", WEIGHT: float(count)}
        yield row | _report_fields(text)


def _others(stretch: Stretch, resource: Resource) -> float:
    """START, END and what an application says while all is well."""
    calls = sum(stretch.events(resource, "AWS/Lambda", "Invocations"))
    return 2.0 * calls if calls else 4.0 * max(0, stretch.end - stretch.start)


def _nothing(stretch: Stretch, resource: Resource) -> Told:
    yield from ()


def _function(stretch: Stretch, function: Resource) -> Told:
    for bucket, wrong in enumerate(stretch.events(function, "AWS/Lambda", "Errors")):
        rare = wrong // 8
        yield bucket, wrong - rare, f"[ERROR] KeyError: 'course_id' Traceback (most recent call last): {_TRACE}"
        yield bucket, rare, "[ERROR] ValueError: expected a grade from 1.0 to 5.0"
    yield from _reports(stretch, function)


_TRACE = 'File "/var/task/app.py", line 88'


def _reports(stretch: Stretch, function: Resource) -> Told:
    """REPORT lines whose durations are those of the metric: its mean, its quantiles, its slowest."""
    durations = stretch.read(function, "AWS/Lambda", "Duration")
    if durations is None:
        return
    alone = pool(durations, 1)
    slowest = statistic("Maximum")(alone)
    middle = [statistic(f"p{level * 100:g}")(alone) for level in _LEVELS]
    for bucket, calls in enumerate(durations.count.astype(int).tolist()):
        if calls:
            many = _split(calls - 1, len(_LEVELS))
            values = _with_mean([float(one[bucket]) for one in middle], many, float(durations.mean[bucket]) * calls
                                - float(slowest[bucket]))  # fmt: skip
            cold = round(calls * _COLD)
            yield from ((bucket, n, _report(function, ms)) for n, ms in zip(many, values, strict=True))
            yield bucket, 1, _report(function, float(slowest[bucket]), cold=cold > 0)


def _split(count: int, parts: int) -> list[int]:
    return [count * (place + 1) // parts - count * place // parts for place in range(parts)]


def _with_mean(values: list[float], counts: list[int], total: float) -> list[float]:
    """The values moved together so that they add up to the metric's sum."""
    have = sum(value * count for value, count in zip(values, counts, strict=True))
    return [value * total / have for value in values] if have > 0 and total > 0 else values


def _report(function: Resource, ms: float, *, cold: bool = False) -> str:
    memory = function.number("memory", 512)
    used = int(memory * (0.35 + 0.2 * fraction_of(1, function.account, function.name)))
    started = f"\tInit Duration: {180 + used:.2f} ms\t" if cold else "\t"
    name = f"{int(ms * 1000) % 2**32:08x}-0000-4000-8000-{int(ms):012x}"
    return (
        f"REPORT RequestId: {name}\tDuration: {ms:.3f} ms\tBilled Duration: {-(-ms // 1):.0f} ms"
        f"\tMemory Size: {memory} MB\tMax Memory Used: {used} MB{started}"
    )


def _report_fields(text: str) -> Row:
    """What Logs Insights finds by itself in a Lambda function's lines; memory in bytes, as AWS tells it."""
    if not text.startswith("REPORT"):
        return {"@type": None}
    parts = dict(part.split(": ", 1) for part in text.split("\t") if ": " in part)
    sizes = {"@memorySize": parts["Memory Size"], "@maxMemoryUsed": parts["Max Memory Used"]}
    times = {"@duration": parts["Duration"], "@billedDuration": parts["Billed Duration"]}
    if "Init Duration" in parts:
        times["@initDuration"] = parts["Init Duration"]
    row: Row = {"@type": "REPORT", "@requestId": parts["REPORT RequestId"]}
    row |= {name: float(value.split()[0]) * 1_000_000 for name, value in sizes.items()}
    return row | {name: float(value.split()[0]) for name, value in times.items()}


def _service(stretch: Stretch, service: Resource) -> Told:
    """A service that does not come up says so; what it says otherwise nobody counts."""
    planted = stretch.world.states.get((service.account, service.region, service.kind, service.name), ())
    windows = [one.window for one in planted if one.expect and one.metric in ("runningCount", "CPUUtilization")]
    for bucket in range(stretch.buckets):
        begin = stretch.first + bucket * GRID
        if any(window.spans(begin, begin + GRID) for window in windows):
            yield bucket, 4 + bucket % 2, "CannotPullContainerError: image not found: quiz-api:release-118"
            yield bucket, 1 + bucket % 2, "ERROR health check failed: connection refused"


def _slow(stretch: Stretch, database: Resource) -> Told:
    """Statements beyond a second, which is what both engines are told to log; a slow disk makes them."""
    latency = stretch.read(database, "AWS/RDS", "ReadLatency")
    seconds = latency.mean if latency is not None else np.zeros(0)
    for bucket, mean in enumerate(seconds.tolist()):
        slow = max(0, round((mean - 0.02) * 400))
        took = 1000 + 20_000 * mean
        yield bucket, slow, f"SLOW_QUERY duration: {took:.3f} ms  statement: CALL rebuild_course_ranking($1)"

    yield from _refused(stretch, database)


def _refused(stretch: Stretch, database: Resource) -> Told:
    """Connections that a full database turns away."""
    held = stretch.read(database, "AWS/RDS", "DatabaseConnections")
    most = database.number("max_connections")
    for bucket, mean in enumerate(held.mean.tolist() if held is not None and most else ()):
        refused = max(0, round((mean / most - 0.9) * 1000))
        yield bucket, refused, "FATAL:  sorry, too many clients already"


def _logins(stretch: Stretch, custom: Resource) -> Told:
    """Logins that failed, each with where it came from: a few from anywhere, what is more from one place."""
    for bucket, failed in enumerate(stretch.events(custom, "Platform/Security", "AuthenticationFailures")):
        usual = min(failed, _USUAL_LOGINS)
        for number in range(usual):
            host = 1 + (bucket * 7 + number * 31) % 250
            yield bucket, 1, _login(f"198.51.100.{host}", number)
        yield bucket, failed - usual, _login(ATTACKER, bucket)


def _login(source: str, number: int) -> str:
    return f'{{"level":"WARN","event":"AUTHENTICATION_FAILED","source":"{source}","user":"student-{number:04d}"}}'


_FIELDS = ("course_id", "grade", "enrolled_at")


def _rows_refused(stretch: Stretch, custom: Resource) -> Told:
    """Rows that data quality found wanting, and data that was lost."""
    score = stretch.read(custom, "Platform/Quality", "DataQualityScore")
    for bucket, mean in enumerate(score.mean.tolist() if score is not None else ()):
        for field, refused in zip(_FIELDS, _split(round(max(0.0, 100 - mean) * 2), len(_FIELDS)), strict=True):
            yield bucket, refused, f'{{"level":"WARN","event":"VALIDATION_FAILED","field":"{field}"}}'
    for bucket, lost in enumerate(stretch.events(custom, "Platform/Data", "DataLossEvents")):
        yield bucket, lost, '{"level":"CRITICAL","type":"DataLoss","message":"batch dropped after 5 attempts"}'


_Writer = Callable[[Stretch, Resource], Told]
_WRITERS: dict[str, _Writer] = {
    "/aws/lambda/": _function,
    "/ecs/": _service,
    "/aws/rds/instance//slowquery": _slow,
    "/aws/rds/instance//postgresql": _slow,
    "/platform//auth": _logins,
    "/platform//ingest": _rows_refused,
}
_GROUPS = (
    ("/aws/lambda/", "lambda-function", ""),
    ("/ecs/", "ecs-service", ""),
    ("/aws/rds/instance/", "rds-instance", "/slowquery"),
    ("/aws/rds/instance/", "rds-instance", "/postgresql"),
    ("/platform/", "custom-metric", "/auth"),
    ("/platform/", "custom-metric", "/ingest"),
)
