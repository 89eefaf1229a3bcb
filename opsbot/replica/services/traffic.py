"""Load balancers and API Gateway."""

from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.services.lookup import Paging, here, page, tags, with_arn
from opsbot.replica.world import Resource

BALANCERS = Paging(size="PageSize", cursor="Marker", answer="NextMarker", usual=400, most=400, error="ValidationError")
REST = Paging(size="limit", cursor="position", answer="position", usual=25, most=500, error="BadRequestException")
HTTP = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=100, most=100, error="BadRequestException"
)
TAGGED_AT_ONCE = 20


def _zones(region: str) -> list[dict[str, str]]:
    return [{"ZoneName": f"{region}{zone}", "SubnetId": f"subnet-0{zone * 8}"} for zone in "abc"]


def describe_load_balancers(request: Request, params: Params) -> Result:
    wanted, arns = params.get("Names") or (), params.get("LoadBalancerArns") or ()
    there = (*here(request, "alb"), *here(request, "nlb"))
    balancers = [alb for alb in there if not (wanted or arns) or alb.name in wanted or alb.arn in arns]
    if (wanted or arns) and not balancers:
        raise Fault("LoadBalancerNotFound", "One or more load balancers not found")
    found, token = page(balancers, params, BALANCERS)
    return {"LoadBalancers": [_balancer(alb) for alb in found], **token}


def _balancer(alb: Resource) -> dict[str, Any]:
    return {
        "LoadBalancerArn": alb.arn,
        "LoadBalancerName": alb.name,
        "DNSName": f"{alb.name}-{alb.text('id')[:10]}.{alb.region}.elb.amazonaws.com",
        "Type": "network" if alb.kind == "nlb" else "application",
        "Scheme": "internet-facing",
        "State": {"Code": "active"},
        "VpcId": "vpc-0a1b2c3d",
        "CreatedTime": alb.created,
        "AvailabilityZones": _zones(alb.region),
    }


def describe_target_groups(request: Request, params: Params) -> Result:
    balancer, arns, names = params.get("LoadBalancerArn"), params.get("TargetGroupArns"), params.get("Names")
    groups = [
        group
        for group in here(request, "alb-target-group")
        if (not balancer or balancer.endswith(group.text("balancer")))
        and (not arns or group.arn in arns)
        and (not names or group.name in names)
    ]
    found, token = page(groups, params, BALANCERS)
    return {"TargetGroups": [_group(group) for group in found], **token}


def _group(group: Resource) -> dict[str, Any]:
    prefix = f"arn:aws:elasticloadbalancing:{group.region}:{group.account}:loadbalancer/"
    return {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": "HTTP",
        "Port": 8080,
        "TargetType": "ip",
        "HealthCheckPath": "/health",
        "LoadBalancerArns": [prefix + group.text("balancer")],
    }


def describe_target_health(request: Request, params: Params) -> Result:
    missing = Fault("TargetGroupNotFound", "One or more target groups not found")
    group = with_arn(here(request, "alb-target-group"), str(params.get("TargetGroupArn")), missing)
    targets = [{"Id": f"10.0.1.{10 + n}", "Port": 8080} for n in range(group.number("hosts"))]
    sick = _unhealthy(request, group)
    return {
        "TargetHealthDescriptions": [
            {"Target": target, "TargetHealth": _UNHEALTHY if n < sick else {"State": "healthy"}}
            for n, target in enumerate(targets)
        ]
    }


_UNHEALTHY = {
    "State": "unhealthy",
    "Reason": "Target.ResponseCodeMismatch",
    "Description": "Health checks failed with these codes: [500]",
}


def _unhealthy(request: Request, group: Resource) -> int:
    """As many as the metrics of the group say."""
    sick, well = (request.world.trouble(group, f"{word}HostCount", request.now) for word in ("UnHealthy", "Healthy"))
    if sick is not None:
        return int(sick.value)
    return group.number("hosts") - int(well.value) if well is not None else 0


def describe_elb_tags(request: Request, params: Params) -> Result:
    arns = [str(arn) for arn in params.get("ResourceArns") or ()]
    if len(arns) > TAGGED_AT_ONCE:
        raise Fault("ValidationError", f"Cannot have more than {TAGGED_AT_ONCE} resources described at once")
    known = (*here(request, "alb"), *here(request, "alb-target-group"))
    missing = Fault("LoadBalancerNotFound", "One or more load balancers not found")
    return {"TagDescriptions": [{"ResourceArn": arn, "Tags": tags(with_arn(known, arn, missing))} for arn in arns]}


def get_rest_apis(request: Request, params: Params) -> Result:
    found, token = page(here(request, "api-rest"), params, REST)
    return {
        "items": [
            {"id": api.text("id"), "name": api.name, "createdDate": api.created, "tags": dict(api.tags)}
            for api in found
        ],
        **token,
    }


def _by_id(request: Request, kind: str, wanted: object) -> Resource:
    found = next((api for api in here(request, kind) if api.text("id") == wanted), None)
    if found is None:
        raise Fault("NotFoundException", f"Invalid API identifier specified {request.account}:{wanted}", 404)
    return found


def get_rest_stages(request: Request, params: Params) -> Result:
    api = _by_id(request, "api-rest", params.get("restApiId"))
    stage = {"stageName": api.text("stage"), "deploymentId": api.text("id")[:6], "createdDate": api.created}
    return {"item": [{**stage, "tags": dict(api.tags)}]}


def get_http_apis(request: Request, params: Params) -> Result:
    found, token = page(here(request, "api-http"), params, HTTP)
    return {"Items": [_http_api(api) for api in found], **token}


def _http_api(api: Resource) -> dict[str, Any]:
    return {
        "ApiId": api.text("id"),
        "Name": api.name,
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": "$request.method $request.path",
        "ApiEndpoint": f"https://{api.text('id')}.execute-api.{api.region}.amazonaws.com",
        "CreatedDate": api.created,
        "Tags": dict(api.tags),
    }


def get_http_stages(request: Request, params: Params) -> Result:
    api = _by_id(request, "api-http", params.get("ApiId"))
    return {"Items": [{"StageName": "$default", "AutoDeploy": True, "CreatedDate": api.created}]}


def get_http_api(request: Request, params: Params) -> Result:
    return _http_api(_by_id(request, "api-http", params.get("ApiId")))


HANDLERS: dict[tuple[str, str], Handler] = {
    ("elbv2", "DescribeLoadBalancers"): describe_load_balancers,
    ("elbv2", "DescribeTargetGroups"): describe_target_groups,
    ("elbv2", "DescribeTargetHealth"): describe_target_health,
    ("elbv2", "DescribeTags"): describe_elb_tags,
    ("apigateway", "GetRestApis"): get_rest_apis,
    ("apigateway", "GetStages"): get_rest_stages,
    ("apigatewayv2", "GetApis"): get_http_apis,
    ("apigatewayv2", "GetApi"): get_http_api,
    ("apigatewayv2", "GetStages"): get_http_stages,
}
