"""ECS services and EKS clusters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from opsbot.aws.readers.place import Found, Look, Reader, facts, number, tag_map, tags, tail
from opsbot.model.environment import labels
from opsbot.model.resource import Resource

AT_ONCE = 10
"""DescribeServices takes no more."""


def ecs_services(look: Look) -> Iterator[Found]:
    for cluster in look.each("ecs", "list_clusters", "clusterArns"):
        yield partial(_of_cluster, look, cluster)


def _of_cluster(look: Look, cluster: str) -> Iterator[Found]:
    arns = list(look.each("ecs", "list_services", "serviceArns", cluster=cluster, PaginationConfig={"PageSize": 100}))
    for first in range(0, len(arns), AT_ONCE):
        yield partial(_described, look, cluster, arns[first : first + AT_ONCE])


def _described(look: Look, cluster: str, arns: list[str]) -> Iterable[Found]:
    answer = look.client("ecs").describe_services(cluster=cluster, services=arns, include=["TAGS"])
    for service in answer.get("services") or ():
        if service.get("status", "ACTIVE") != "ACTIVE":
            continue
        name = service["serviceName"]
        yield Resource(
            kind="ecs-service",
            name=name,
            region=look.region,
            arn=service["serviceArn"],
            dimensions=labels(ClusterName=tail(cluster), ServiceName=name),
            facts=facts(
                running=number(service.get("runningCount")),
                desired=number(service.get("desiredCount")),
                cluster=tail(cluster),
            ),
            tags=tags(service.get("tags"), "key", "value"),
        )


def eks_clusters(look: Look) -> Iterator[Found]:
    for name in look.each("eks", "list_clusters", "clusters"):
        yield partial(_cluster, look, name)


def _cluster(look: Look, name: str) -> Iterable[Found]:
    cluster = look.client("eks").describe_cluster(name=name)["cluster"]
    yield Resource(
        kind="eks-cluster",
        name=name,
        region=look.region,
        arn=cluster.get("arn", ""),
        dimensions=labels(ClusterName=name),
        facts=facts(version=cluster.get("version"), status=cluster.get("status")),
        tags=tag_map(cluster.get("tags")),
    )


READERS = {
    "ecs-service": Reader(
        kinds=("ecs-service",),
        actions=("ecs:DescribeServices", "ecs:ListClusters", "ecs:ListServices", "ecs:ListTagsForResource"),
        read=ecs_services,
    ),
    "eks-cluster": Reader(
        kinds=("eks-cluster",), actions=("eks:DescribeCluster", "eks:ListClusters"), read=eks_clusters
    ),
}
