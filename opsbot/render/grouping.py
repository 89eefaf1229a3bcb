"""One cause over many resources reads as one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from opsbot.model.finding import Finding
from opsbot.model.status import Status
from opsbot.render.format import clean, clip, count

MORE_THAN = 4
_NOUNS = {
    "ecs-service": "services",
    "eks-cluster": "clusters",
    "lambda-function": "functions",
    "rds-instance": "instances",
    "rds-cluster": "clusters",
    "alb": "load balancers",
    "alb-target-group": "target groups",
    "api-rest": "APIs",
    "api-http": "APIs",
    "s3-bucket": "buckets",
    "cloudfront-distribution": "distributions",
    "elasticache-node": "nodes",
    "dms-task": "tasks",
    "batch-queue": "queues",
    "sqs-queue": "queues",
    "glue-job": "jobs",
    "glue-crawler": "crawlers",
    "ec2-instance": "instances",
    "cwagent-disk": "disks",
    "dynamodb-table": "tables",
    "acm-certificate": "certificates",
    "cloudwatch-alarm": "alarms",
    "cfn-stack": "stacks",
    "synthetics-canary": "canaries",
    "service-quota": "quotas",
}


def worst_first(finding: Finding) -> tuple[int, float, str, str, str]:
    """Sorts by status, then by how far beyond the limit, then by name: the same findings, the same order."""
    return (-finding.status.rank, -_excess(finding), finding.environment, finding.check, finding.resource)


def _excess(finding: Finding) -> float:
    """How many times the limit; 1 where that says nothing."""
    value, limit = finding.value, finding.limit
    if value is None or not limit or value != value or value / limit <= 0:
        return 1.0
    return value / limit if value >= limit else limit / value


def grouped(findings: Iterable[Finding], more_than: int = MORE_THAN) -> tuple[Finding, ...]:
    """Worst first; more than `more_than` findings of one check in one environment become one line."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in sorted(findings, key=worst_first):
        groups.setdefault((finding.environment, finding.check), []).append(finding)
    lines: list[Finding] = []
    for group in groups.values():
        lines.extend([_merged(group)] if len(group) > more_than else group)
    return tuple(sorted(lines, key=worst_first))


def _merged(group: Sequence[Finding]) -> Finding:
    """The group's worst finding, speaking for all of them; `resource` says how many, the evidence names them."""
    worst = group[0]
    names = tuple(sorted(finding.resource for finding in group))
    begun = [finding.since for finding in group if finding.since is not None]
    return replace(
        worst,
        resource=f"{count(len(group))} {noun(worst)}",
        summary=_summary(group),
        since=min(begun, default=None),
        evidence=(("resources", names), *worst.evidence),
    )


def _summary(group: Sequence[Finding]) -> str:
    worst = group[0]
    if len({finding.summary for finding in group}) == 1:
        return worst.summary
    critical = sum(finding.status is Status.CRITICAL for finding in group)
    mixed = f"{count(critical)} of them critical; " if 0 < critical < len(group) else ""
    opening = "one reason of several" if worst.status is Status.UNKNOWN else "worst"
    return f"{mixed}{opening}: {clip(clean(worst.resource), 60)}, {worst.summary}"


def noun(finding: Finding) -> str:
    """What people call many of them: `services` for `ecs-service`; `resources` for a kind without a name."""
    return _NOUNS.get(finding.label("kind"), "resources")
