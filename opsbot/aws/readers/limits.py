"""What AWS itself says is the most: scaling maxima, table throughput, service quotas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, number, tags
from opsbot.model.environment import labels
from opsbot.model.resource import Resource

SCALED = ("ecs", "dynamodb")
"""Namespaces of Application Auto Scaling whose targets are looked up."""
QUOTAS = ("autoscaling", "ec2", "elasticloadbalancing", "fargate", "lambda", "monitoring", "sns", "vpc")
"""Services whose quotas are looked up; only those that publish their use in CloudWatch become resources."""


def scalable_targets(look: Look) -> Iterator[Found]:
    for namespace in SCALED:
        yield partial(_targets, look, namespace)


def _targets(look: Look, namespace: str) -> Iterator[Found]:
    asked = {"ServiceNamespace": namespace}
    for target in look.each("application-autoscaling", "describe_scalable_targets", "ScalableTargets", **asked):
        id, dimension = target["ResourceId"], target["ScalableDimension"]
        yield Resource(
            kind="scalable-target",
            name=f"{id}:{dimension.rsplit(':', 1)[-1]}",
            region=look.region,
            arn=target.get("ScalableTargetARN", ""),
            facts=facts(
                id=id,
                dimension=dimension,
                least=number(target.get("MinCapacity")),
                most=number(target.get("MaxCapacity")),
            ),
        )


def scaling_groups(look: Look) -> Iterator[Found]:
    for group in look.each("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"):
        name = group["AutoScalingGroupName"]
        yield Resource(
            kind="autoscaling-group",
            name=name,
            region=look.region,
            arn=group.get("AutoScalingGroupARN", ""),
            dimensions=labels(AutoScalingGroupName=name),
            facts=facts(
                desired=number(group.get("DesiredCapacity")),
                least=number(group.get("MinSize")),
                most=number(group.get("MaxSize")),
            ),
            tags=tags(group.get("Tags")),
        )


def throughputs(look: Look) -> Iterator[Found]:
    client = look.client("dynamodb")
    names = list(look.each("dynamodb", "list_tables", "TableNames"))
    if not names:
        return
    limits = client.describe_limits()
    for name in names:
        yield partial(_throughput, look, name, limits)


def _throughput(look: Look, name: str, limits: Mapping[str, Any]) -> Iterable[Found]:
    table = look.client("dynamodb").describe_table(TableName=name)["Table"]
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED")
    given = (table.get("ProvisionedThroughput") or {}) if mode == "PROVISIONED" else {}
    yield Resource(
        kind="dynamodb-throughput",
        name=name,
        region=look.region,
        arn=table.get("TableArn", ""),
        dimensions=labels(TableName=name),
        facts=facts(
            mode=mode,
            read=number(given.get("ReadCapacityUnits")),
            write=number(given.get("WriteCapacityUnits")),
            table_read=number(limits.get("TableMaxReadCapacityUnits")),
            table_write=number(limits.get("TableMaxWriteCapacityUnits")),
        ),
    )


def quotas(look: Look) -> Iterator[Found]:
    for service in QUOTAS:
        yield partial(_quotas, look, service)


def _quotas(look: Look, service: str) -> Iterator[Found]:
    """Only what publishes its use can be compared with it. Values are the account's own, raised ones included."""
    for quota in look.each("service-quotas", "list_service_quotas", "Quotas", ServiceCode=service):
        usage = quota.get("UsageMetric") or {}
        if not usage.get("MetricName") or quota.get("Value") is None:
            continue
        yield Resource(
            kind="service-quota",
            name=quota.get("QuotaName") or quota["QuotaCode"],
            region=look.region,
            arn=quota.get("QuotaArn", ""),
            dimensions=tuple(sorted((str(k), str(v)) for k, v in (usage.get("MetricDimensions") or {}).items())),
            facts=facts(
                code=quota["QuotaCode"],
                service=service,
                value=number(quota["Value"]),
                adjustable=1.0 if quota.get("Adjustable") else 0.0,
                namespace=usage.get("MetricNamespace", "AWS/Usage"),
                metric=usage["MetricName"],
                statistic=usage.get("MetricStatisticRecommendation") or "Maximum",
            ),
        )


READERS = {
    "scalable-target": Reader(
        kinds=("scalable-target",),
        actions=("application-autoscaling:DescribeScalableTargets",),
        read=scalable_targets,
    ),
    "autoscaling-group": Reader(
        kinds=("autoscaling-group",), actions=("autoscaling:DescribeAutoScalingGroups",), read=scaling_groups
    ),
    "dynamodb-throughput": Reader(
        kinds=("dynamodb-throughput",),
        actions=("dynamodb:DescribeLimits", "dynamodb:DescribeTable", "dynamodb:ListTables"),
        read=throughputs,
    ),
    "service-quota": Reader(kinds=("service-quota",), actions=("servicequotas:ListServiceQuotas",), read=quotas),
}
