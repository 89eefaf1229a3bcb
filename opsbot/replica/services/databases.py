"""RDS, ElastiCache, DMS and DynamoDB."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.services.lookup import Paging, all_here, chosen, here, page, tags, with_arn
from opsbot.replica.world import Resource

RECORDS = Paging(
    size="MaxRecords", cursor="Marker", answer="Marker", usual=100, most=100, error="InvalidParameterValue"
)
VERSIONS = {
    "postgres": "17.4",
    "mysql": "8.4.4",
    "aurora-postgresql": "16.6",
    "aurora-mysql": "8.0.mysql_aurora.3.08.1",
}


def describe_db_instances(request: Request, params: Params) -> Result:
    name = params.get("DBInstanceIdentifier")
    missing = Fault("DBInstanceNotFound", f"DBInstance {name} not found.", 404)
    found, token = page(chosen(here(request, "rds-instance"), _tail(name), missing), params, RECORDS)
    return {"DBInstances": [_instance(database) for database in found], **token}


def _tail(name: str | None) -> str | None:
    return name.rsplit(":", 1)[-1] if name else None


def _instance(database: Resource) -> dict[str, Any]:
    engine, port = database.text("engine"), 5432 if "postgres" in database.text("engine") else 3306
    aurora = engine.startswith("aurora")
    shown: dict[str, Any] = {
        "DBInstanceIdentifier": database.name,
        "DBInstanceArn": database.arn,
        "DbiResourceId": f"db-{database.text('id').upper()}",
        "DBInstanceClass": database.text("class"),
        "DBInstanceStatus": "available",
        "Engine": engine,
        "EngineVersion": VERSIONS.get(engine, "1"),
        # Aurora has no volume of its own and reports 1.
        "AllocatedStorage": 1 if aurora else database.number("storage"),
        "StorageType": "aurora" if aurora else "gp3",
        "MultiAZ": not aurora,
        "Endpoint": {"Address": f"{database.name}.{database.region}.rds.amazonaws.com", "Port": port},
        "InstanceCreateTime": database.created,
        "BackupRetentionPeriod": 14,
        "PerformanceInsightsEnabled": bool(database.number("insights")),
        "TagList": tags(database),
    }
    if most := database.number("most"):
        shown["MaxAllocatedStorage"] = most
    return {**shown, "DBClusterIdentifier": cluster} if (cluster := database.text("cluster")) else shown


def describe_events(request: Request, params: Params) -> Result:
    """The nightly backup of each database, and what RDS says when a disk runs full."""
    name, minutes = _tail(params.get("SourceIdentifier")), int(params.get("Duration") or 60)
    missing = Fault("DBInstanceNotFound", f"DBInstance {name} not found.", 404)
    since = params.get("StartTime") or request.now - timedelta(minutes=minutes)
    told = [event for db in chosen(here(request, "rds-instance"), name, missing) for event in _happened(request, db)]
    kept = sorted((event for event in told if since <= event["Date"] <= request.now), key=lambda event: event["Date"])
    found, token = page(kept, params, RECORDS)
    return {"Events": found, **token}


def _happened(request: Request, database: Resource) -> Iterator[dict[str, Any]]:
    night = request.now.replace(hour=2, minute=14, second=0, microsecond=0)
    for at, text in ((night, "Backing up DB instance"), (night + timedelta(minutes=6), "Finished DB Instance backup")):
        yield _told(database, at, text, "backup")
    trouble = request.world.trouble(database, "FreeStorageSpace", request.now)
    began = request.world.cause(database, "FreeStorageSpace", request.now)
    if trouble is not None and began is not None:
        left = (1 - trouble.value) * 100
        text = f"The free storage capacity for DB Instance: {database.name} is low at {left:.0f}% of the provisioned storage"
        yield _told(database, began, text, "low storage")


def _told(database: Resource, at: datetime, text: str, category: str) -> dict[str, Any]:
    return {
        "SourceIdentifier": database.name,
        "SourceType": "db-instance",
        "Message": text,
        "EventCategories": [category],
        "Date": at,
        "SourceArn": database.arn,
    }


def describe_db_clusters(request: Request, params: Params) -> Result:
    name = params.get("DBClusterIdentifier")
    missing = Fault("DBClusterNotFoundFault", f"DBCluster {name} not found.", 404)
    found, token = page(chosen(here(request, "rds-cluster"), _tail(name), missing), params, RECORDS)
    return {"DBClusters": [_db_cluster(request, cluster) for cluster in found], **token}


def _db_cluster(request: Request, cluster: Resource) -> dict[str, Any]:
    members = [db for db in here(request, "rds-instance") if db.text("cluster") == cluster.name]
    return {
        "DBClusterIdentifier": cluster.name,
        "DBClusterArn": cluster.arn,
        "Engine": cluster.text("engine"),
        "EngineVersion": VERSIONS.get(cluster.text("engine"), "1"),
        "Status": "available",
        "AllocatedStorage": 1,
        "ClusterCreateTime": cluster.created,
        "DBClusterMembers": [
            {"DBInstanceIdentifier": db.name, "IsClusterWriter": db.name.endswith("writer"), "PromotionTier": 1}
            for db in members
        ],
        "TagList": tags(cluster),
    }


def list_rds_tags(request: Request, params: Params) -> Result:
    name = str(params.get("ResourceName"))
    missing = Fault("DBInstanceNotFound", f"{name} not found.", 404)
    return {"TagList": tags(with_arn(tuple(all_here(request)), name, missing))}


def describe_cache_clusters(request: Request, params: Params) -> Result:
    name = params.get("CacheClusterId")
    missing = Fault("CacheClusterNotFound", f"CacheCluster not found: {name}", 404)
    found, token = page(chosen(here(request, "elasticache-node"), name, missing), params, RECORDS)
    return {"CacheClusters": [_cache(cache) for cache in found], **token}


def _cache(cache: Resource) -> dict[str, Any]:
    return {
        "CacheClusterId": cache.name,
        "ARN": cache.arn,
        "CacheNodeType": cache.text("class"),
        "Engine": cache.text("engine"),
        "EngineVersion": "7.1",
        "CacheClusterStatus": "available",
        "NumCacheNodes": 1,
        "ReplicationGroupId": cache.name.rsplit("-", 1)[0],
        "CacheClusterCreateTime": cache.created,
    }


def list_cache_tags(request: Request, params: Params) -> Result:
    name = str(params.get("ResourceName"))
    missing = Fault("CacheClusterNotFound", f"{name} not found.", 404)
    return {"TagList": tags(with_arn(here(request, "elasticache-node"), name, missing))}


def _replication_arn(task: Resource) -> str:
    return f"arn:aws:dms:{task.region}:{task.account}:rep:{task.text('instance')}"


def describe_replication_tasks(request: Request, params: Params) -> Result:
    found, token = page(here(request, "dms-task"), params, RECORDS)
    return {"ReplicationTasks": [_task(task) for task in found], **token}


def _task(task: Resource) -> dict[str, Any]:
    return {
        "ReplicationTaskIdentifier": task.name,
        "ReplicationTaskArn": task.arn,
        "ReplicationInstanceArn": _replication_arn(task),
        "MigrationType": "full-load-and-cdc",
        "Status": "running",
        "ReplicationTaskCreationDate": task.created,
        "ReplicationTaskStartDate": task.created,
        "ReplicationTaskStats": {"FullLoadProgressPercent": 100, "TablesLoaded": 48, "TablesErrored": 0},
    }


def describe_replication_instances(request: Request, params: Params) -> Result:
    by_name = {task.text("instance"): task for task in reversed(here(request, "dms-task"))}
    found, token = page([by_name[name] for name in sorted(by_name)], params, RECORDS)
    return {"ReplicationInstances": [_replication(task) for task in found], **token}


def _replication(task: Resource) -> dict[str, Any]:
    return {
        "ReplicationInstanceIdentifier": task.text("instance"),
        "ReplicationInstanceArn": _replication_arn(task),
        "ReplicationInstanceClass": "dms.r6i.large",
        "ReplicationInstanceStatus": "available",
        "AllocatedStorage": 200,
        "EngineVersion": "3.5.4",
        "InstanceCreateTime": task.created,
    }


def list_dms_tags(request: Request, params: Params) -> Result:
    name = str(params.get("ResourceArn"))
    missing = Fault("ResourceNotFoundFault", f"{name} not found.")
    return {"TagList": tags(with_arn(here(request, "dms-task"), name, missing))}


def list_tables(request: Request, params: Params) -> Result:
    after = str(params.get("ExclusiveStartTableName") or "")
    names = [table.name for table in here(request, "dynamodb-table") if table.name > after]
    limit = min(int(params.get("Limit") or 100), 100)
    more = {"LastEvaluatedTableName": names[limit - 1]} if len(names) > limit else {}
    return {"TableNames": names[:limit], **more}


def describe_table(request: Request, params: Params) -> Result:
    name = str(params.get("TableName"))
    missing = Fault("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
    table = chosen(here(request, "dynamodb-table"), name, missing)[0]
    return {
        "Table": {
            "TableName": table.name,
            "TableArn": table.arn,
            "TableStatus": "ACTIVE",
            "CreationDateTime": table.created,
            **_throughput(table),
        }
    }


def _throughput(table: Resource) -> dict[str, Any]:
    read, write = table.number("read"), table.number("write")
    if not read and not write:
        return {"BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}}
    return {"ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write}}


def describe_limits(_: Request, __: Params) -> Result:
    most = {"AccountMaxReadCapacityUnits": 80_000, "AccountMaxWriteCapacityUnits": 80_000}
    return {**most, "TableMaxReadCapacityUnits": 40_000, "TableMaxWriteCapacityUnits": 40_000}


def list_table_tags(request: Request, params: Params) -> Result:
    name = str(params.get("ResourceArn"))
    missing = Fault("ResourceNotFoundException", f"Requested resource not found: {name}")
    return {"Tags": tags(with_arn(here(request, "dynamodb-table"), name, missing))}


HANDLERS: dict[tuple[str, str], Handler] = {
    ("rds", "DescribeDBInstances"): describe_db_instances,
    ("rds", "DescribeEvents"): describe_events,
    ("rds", "DescribeDBClusters"): describe_db_clusters,
    ("rds", "ListTagsForResource"): list_rds_tags,
    ("elasticache", "DescribeCacheClusters"): describe_cache_clusters,
    ("elasticache", "ListTagsForResource"): list_cache_tags,
    ("dms", "DescribeReplicationTasks"): describe_replication_tasks,
    ("dms", "DescribeReplicationInstances"): describe_replication_instances,
    ("dms", "ListTagsForResource"): list_dms_tags,
    ("dynamodb", "ListTables"): list_tables,
    ("dynamodb", "DescribeTable"): describe_table,
    ("dynamodb", "DescribeLimits"): describe_limits,
    ("dynamodb", "ListTagsOfResource"): list_table_tags,
}
