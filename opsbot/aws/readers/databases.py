"""RDS, Aurora, ElastiCache, DynamoDB and DMS."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, tags, tail
from opsbot.model.environment import labels
from opsbot.model.resource import Fact, Resource

GIB = 2**30
AURORA_VOLUME = 128 * 2**40
"""Where an Aurora volume ends, bytes."""

_CLASS = re.compile(r"db\.(?P<family>[a-z]+)\d+[a-z-]*\.(?P<size>micro|small|medium|large|xlarge|(?P<times>\d+)xlarge)")
_SMALL = {"micro": 1.0, "small": 2.0, "medium": 4.0}
# Memory of a family's `large`, GiB (https://aws.amazon.com/rds/instance-types/); larger sizes are multiples of it.
_LARGE = {"t": 8.0, "m": 8.0, "r": 16.0, "x": 32.0}


def memory_bytes(instance_class: str) -> float | None:
    """The memory of a `db.` class by its name; None for a family whose sizes are not regular."""
    match = _CLASS.fullmatch(instance_class)
    if match is None or match["family"] not in _LARGE:
        return None
    size = match["size"]
    if size in _SMALL:
        return _SMALL[size] * GIB if match["family"] in {"t", "m"} else None
    doubled = {"large": 1, "xlarge": 2}.get(size) or 2 * int(match["times"])
    return _LARGE[match["family"]] * doubled * GIB


def max_connections(engine: str, instance_class: str) -> int | None:
    """What the engine's default parameter group allows on this class; None where that cannot be told.

    MySQL, MariaDB: memory / 12,582,880. PostgreSQL: memory / 9,531,392, 5,000 at most. Aurora MySQL has its own steps.
    Source: "Quotas and constraints" of the RDS guide. A parameter group of one's own may say something else.
    """
    memory = memory_bytes(instance_class)
    if memory is None:
        return None
    if "postgres" in engine:
        return min(int(memory // 9_531_392), 5000)
    if engine == "aurora-mysql":
        return int(max(math.log2(memory / 805_306_368) * 45, math.log2(memory / 8_187_281_408) * 1000))
    return int(memory // 12_582_880) if engine in {"mysql", "mariadb"} else None


def instances(look: Look) -> Iterator[Found]:
    for database in look.each("rds", "describe_db_instances", "DBInstances"):
        name = database["DBInstanceIdentifier"]
        yield Resource(
            kind="rds-instance",
            name=name,
            region=look.region,
            arn=database.get("DBInstanceArn", ""),
            dimensions=labels(DBInstanceIdentifier=name),
            facts=_instance_facts(database),
            tags=tags(database.get("TagList")),
        )


def _instance_facts(database: Mapping[str, Any]) -> tuple[tuple[str, Fact], ...]:
    engine, instance_class = database.get("Engine", ""), database.get("DBInstanceClass", "")
    most = max_connections(engine, instance_class)
    # An Aurora instance has no volume of its own; what it reports as allocated means nothing.
    allocated = None if engine.startswith("aurora") else database.get("AllocatedStorage")
    grows_to = None if allocated is None else database.get("MaxAllocatedStorage")
    return facts(
        engine=engine,
        instance_class=instance_class,
        allocated_bytes=None if allocated is None else float(allocated) * GIB,
        max_allocated_bytes=None if grows_to is None else float(grows_to) * GIB,
        max_connections=None if most is None else float(most),
        max_connections_source=None if most is None else f"default of {engine} on {instance_class}",
    )


def clusters(look: Look) -> Iterator[Found]:
    for cluster in look.each("rds", "describe_db_clusters", "DBClusters"):
        name, engine = cluster["DBClusterIdentifier"], cluster.get("Engine", "")
        yield Resource(
            kind="rds-cluster",
            name=name,
            region=look.region,
            arn=cluster.get("DBClusterArn", ""),
            dimensions=labels(DBClusterIdentifier=name),
            facts=facts(
                engine=engine, storage_limit_bytes=float(AURORA_VOLUME) if engine.startswith("aurora") else None
            ),
            tags=tags(cluster.get("TagList")),
        )


def cache_nodes(look: Look) -> Iterator[Found]:
    for cache in look.each("elasticache", "describe_cache_clusters", "CacheClusters"):
        name = cache["CacheClusterId"]
        yield Resource(
            kind="elasticache-node",
            name=name,
            region=look.region,
            arn=cache.get("ARN", ""),
            dimensions=labels(CacheClusterId=name),
            facts=facts(engine=cache.get("Engine"), node_type=cache.get("CacheNodeType")),
        )


def tables(look: Look) -> Iterator[Found]:
    for name in look.each("dynamodb", "list_tables", "TableNames"):
        yield Resource(
            kind="dynamodb-table",
            name=name,
            region=look.region,
            arn=look.arn("dynamodb", f"table/{name}"),
            dimensions=labels(TableName=name),
        )


def replication_tasks(look: Look) -> Iterator[Found]:
    tasks = list(look.each("dms", "describe_replication_tasks", "ReplicationTasks", WithoutSettings=True))
    if not tasks:
        return
    names = {
        instance["ReplicationInstanceArn"]: instance["ReplicationInstanceIdentifier"]
        for instance in look.each("dms", "describe_replication_instances", "ReplicationInstances")
    }
    for task in tasks:
        instance = names.get(task.get("ReplicationInstanceArn", ""), "")
        arn = task["ReplicationTaskArn"]
        yield Resource(
            kind="dms-task",
            name=task["ReplicationTaskIdentifier"],
            region=look.region,
            arn=arn,
            # CloudWatch knows a task by the end of its ARN, not by the name people gave it.
            dimensions=labels(ReplicationInstanceIdentifier=instance, ReplicationTaskIdentifier=tail(arn)),
            facts=facts(status=task.get("Status"), instance=instance or None),
        )


READERS = {
    "rds-instance": Reader(kinds=("rds-instance",), actions=("rds:DescribeDBInstances",), read=instances),
    "rds-cluster": Reader(kinds=("rds-cluster",), actions=("rds:DescribeDBClusters",), read=clusters),
    "elasticache-node": Reader(
        kinds=("elasticache-node",),
        actions=("elasticache:DescribeCacheClusters",),
        read=cache_nodes,
        tagged=("elasticache:cluster",),
    ),
    "dynamodb-table": Reader(
        kinds=("dynamodb-table",), actions=("dynamodb:ListTables",), read=tables, tagged=("dynamodb:table",)
    ),
    "dms-task": Reader(
        kinds=("dms-task",),
        actions=("dms:DescribeReplicationInstances", "dms:DescribeReplicationTasks"),
        read=replication_tasks,
        tagged=("dms:task",),
    ),
}
