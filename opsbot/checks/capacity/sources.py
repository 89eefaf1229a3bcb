"""Every kind of capacity that is followed: one value a day each, what limits it, what it costs, how soon there is more.

Prices are on-demand list prices of us-east-1, rounded: they put what grows in order, and are not a bill. Lead times are
what to begin with: minutes to allocate more and days to decide it; a quota increase is days at AWS.
"""

from __future__ import annotations

import numpy as np

from opsbot.checks.capacity.source import (
    GIB,
    HOUR,
    Around,
    Limit,
    Source,
    as_it_is,
    fixed,
    none,
    number,
    one,
    percent,
    total,
    under,
)
from opsbot.model.environment import labels
from opsbot.model.resource import Resource
from opsbot.model.units import Unit
from opsbot.ports import MetricQuery
from opsbot.samples import Values

COST = "cost"
MONTH = 30.4
S3_USD = {
    "StandardStorage": 0.023,
    "IntelligentTieringFAStorage": 0.023,
    "IntelligentTieringIAStorage": 0.0125,
    "StandardIAStorage": 0.0125,
    "GlacierInstantRetrievalStorage": 0.004,
    "GlacierStorage": 0.0036,
    "DeepArchiveStorage": 0.00099,
}
"""USD a GiB and month, by storage type."""
_INSIGHTS = "Container Insights, which publishes it, is off"


def _own_volume(resource: Resource) -> bool:
    """An Aurora instance has none: its cluster does."""
    return not str(resource.fact("engine") or "").startswith("aurora")


def _used(resource: Resource, rows: tuple[Values, ...]) -> Values:
    allocated = number(resource, "allocated_bytes")
    return rows[0] * np.nan if allocated is None else np.maximum(allocated - rows[0], 0.0)


def _storage(resource: Resource, around: Around) -> Limit | str | None:
    grown, allocated = number(resource, "max_allocated_bytes"), number(resource, "allocated_bytes")
    if grown and allocated and grown > allocated:
        return Limit(value=grown, said="what storage autoscaling may grow to")
    return Limit(value=allocated, said="allocated storage") if allocated else "its allocated storage is not known"


def _aurora(resource: Resource) -> bool:
    return number(resource, "storage_limit_bytes") is not None


def _tasks(resource: Resource, around: Around) -> Limit | str | None:
    most = around.most(f"service/{resource.fact('cluster')}/{resource.name.partition('@')[0]}", "DesiredCount")
    return None if most is None else Limit(value=most, said="the maximum of its scaling")


def _units(way: str, dimension: str) -> dict[str, object]:
    def limit(resource: Resource, around: Around) -> Limit | str | None:
        scaled = around.most(f"table/{resource.name.partition('@')[0]}", dimension)
        if scaled is not None:
            return Limit(value=scaled, said="the maximum of its scaling")
        given = number(resource, way)
        if given is not None:
            return Limit(value=given, said="provisioned capacity")
        quota = number(resource, f"table_{way}")
        return "the account's limit is not known" if quota is None else Limit(value=quota, said="the quota of a table")

    def busiest(resource: Resource, rows: tuple[Values, ...]) -> Values:
        """Units a second in the busiest hour of each day."""
        hours = rows[0].reshape(-1, 24) / HOUR
        peak: Values = np.fmax.reduce(hours, axis=1)
        return peak

    metric = f"Consumed{way.capitalize()}CapacityUnits"
    return {"limit": limit, "value": busiest, "queries": one("AWS/DynamoDB", metric, "Sum", step=HOUR)}


def _counted(resource: Resource) -> bool:
    """Quotas of rates are another matter: nothing fills up."""
    return resource.fact("namespace") == "AWS/Usage" and resource.fact("metric") == "ResourceCount"


def _quota(resource: Resource) -> tuple[MetricQuery, ...]:
    return one(str(resource.fact("namespace")), str(resource.fact("metric")), "Maximum")(resource)


