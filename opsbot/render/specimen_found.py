"""What the sample report found: one finding of each kind, their names long, foreign and hostile."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from opsbot.model.environment import labels
from opsbot.model.finding import Finding
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render import specimen_drawn
from opsbot.render.specimen_drawn import AT

ENVIRONMENTS = (
    "shop-prod",
    "a-customer-with-a-very-long-name-production-eu-central-1",
    "東京-本番",
    "lecture-staging",
    "app.example.org",
    "بوابة-الدفع",
)


def _ago(**length: float) -> datetime:
    return AT - timedelta(**length)


def _finding(environment: str, check: str, title: str, resource: str, status: Status, **told: object) -> Finding:
    plain = Finding(
        check=check, environment=environment, resource=resource, status=status, at=AT, unit=Unit.PERCENT, title=title,
        area="platform", labels=labels(region="eu-central-1", tenant="shop", tier="production"),
    )  # fmt: skip
    return replace(plain, **told)  # type: ignore[arg-type]


def exceptions() -> tuple[Finding, ...]:
    """Worst first: two critical, one warning, one without data, one that is over."""
    return (
        _finding(
            ENVIRONMENTS[0], "ecs-cpu", "ECS CPU", "lecture-backend", Status.CRITICAL, value=93.1, limit=80.0,
            rule="> 80 % for 10m", since=_ago(hours=3), summary="CPU 93 % for 3 h, limit 80 %",
            means="Students wait for pages, and then time out.", owner="backend", runbook="high-load",
            evidence=(("metric", "AWS/ECS CPUUtilization"), ("statistic", "Average"), ("points", (92.4, 93.8, 93.1))),
            series=specimen_drawn.cpu(),
        ),
        _finding(
            ENVIRONMENTS[1], "api-latency", "API latency", "app/<!channel> & $x_{`}/b8c1f0e2d3a49586", Status.CRITICAL,
            unit=Unit.MILLISECONDS, value=1840.0, limit=500.0, rule="> 500 ms for 15m", since=_ago(hours=1, minutes=25),
            summary="p95 1.84 s for 1 h 25 min, limit 500 ms", means="Dashboards feel stuck.", owner="frontend",
            runbook="high-load", series=specimen_drawn.latency().series,
        ),
        _finding(
            ENVIRONMENTS[3], "disk", "Disk used", "i-0a1b2c3d4e5f60718:/var/lib/docker/overlay2/merged/data",
            Status.WARNING, value=88.0, limit=85.0, rule="> 85 %", since=_ago(hours=12),
            summary="disk 88 % used, limit 85 %", owner="platform", runbook="disk-full",
        ),
        _finding(
            ENVIRONMENTS[2], "ecs-memory", "ECS memory", "検索サービス", Status.UNKNOWN, since=_ago(days=4),
            summary="no points since Thu 12 Nov 03:10; the metric exists, its agent is silent",
        ),
        _finding(
            ENVIRONMENTS[4], "queue-age", "Oldest message", "ingest", Status.INFO, unit=Unit.SECONDS, value=12.0,
            summary="waited 37 min on Friday, over since Fri 13 Nov 16:40", evidence=(("recovered", True),),
        ),
    )  # fmt: skip


def security() -> tuple[Finding, ...]:
    return (
        _finding(
            ENVIRONMENTS[0], "certificate", "Certificate", "*.shop.example.org", Status.WARNING, unit=Unit.DAYS,
            value=8.0, limit=14.0, rule="< 14 d", since=_ago(days=6), owner="platform", runbook="certificate",
            summary="expires on 24 Nov, in 8 d; renewal waits for a DNS record",
            means="Browsers refuse the site from that day on.",
        ),
    )  # fmt: skip


def findings() -> tuple[Finding, ...]:
    """All of it with those that are well: what coverage counts."""
    well = tuple(
        _finding(name, "rds-storage", "Database storage", f"db-{n}", Status.OK, value=41.0)
        for name in (ENVIRONMENTS[0], ENVIRONMENTS[3], ENVIRONMENTS[5])
        for n in range(12)
    )
    return (*exceptions(), *security(), *well)
