"""Load balancers, their target groups, and the two kinds of API Gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, partition, tag_map
from opsbot.model.environment import labels
from opsbot.model.resource import Resource


def balancers(look: Look) -> Iterator[Found]:
    for balancer in look.each("elbv2", "describe_load_balancers", "LoadBalancers"):
        if balancer.get("Type") != "application":
            continue
        arn = balancer["LoadBalancerArn"]
        yield Resource(
            kind="alb",
            name=balancer["LoadBalancerName"],
            region=look.region,
            arn=arn,
            dimensions=labels(LoadBalancer=_after(arn, ":loadbalancer/")),
            facts=facts(
                type=balancer["Type"],
                created=balancer["CreatedTime"].timestamp() if balancer.get("CreatedTime") else None,
            ),
        )


def target_groups(look: Look) -> Iterator[Found]:
    for group in look.each("elbv2", "describe_target_groups", "TargetGroups"):
        arn = group["TargetGroupArn"]
        for balancer in group.get("LoadBalancerArns") or ():
            path = _after(balancer, ":loadbalancer/")
            if path.startswith("app/"):
                yield Resource(
                    kind="alb-target-group",
                    name=group["TargetGroupName"],
                    region=look.region,
                    arn=arn,
                    dimensions=labels(LoadBalancer=path, TargetGroup="targetgroup/" + _after(arn, ":targetgroup/")),
                    facts=facts(balancer=path.split("/")[1]),
                )


def _after(arn: str, mark: str) -> str:
    """CloudWatch names load balancers and target groups by the end of their ARN."""
    return arn.split(mark, 1)[1]


def rest_apis(look: Look) -> Iterator[Found]:
    for api in look.each("apigateway", "get_rest_apis", "items"):
        yield partial(_stages, look, api)


def _stages(look: Look, api: Mapping[str, Any]) -> Iterator[Found]:
    for stage in look.client("apigateway").get_stages(restApiId=api["id"]).get("item") or ():
        name, stage_name = api["name"], stage["stageName"]
        yield Resource(
            kind="api-rest",
            name=f"{name}/{stage_name}",
            region=look.region,
            arn=f"arn:{partition(look.region)}:apigateway:{look.region}::/restapis/{api['id']}",
            dimensions=labels(ApiName=name, Stage=stage_name),
            facts=facts(stage=stage_name),
            tags=tuple(sorted({**dict(tag_map(api.get("tags"))), **dict(tag_map(stage.get("tags")))}.items())),
        )


def http_apis(look: Look) -> Iterator[Found]:
    for api in look.each("apigatewayv2", "get_apis", "Items"):
        if api.get("ProtocolType", "HTTP") != "HTTP":
            continue
        yield Resource(
            kind="api-http",
            name=api["Name"],
            region=look.region,
            arn=f"arn:{partition(look.region)}:apigateway:{look.region}::/apis/{api['ApiId']}",
            dimensions=labels(ApiId=api["ApiId"]),
            tags=tag_map(api.get("Tags")),
        )


READERS = {
    "alb": Reader(
        kinds=("alb",),
        actions=("elasticloadbalancing:DescribeLoadBalancers",),
        read=balancers,
        tagged=("elasticloadbalancing:loadbalancer",),
    ),
    "alb-target-group": Reader(
        kinds=("alb-target-group",),
        actions=("elasticloadbalancing:DescribeTargetGroups",),
        read=target_groups,
        tagged=("elasticloadbalancing:targetgroup",),
    ),
    "api-rest": Reader(kinds=("api-rest",), actions=("apigateway:GET",), read=rest_apis),
    "api-http": Reader(kinds=("api-http",), actions=("apigateway:GET",), read=http_apis),
}
