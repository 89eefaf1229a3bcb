"""What discovery finds against what the embedded AWS holds; what cannot be seen is a gap that says why."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from opsbot.aws import Aws
from opsbot.aws.inventory import Search, finished
from opsbot.aws.readers import KINDS
from opsbot.aws.readers.databases import max_connections, memory_bytes
from opsbot.model.environment import Environment, labels
from opsbot.model.resource import Gap, Inventory, Resource
from opsbot.ports import CustomMetric
from opsbot.replica.population import dimensions
from opsbot.replica.world import World

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
LATENCY = CustomMetric(namespace="Platform/Processing", name="ProcessingLatency", dimensions=("Customer", "Mode"))
HEALTH = CustomMetric(namespace="Platform/Health", name="SystemAvailability", dimensions=("Customer",))


def look(
    aws: Aws, *environments: Environment, kinds: frozenset[str] = KINDS, custom: frozenset[CustomMetric] = frozenset()
) -> dict[str, Inventory]:
    found = {inventory.environment: inventory for inventory in aws.inventory(environments, kinds, custom, NOW)}
    assert set(found) == {environment.name for environment in environments}
    return found


@pytest.fixture(scope="module")
def everything(world: World, replica: Any) -> dict[str, Inventory]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",
            "AWS_ENDPOINT_URL": replica.url,
        }.items():
            patch.setenv(name, value)
        with Aws(secrets=lambda _: "opsbot-demo", attempts=3) as aws:
            environments = [
                Environment(
                    name=spec.name,
                    regions=spec.regions,
                    account_id=spec.account,
                    role_arn=f"arn:aws:iam::{spec.account}:role/opsbot",
                    external_id="env:X" if spec.external_id else None,
                )
                for spec in world.environments
            ]
            return look(aws, *environments, custom=frozenset({LATENCY, HEALTH}))


# What is told of a resource that another kind stands for already.
SEEN_TWICE = {"dynamodb-throughput", "scalable-target"}
# What is told of a whole account: the world has it without a resource. Their own tests are in test_aws_security.py.
OF_ACCOUNTS = {
    *("backup", "bucket-exposure", "console-logins", "firewall-changes", "guardduty", "iam-user"),
    *("identity-changes", "root-user", "security-hub", "trail", "trail-coverage"),
}


# What follows from other resources, and what only a story of its own has: tests/stories/test_sources.py.
OF_STORIES = {"cfn-stack", "health-access", "health-event", "synthetics-canary", "top-statement", "traced-service"}


def test_nothing_is_missing_and_nothing_invented(world: World, everything: dict[str, Inventory]) -> None:
    places = {spec.account: spec.name for spec in world.environments}
    expected = Counter(
        (places[account], kind)
        for (account, _), held in world.inventory.items()
        for kind, resources in held.items()
        if kind != "custom-metric"
        for _ in resources
    )
    found = Counter(
        (name, resource.kind)
        for name, inventory in everything.items()
        for resource in inventory.resources
        if not resource.kind.startswith("metric:")
        and resource.kind not in {"cloudwatch-alarm", *SEEN_TWICE, *OF_ACCOUNTS, *OF_STORIES}
    )
    assert {name: inventory.gaps for name, inventory in everything.items() if inventory.gaps} == {}
    assert found == expected
    assert {kind for _, kind in found} | {"cloudwatch-alarm", *SEEN_TWICE, *OF_ACCOUNTS, *OF_STORIES} == KINDS


def test_dimensions_tags_and_names_are_those_of_the_world(world: World, everything: dict[str, Inventory]) -> None:
    compared = 0
    for spec in world.environments:
        found = {(resource.kind, resource.name): resource for resource in everything[spec.name].resources}
        for (account, _), held in world.inventory.items():
            for planted in (r for kind, resources in held.items() if account == spec.account for r in resources):
                name = f"{planted.name}/{planted.text('stage')}" if planted.kind == "api-rest" else planted.name
                mine = found.get((planted.kind, name))
                if planted.kind == "custom-metric":
                    continue
                assert mine is not None, (planted.kind, name)
                compared += 1
                assert dict(mine.dimensions) == dimensions(planted)
                assert planted.kind in {"lambda-account", "service-quota"} or set(mine.tags) >= set(planted.tags)
    assert compared > 350


def facts(everything: dict[str, Inventory], kind: str) -> list[dict[str, Any]]:
    return [dict(r.facts) for inventory in everything.values() for r in inventory.resources if r.kind == kind]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("ecs-service", {"running", "desired", "cluster"}),
        ("lambda-function", {"timeout_seconds", "memory_mb", "runtime"}),
        ("lambda-account", {"concurrency_limit"}),
        ("rds-instance", {"engine", "instance_class", "max_connections", "max_connections_source"}),
        ("rds-cluster", {"engine", "storage_limit_bytes"}),
        ("alb", {"type"}),
        ("autoscaling-group", {"desired", "least", "most"}),
        ("dynamodb-throughput", {"mode", "table_read", "table_write"}),
        ("efs-file-system", {"size_bytes"}),
        ("log-group", {"stored_bytes", "storage"}),
        ("loose-volume", {"size_bytes", "volume_type"}),
        ("scalable-target", {"dimension", "id", "least", "most"}),
        ("service-quota", {"code", "metric", "namespace", "service", "value"}),
        ("api-rest", {"stage"}),
        ("s3-bucket", {"filter_id", "request_metrics"}),
        ("cloudfront-distribution", {"domain"}),
        ("elasticache-node", {"engine", "node_type"}),
        ("dms-task", {"status", "instance"}),
        ("batch-queue", {"failed_24h", "finished_24h", "failure_percent_24h"}),
        ("glue-job", {"failed_24h", "finished_24h"}),
        ("glue-crawler", {"failed"}),
        ("ec2-instance", {"instance_type", "state"}),
        ("cwagent-disk", {"path", "device"}),
        ("acm-certificate", {"days_left", "domain", "in_use"}),
        ("cloudwatch-alarm", {"in_alarm", "insufficient", "state", "reason", "since", "actions_enabled"}),
    ],
)
def test_facts(everything: dict[str, Inventory], kind: str, names: set[str]) -> None:
    found = facts(everything, kind)
    assert found
    assert all(set(one) >= names for one in found)


def test_what_was_planted_shows_in_the_facts(everything: dict[str, Inventory]) -> None:
    assert any(one["running"] == 0 and one["desired"] > 0 for one in facts(everything, "ecs-service"))
    assert any(one["failed_24h"] > 0 and one["last_failure"] and one["last_failure_at"] < NOW.timestamp()
               for one in facts(everything, "batch-queue"))  # fmt: skip
    assert any(one["failed"] and "Access Denied" in one["last_failure"] for one in facts(everything, "glue-crawler"))
    assert any(one["days_left"] < 14 for one in facts(everything, "acm-certificate"))
    assert any(one["in_alarm"] for one in facts(everything, "cloudwatch-alarm"))
    batch = facts(everything, "batch-queue")
    assert all(
        one["failure_percent_24h"] == pytest.approx(100 * one["failed_24h"] / one["finished_24h"]) for one in batch
    )


def test_custom_metrics_are_one_resource_per_dimension_set(everything: dict[str, Inventory]) -> None:
    found = [r for r in everything["dhbw-prod"].resources if r.kind == "metric:Platform/Processing/ProcessingLatency"]
    assert [r.name for r in found] == ["dhbw/batch", "dhbw/streaming"]
    assert found[0].dimensions == labels(Customer="dhbw", Mode="batch")


def test_only_what_is_wanted_is_asked(cloud: Any, aws: Aws, environments: dict[str, Environment]) -> None:
    kinds = frozenset({"ecs-service", "alb", "alb-target-group"})
    look(aws, environments["edt-prod"], kinds=kinds)
    assert {name for name, _ in aws.usage().calls} == {
        "sts:AssumeRole",
        "sts:GetCallerIdentity",
        "ecs:ListClusters",
        "ecs:ListServices",
        "ecs:DescribeServices",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTargetGroups",
        "tag:GetResources",
    }
    assert dict(aws.usage().calls)["tag:GetResources"] == 1


def test_disks_and_metrics_of_one_namespace_are_one_list(
    cloud: Any, aws: Aws, environments: dict[str, Environment]
) -> None:
    memory = CustomMetric(namespace="CWAgent", name="mem_used_percent", dimensions=("InstanceId",))
    [inventory] = look(
        aws, environments["edt-prod"], kinds=frozenset({"cwagent-disk"}), custom=frozenset({memory})
    ).values()
    assert dict(aws.usage().calls)["cloudwatch:ListMetrics"] == 1
    assert {r.kind for r in inventory.resources} == {"cwagent-disk", "metric:CWAgent/mem_used_percent"}


def fault(service: str, operation: str, fault: str, **more: Any) -> dict[str, Any]:
    return {"service": service, "operation": operation, "fault": fault, **more}


@pytest.mark.parametrize(
    ("rule", "gaps"),
    [
        pytest.param(fault("ecs", "ListServices", "access_denied"),
                     [("eu-central-1", ("ecs-service",), "ecs:ListServices is denied", "ecs:ListServices")], id="a service"),
        pytest.param(fault("s3", "ListBuckets", "access_denied"),
                     [("eu-central-1", ("s3-bucket",), "s3:ListAllMyBuckets is denied", "s3:ListAllMyBuckets")],
                     id="a global service"),
        pytest.param(fault("s3", "ListBucketMetricsConfigurations", "access_denied", count=1),
                     [("eu-central-1", ("s3-bucket",), "s3:GetMetricsConfiguration is denied", "s3:GetMetricsConfiguration")],
                     id="one bucket"),
        pytest.param(fault("resourcegroupstaggingapi", "GetResources", "access_denied"),
                     [("eu-central-1", ("lambda-function", "s3-bucket"), "tags could not be read: tag:GetResources is denied",
                       "tag:GetResources")], id="tags"),
        pytest.param(fault("lambda", "ListFunctions", "throttle"),
                     [("eu-central-1", ("lambda-function",), "lambda:ListFunctions was throttled on every attempt", "")],
                     id="throttled"),
        pytest.param(fault("lambda", "ListFunctions", "server_error"),
                     [("eu-central-1", ("lambda-function",),
                       "lambda:ListFunctions failed at AWS on every attempt (InternalFailure)", "")], id="server error"),
        pytest.param(fault("sts", "AssumeRole", "access_denied"),
                     [("", (), "sts:AssumeRole is denied", "sts:AssumeRole")], id="the role"),
        pytest.param(fault("sts", "GetCallerIdentity", "expired_credentials"),
                     [("", (), "the credentials have expired (ExpiredToken)", "")], id="the session"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen(
    cloud: Any,
    aws: Aws,
    environments: dict[str, Environment],
    rule: dict[str, Any],
    gaps: list[tuple[str, tuple[str, ...], str, str]],
) -> None:
    failing, healthy = environments["dhbw-prod"], environments["edt-prod"]
    cloud.fails({**rule, "account": failing.account_id if rule["operation"] != "AssumeRole" else "*"})
    kinds = frozenset({"ecs-service", "s3-bucket", "lambda-function"})
    found = look(aws, failing, healthy, kinds=kinds)
    assert [(g.region, g.kinds, g.why, g.action) for g in found["dhbw-prod"].gaps] == gaps
    if rule["operation"] != "AssumeRole":
        assert found["edt-prod"].gaps == ()
        assert {r.kind for r in found["edt-prod"].resources} == kinds
    if rule["operation"] == "ListBucketMetricsConfigurations":
        assert any(r.kind == "s3-bucket" for r in found["dhbw-prod"].resources), "the other buckets are there"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param({"account_id": "999999999999"}, "the credentials belong to account 201000000001, expected 999999999999",
                     id="another account than configured"),
        pytest.param({"external_id": None}, "sts:AssumeRole is denied", id="no external id"),
        pytest.param({"role_arn": "arn:aws:iam::201000000001:role/other"}, "sts:AssumeRole is denied", id="no such role"),
        pytest.param({"role_arn": None, "profile": "ops"}, "The config profile (ops) could not be found", id="no such profile"),
    ],
)  # fmt: skip
def test_signing_in(
    world: World, cloud: Any, aws: Aws, environments: dict[str, Environment], change: dict[str, Any], why: str
) -> None:
    spec = next(spec for spec in world.environments if spec.external_id)
    environment = replace(environments[spec.name], **change)
    why = why.replace("201000000001", spec.account)
    if change.get("role_arn"):
        environment = replace(environment, role_arn=f"arn:aws:iam::{spec.account}:role/other")
    [inventory] = look(aws, environment, kinds=frozenset({"sqs-queue"})).values()
    assert inventory.gaps == (Gap(region="", kinds=(), why=why, action=inventory.gaps[0].action),)
    assert inventory.resources == ()


def test_a_region_that_is_off_is_one_gap(cloud: Any, aws: Aws, environments: dict[str, Environment]) -> None:
    environment = replace(environments["dhbw-prod"], regions=("eu-central-1", "us-east-1"))
    cloud.fails({"fault": "region_off", "region": "us-east-1"})
    kinds = frozenset({"sqs-queue", "ecs-service", "lambda-account"})
    [inventory] = look(aws, environment, kinds=kinds).values()
    why = "the region is not enabled in this account"
    assert inventory.gaps == (Gap(region="us-east-1", kinds=tuple(sorted(kinds)), why=why),)
    assert {r.region for r in inventory.resources} == {"eu-central-1"}


def test_a_kind_nobody_knows_is_told(cloud: Any, aws: Aws, environments: dict[str, Environment]) -> None:
    [inventory] = look(aws, environments["edt-prod"], kinds=frozenset({"blimp"})).values()
    assert inventory.gaps == (Gap(region="", kinds=("blimp",), why="opsbot does not know how to find blimp"),)


# --- names ----------------------------------------------------------------------------------------------------------


def service(name: str, cluster: str, region: str = "eu-central-1") -> Resource:
    return Resource(kind="ecs-service", name=name, region=region, arn=f"arn:aws:ecs:{region}:1:service/{cluster}/{name}",
                    dimensions=labels(ClusterName=cluster, ServiceName=name), facts=(("cluster", cluster),))  # fmt: skip


def certificate(id: str) -> Resource:
    return Resource(
        kind="acm-certificate", name="example.org", region="eu-central-1", arn=f"arn:aws:acm:x:1:certificate/{id}"
    )


def stage(id: str) -> Resource:
    return Resource(kind="api-rest", name="api/prod", region="eu-central-1", arn=f"arn:aws:apigateway:x::/restapis/{id}",
                    dimensions=labels(ApiName="api", Stage="prod"))  # fmt: skip


BUCKET = Resource(kind="s3-bucket", name="media", region="us-east-1", dimensions=labels(BucketName="media"))


@pytest.mark.parametrize(
    ("resources", "names"),
    [
        pytest.param([service("api", "main")], ["api"], id="at home: its own name"),
        pytest.param([service("api", "main"), service("api", "main", "us-east-1")], ["api", "api@us-east-1"], id="elsewhere"),
        pytest.param([service("api", "a"), service("api", "b"), service("web", "b")], ["a/api", "b/api", "web"],
                     id="two clusters have one each"),
        pytest.param([service("api", "a", "us-east-1"), service("api", "b", "us-east-1")],
                     ["a/api@us-east-1", "b/api@us-east-1"], id="two clusters elsewhere"),
        pytest.param([certificate("1"), certificate("2")], ["example.org (1)", "example.org (2)"], id="two certificates"),
        pytest.param([stage("1"), stage("2")], ["api/prod"], id="CloudWatch cannot tell APIs of one name apart, nor can we"),
        pytest.param([BUCKET], ["media"], id="a bucket's name is unique in the world"),
    ],
)  # fmt: skip
def test_names(resources: list[Resource], names: list[str]) -> None:
    environment = Environment(name="e", regions=("eu-central-1", "us-east-1"))
    inventory = finished(Search(environment=environment, resources=resources), NOW)
    assert [resource.name for resource in inventory.resources] == names


# --- what RDS allows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instance_class", "gib"),
    [
        ("db.t3.micro", 1), ("db.t4g.medium", 4), ("db.m6g.large", 8), ("db.m7i.2xlarge", 32), ("db.r6g.large", 16),
        ("db.r6gd.16xlarge", 512), ("db.x2g.xlarge", 64), ("db.m5.24xlarge", 384), ("db.x2iedn.large", 32),
        ("db.serverless", None), ("db.z1d.large", None), ("cache.r7g.large", None), ("", None),
    ],
)  # fmt: skip
def test_memory_of_a_class(instance_class: str, gib: float | None) -> None:
    assert memory_bytes(instance_class) == (None if gib is None else gib * 2**30)


@pytest.mark.parametrize(
    ("engine", "instance_class", "most"),
    [
        ("postgres", "db.r6g.large", 1802), ("aurora-postgresql", "db.r6g.16xlarge", 5000), ("mysql", "db.m6g.xlarge", 1365),
        ("mariadb", "db.t3.small", 170), ("aurora-mysql", "db.r5.large", 1069), ("oracle-ee", "db.m5.large", None),
        ("postgres", "db.serverless", None),
    ],
)  # fmt: skip
def test_max_connections(engine: str, instance_class: str, most: int | None) -> None:
    assert max_connections(engine, instance_class) == most
