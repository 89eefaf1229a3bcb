"""A believable morning: 10 environments, 400 resources, eight causes of trouble, blind spots, recoveries."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opsbot.model.environment import labels
from opsbot.model.finding import Finding, Series
from opsbot.model.period import Period, epoch
from opsbot.model.status import Status
from opsbot.model.units import Unit

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
WINDOW = Period(start=NOW - timedelta(hours=24), end=NOW)
ENVIRONMENTS = (
    "dhbw-prod",
    "edt-prod",
    "unilux-prod",
    "gva-prod",
    "santillana-prod",
    "educaria-prod",
    "ufv-prod",
    "edtufv-prod",
    "shop-analytics",
    "data-platform",
)
# check, title, area, kind, unit, resources an environment has
KINDS = (
    (
        "ecs-cpu",
        "ECS CPU",
        "ecs",
        "ecs-service",
        Unit.PERCENT,
        ("lecture-backend", "lecture-frontend", "transcoder", "search", "auth"),
    ),
    (
        "ecs-memory",
        "ECS memory",
        "ecs",
        "ecs-service",
        Unit.PERCENT,
        ("lecture-backend", "lecture-frontend", "transcoder", "search", "auth"),
    ),
    (
        "lambda-errors",
        "Lambda errors",
        "lambda",
        "lambda-function",
        Unit.PERCENT,
        ("ingest", "notify", "thumbnail", "export", "webhook", "cleanup"),
    ),
    ("rds-storage", "Database storage", "database", "rds-instance", Unit.PERCENT, ("lectures", "events")),
    ("rds-connections", "Database connections", "database", "rds-instance", Unit.PERCENT, ("lectures", "events")),
    ("api-latency", "API latency", "api", "alb", Unit.MILLISECONDS, ("app/public", "app/internal")),
    ("queue-age", "Oldest message", "queue", "sqs-queue", Unit.SECONDS, ("ingest", "mail", "dead-letters")),
    ("certificate", "Certificate", "certs", "acm-certificate", Unit.DAYS, ("*.lectures.example.org",)),
    ("s3-errors", "S3 errors", "storage", "s3-bucket", Unit.PERCENT, ("media", "exports")),
    ("cdn-errors", "CDN errors", "cdn", "cloudfront-distribution", Unit.PERCENT, ("E1MEDIA",)),
    ("disk", "Disk used", "host", "cwagent-disk", Unit.PERCENT, ("i-0a1:/", "i-0a1:/data")),
    ("availability", "Availability", "platform", "metric", Unit.PERCENT, ("platform",)),
    ("uploads", "Uploads", "business", "metric", Unit.PERCENT, ("uploads",)),
    ("glue-jobs", "Glue runs failed", "data", "glue-job", Unit.COUNT, ("nightly-load", "dedupe")),
    (
        "alarms",
        "Alarms",
        "alarms",
        "cloudwatch-alarm",
        Unit.COUNT,
        ("api-5xx", "dlq-depth", "cpu-high", "budget", "login-failures"),
    ),
)


def series(
    level: float,
    peak: float,
    started: datetime,
    *,
    step: int = 300,
    ramp: int = 1800,
    swing: float = 0.15,
    gaps: Sequence[int] = (),
) -> Series:
    """A day that hums around `level` and leaves for `peak` when trouble starts; the last four points are unsettled."""
    start, count = epoch(WINDOW.start), int(WINDOW.length.total_seconds()) // step
    times = range(start, start + count * step, step)

    chance = random.Random(count + round(peak * 100))
    hum = swing * min(level, abs(100 - level)) if peak <= 100 else swing * level
    drift = 0.0

    def value(place: int, at: int) -> float | None:
        nonlocal drift
        drift = 0.8 * drift + chance.gauss(0, 0.35)
        rise = min(1.0, max(0.0, (at - epoch(started)) / ramp + 0.5))
        here = (
            level
            + (peak - level) * rise
            + hum * (math.sin((at / 86400 - 0.4) * 2 * math.pi) * (1 - rise) + drift * 0.5 * (place < count - 8))
        )
        return None if place in gaps else here

    return Series(times=times, values=tuple(value(i, at) for i, at in enumerate(times)), judged=count - 4)


def finding(environment: str, check: str, resource: str, status: Status, **told: object) -> Finding:
    name, title, area, kind, unit, _ = next(row for row in KINDS if row[0] == check)
    about = labels(kind=kind, region="eu-central-1", tenant=environment.partition("-")[0], tier="production")
    plain = Finding(
        check=name,
        environment=environment,
        resource=resource,
        status=status,
        at=NOW,
        unit=unit,
        title=title,
        area=area,
        labels=about,
    )
    return replace(plain, **told)  # type: ignore[arg-type]


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def _evidence(metric: str, statistic: str, *points: float) -> tuple[tuple[str, object], ...]:
    return (("metric", metric), ("statistic", statistic), ("period_seconds", 300), ("points", points))


def exceptions() -> tuple[Finding, ...]:
    cpu = _evidence("AWS/ECS CPUUtilization", "Average", 92.4, 93.8, 93.1)
    return (
        finding(
            "dhbw-prod",
            "ecs-cpu",
            "lecture-backend",
            Status.CRITICAL,
            value=93.1,
            limit=80.0,
            rule="> 80 % for 10m",
            since=ago(hours=3),
            summary="CPU 93 % for 3 h, limit 80 %",
            means="Students wait for pages, and then time out.",
            owner="backend",
            runbook="high-load",
            evidence=cpu,
            series=series(46, 93, ago(hours=3)),
        ),
        finding(
            "data-platform",
            "rds-storage",
            "events",
            Status.CRITICAL,
            value=94.2,
            limit=90.0,
            rule="> 90 %",
            since=ago(hours=9),
            summary="storage 94 % used, 18 GiB left, limit 90 %",
            means="The database stops taking writes when it is full.",
            owner="platform-db",
            runbook="storage-full",
            evidence=_evidence("AWS/RDS FreeStorageSpace", "Minimum", 93.9, 94.0, 94.2),
            series=series(86, 94.2, ago(hours=9), ramp=60000, swing=0.02),
        ),
        finding(
            "shop-analytics",
            "api-latency",
            "app/public",
            Status.CRITICAL,
            value=1840.0,
            limit=500.0,
            rule="> 500 ms for 15m",
            since=ago(hours=1, minutes=25),
            summary="p95 1.84 s for 1 h 25 min, limit 500 ms",
            means="Dashboards feel stuck.",
            owner="frontend",
            runbook="slow-api",
            evidence=_evidence("AWS/ApplicationELB TargetResponseTime", "p95", 1790.0, 1822.0, 1840.0),
            series=series(240, 1840, ago(hours=1, minutes=25), gaps=range(60, 80)),
        ),
        finding(
            "edt-prod",
            "lambda-errors",
            "ingest",
            Status.WARNING,
            value=7.2,
            limit=5.0,
            rule="> 5 % for 15m",
            since=ago(hours=5),
            summary="errors 7.2 % of 12,400 calls, limit 5 %",
            means="Uploaded lectures are not processed.",
            owner="ingest",
            runbook="lambda-errors",
            evidence=_evidence("errors / invocations * 100", "Sum", 6.9, 7.4, 7.2),
            series=series(0.8, 7.2, ago(hours=5)),
        ),
        finding(
            "dhbw-prod",
            "certificate",
            "*.lectures.example.org",
            Status.WARNING,
            value=8.0,
            limit=14.0,
            rule="< 14 d",
            since=ago(days=6),
            summary="expires on 28 Nov, in 8 d; renewal waits for a DNS record",
            means="Browsers refuse the site from that day on.",
            owner="platform",
            runbook="certificate",
        ),
        finding(
            "shop-analytics",
            "queue-age",
            "ingest",
            Status.WARNING,
            value=2220.0,
            limit=900.0,
            rule="> 15 min for 15m",
            since=ago(hours=2),
            summary="oldest message waits 37 min, limit 15 min",
            means="Recordings appear late.",
            owner="ingest",
            runbook="queue-backlog",
            series=series(40, 2220, ago(hours=2)),
        ),
        finding(
            "edt-prod",
            "availability",
            "platform",
            Status.WARNING,
            value=99.42,
            limit=99.9,
            rule="< 99.9 % for 30m",
            since=ago(hours=4),
            summary="availability 99.42 % for 4 h, limit 99.9 %",
            means="One request in 170 fails.",
            owner="backend",
            runbook="system-down",
            series=series(99.97, 99.42, ago(hours=4)),
        ),
        finding(
            "data-platform",
            "glue-jobs",
            "nightly-load",
            Status.WARNING,
            value=2.0,
            limit=0.0,
            rule="> 0",
            since=ago(hours=6),
            summary="2 of 3 runs failed; last: out of memory at 01:04",
            means="Yesterday's figures are missing.",
            owner="data",
            runbook="glue-failed",
        ),
        *(
            finding(
                "santillana-prod",
                "disk",
                f"i-0{n}:/data",
                Status.WARNING,
                value=86.0 + n,
                limit=85.0,
                rule="> 85 %",
                since=ago(hours=12 - n),
                summary=f"disk {86 + n} % used, limit 85 %",
                means="Uploads fail when the disk is full.",
                owner="platform",
                runbook="disk-full",
                series=series(80, 86 + n, ago(hours=12 - n), ramp=40000, swing=0.02),
            )
            for n in range(6)
        ),
    )


def blind() -> tuple[Finding, ...]:
    names = next(row[5] for row in KINDS if row[0] == "ecs-memory")
    silent = "no points since Thu 12 Nov 03:10; the metric exists, its agent is silent"
    lost = Finding(
        check="credentials",
        environment="educaria-prod",
        resource="210987654321",
        status=Status.UNKNOWN,
        at=NOW,
        unit=Unit.COUNT,
        title="Account",
        area="platform",
        summary="AccessDenied: the role does not trust this account (sts:AssumeRole)",
        means="Nothing of this environment was seen.",
        runbook="no-access",
        owner="platform",
    )
    return (
        lost,
        *(
            finding("edtufv-prod", "ecs-memory", name, Status.UNKNOWN, summary=silent, since=ago(days=8))
            for name in names
        ),
        finding("data-platform", "glue-jobs", "dedupe", Status.UNKNOWN, summary="glue:GetJobRuns denied"),
    )


def notes() -> tuple[Finding, ...]:
    back = (("recovered", True), ("ended", 1795106400))
    return (
        finding(
            "edt-prod",
            "ecs-cpu",
            "transcoder",
            Status.INFO,
            value=41.0,
            limit=80.0,
            summary="CPU was above 80 % for 50 min, over since 16:40",
            evidence=back,
        ),
        finding(
            "ufv-prod",
            "api-latency",
            "app/internal",
            Status.INFO,
            value=120.0,
            limit=500.0,
            summary="p95 was above 500 ms for 20 min, over since 22:05",
            evidence=back,
        ),
        finding(
            "dhbw-prod",
            "rds-connections",
            "events",
            Status.INFO,
            value=58.0,
            limit=80.0,
            summary="grew by a third since last week",
        ),
    )


def findings() -> tuple[Finding, ...]:
    """Everything, the OK ones too."""
    spoken = (*exceptions(), *blind(), *notes())
    taken = {(f.environment, f.check, f.resource) for f in spoken}
    well = tuple(
        finding(environment, row[0], resource, Status.OK, value=20.0)
        for environment in ENVIRONMENTS
        if environment != "educaria-prod"
        for row in KINDS
        for resource in row[5]
        if (environment, row[0], resource) not in taken
    )
    return tuple(sorted((*spoken, *well), key=lambda f: (f.environment, f.check, f.resource)))


def green() -> tuple[Finding, ...]:
    """A morning with nothing to tell."""
    return tuple(
        finding(environment, row[0], resource, Status.OK, value=20.0)
        for environment in ENVIRONMENTS
        for row in KINDS
        for resource in row[5]
    )