def _types(resource: Resource) -> tuple[MetricQuery, ...]:
    # The dimensions of its request metrics, if any, are others.
    name = dict(resource.dimensions).get("BucketName", resource.name)
    return tuple(
        MetricQuery("AWS/S3", "BucketSizeBytes", labels(BucketName=name, StorageType=type), "Average", 86_400)
        for type in S3_USD
    )


_ALL = (
    Source(
        name="rds-storage", kind="rds-instance", title="RDS storage", noun="storage used", area="database",
        unit=Unit.BYTES, takes=_own_volume, queries=one("AWS/RDS", "FreeStorageSpace", "Minimum"), value=_used,
        limit=_storage, lead=7, level=True, usd=0.115 / GIB, runbook="storage-full",
        advice="archive or drop old data, then raise the allocated storage or switch storage autoscaling on",
        means="A full disk stops the database: it takes no more writes until space is added.",
    ),
    Source(
        name="db-connections", kind="rds-instance", title="RDS connections", noun="connections at the peak",
        area="database", unit=Unit.COUNT, queries=one("AWS/RDS", "DatabaseConnections", "Maximum"), value=as_it_is,
        limit=fixed("max_connections", "max_connections of its class"), lead=3, runbook="database-pressure",
        advice="make the pools smaller, put a proxy before it, or take a larger class",
        means="At the limit new connections are refused, and with them whatever needs one.",
    ),
    Source(
        name="aurora-storage", kind="rds-cluster", title="Aurora storage", noun="cluster volume", area="database",
        unit=Unit.BYTES, takes=_aurora, queries=one("AWS/RDS", "VolumeBytesUsed", "Maximum"), value=as_it_is,
        limit=fixed("storage_limit_bytes", "the largest Aurora volume"), lead=60, level=True, usd=0.10 / GIB,
        advice="move old partitions out, or split the cluster",
        means="At the largest volume the cluster turns read-only.",
    ),
    Source(
        name="aurora-backup", kind="rds-cluster", title="Aurora backups", noun="backup storage billed", area="database",
        unit=Unit.BYTES, takes=_aurora, queries=one("AWS/RDS", "TotalBackupStorageBilled", "Average"), value=as_it_is,
        limit=none, lead=7, level=True, optional=True, usd=0.021 / GIB,
        advice="shorten the retention, or delete manual snapshots nobody needs",
    ),
    Source(
        name="lambda-concurrency", kind="lambda-account", title="Lambda concurrency", noun="executions at once",
        area="lambda", unit=Unit.COUNT, queries=under((), "AWS/Lambda", "ConcurrentExecutions", "Maximum"),
        value=as_it_is, limit=fixed("concurrency_limit", "the account's quota"), lead=14, optional=True,
        runbook="high-load", advice="ask AWS for more concurrency, or make the slowest functions shorter",
        means="At the account's limit every function of the region is throttled, not only the busy one.",
    ),
    Source(
        name="disk", kind="cwagent-disk", title="Disk", noun="disk used", area="host", unit=Unit.PERCENT,
        queries=one("CWAgent", "disk_used_percent", "Maximum"), value=as_it_is, limit=percent, lead=3, level=True,
        runbook="storage-full", advice="delete or move what is old, or grow the volume and its file system",
        means="A full disk stops whatever writes to it.",
    ),
    Source(
        name="ecs-memory", kind="ecs-service", title="ECS memory", noun="memory of its reservation at the peak",
        area="ecs", unit=Unit.PERCENT, queries=one("AWS/ECS", "MemoryUtilization", "Maximum"), value=as_it_is,
        limit=percent, lead=3, runbook="high-load", advice="look for a leak; then give each task more memory, or add tasks",
        means="A task over its memory is killed and starts again.",
    ),
    Source(
        name="ecs-tasks", kind="ecs-service", title="ECS tasks", noun="tasks at the peak", area="ecs", unit=Unit.COUNT,
        queries=one("ECS/ContainerInsights", "RunningTaskCount", "Maximum"), value=as_it_is, limit=_tasks, lead=1,
        needs=_INSIGHTS, optional=True, also=("scalable-target",), runbook="high-load",
        advice="raise the maximum of its scaling, after a look at the account's Fargate quota",
        means="At its maximum the service cannot scale any further and gets slower instead.",
    ),
    Source(
        name="asg", kind="autoscaling-group", title="Auto Scaling group", noun="instances at the peak", area="host",
        unit=Unit.COUNT, queries=one("AWS/AutoScaling", "GroupInServiceInstances", "Maximum"), value=as_it_is,
        limit=fixed("most", "its maximum size"), lead=1, optional=True, needs="group metrics are not collected",
        runbook="high-load", advice="raise its maximum size, after a look at the account's vCPU quota",
        means="At its maximum the group cannot scale any further.",
    ),
    Source(
        name="eks-memory", kind="eks-cluster", title="EKS memory", noun="node memory at the peak", area="host",
        unit=Unit.PERCENT, queries=one("ContainerInsights", "node_memory_utilization", "Maximum"), value=as_it_is,
        limit=percent, lead=7, optional=True, needs=_INSIGHTS, runbook="high-load",
        advice="raise the node group's maximum, or lower what pods request",
        means="Pods that do not fit on a node are evicted or stay pending.",
    ),
    Source(
        name="dynamodb-read", kind="dynamodb-throughput", title="DynamoDB reads", noun="read units in the busiest hour",
        area="database", unit=Unit.COUNT, lead=7, optional=True, also=("scalable-target",), usd=0.00013 * 24 * MONTH,
        advice="raise the provisioned capacity, or make the table on-demand",
        means="Beyond it requests are throttled.", **_units("read", "ReadCapacityUnits"),  # type: ignore[arg-type]
    ),
    Source(
        name="dynamodb-write", kind="dynamodb-throughput", title="DynamoDB writes",
        noun="write units in the busiest hour", area="database", unit=Unit.COUNT, lead=7, optional=True,
        also=("scalable-target",), usd=0.00065 * 24 * MONTH,
        advice="raise the provisioned capacity, or make the table on-demand",
        means="Beyond it requests are throttled.", **_units("write", "WriteCapacityUnits"),  # type: ignore[arg-type]
    ),
    Source(
        name="quota", kind="service-quota", title="Quota", noun="in use", area="platform", unit=Unit.COUNT,
        takes=_counted, queries=_quota, value=as_it_is, limit=fixed("value", "the account's quota"), lead=14,
        optional=True, advice="ask AWS for a higher quota, and say why: it takes days",
        means="At the quota nothing more of it can be made, by a deploy or by scaling.",
    ),
    Source(
        name="s3", kind="s3-bucket", title="S3 bucket", noun="stored", area="storage", unit=Unit.BYTES, queries=_types,
        value=total, limit=none, lead=7, level=True, optional=True, usd=0.023 / GIB,
        advice="add a lifecycle rule: move what is old to a cheaper class, drop old versions and broken uploads",
    ),
    Source(
        name="efs", kind="efs-file-system", title="EFS", noun="stored", area="storage", unit=Unit.BYTES,
        queries=one("AWS/EFS", "StorageBytes", "Average"), value=as_it_is, limit=none, lead=7, level=True,
        optional=True, usd=0.30 / GIB, advice="switch lifecycle management on: what nobody reads is a tenth of the price",
    ),
    Source(
        name="logs", kind="log-group", title="Log group", noun="taken in a day", area="platform", unit=Unit.BYTES,
        queries=one("AWS/Logs", "IncomingBytes", "Sum"), value=as_it_is, limit=none, lead=7, optional=True,
        usd=0.50 * MONTH / GIB, advice="lower the log level, and set a retention",
    ),
    Source(
        name=COST, kind="payer", title="Cost", noun="a month at the pace of the last week", area="platform",
        unit=Unit.USD, queries=lambda resource: (), value=as_it_is, limit=none, lead=7, optional=True, usd=1.0,
        runbook="cost-spike", advice="see the cost report for what grows",
        means="The budget does not stop anything: it is only overspent.",
    ),
)  # fmt: skip

SOURCES: dict[str, Source] = {source.name: source for source in _ALL}
EXTRA = ("loose-volume",)
"""Kinds that are looked up for what is paid and not used."""
