"""What there is at most, and what is stored: scaling targets and groups, service quotas, file systems, log groups."""

from datetime import timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.kinds import GIB
from opsbot.replica.population import dimensions
from opsbot.replica.services import groups
from opsbot.replica.services.lookup import Paging, here, page, tags
from opsbot.replica.world import Resource

TARGETS = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=50, most=50, error="InvalidNextTokenException"
)
GROUPS = Paging(size="MaxRecords", cursor="NextToken", answer="NextToken", usual=50, most=100, error="InvalidNextToken")
QUOTAS = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=100, most=100,
    error="InvalidPaginationTokenException",
)  # fmt: skip
SYSTEMS = Paging(size="MaxItems", cursor="Marker", answer="NextMarker", usual=100, most=100, error="BadRequest")
LOGS = Paging(size="limit", cursor="nextToken", answer="nextToken", usual=50, most=50)
VOLUMES = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=500, most=500, error="InvalidNextToken"
)


def describe_scalable_targets(request: Request, params: Params) -> Result:
    namespace = str(params.get("ServiceNamespace"))
    services = [one for one in here(request, "ecs-service") if one.number("most")] if namespace == "ecs" else []
    found, token = page(services, params, TARGETS)
    return {"ScalableTargets": [_target(service) for service in found], **token}


def _target(service: Resource) -> dict[str, Any]:
    return {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{service.text('cluster')}/{service.name}",
        "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": min(service.number("desired"), service.number("most")),
        "MaxCapacity": service.number("most"),
        "RoleARN": f"arn:aws:iam::{service.account}:role/ecs-autoscaling",
        "CreationTime": service.created,
    }


def describe_groups(request: Request, params: Params) -> Result:
    names = params.get("AutoScalingGroupNames") or ()
    mine = [group for group in here(request, "autoscaling-group") if not names or group.name in names]
    found, token = page(mine, params, GROUPS)
    return {"AutoScalingGroups": [_group(request, group) for group in found], **token}


def _group(request: Request, group: Resource) -> dict[str, Any]:
    desired = groups.desired_of(request, group)
    shown = [{**one, "PropagateAtLaunch": True} for one in tags(group)]
    return {
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "MinSize": group.number("least"),
        "MaxSize": group.number("most"),
        "DesiredCapacity": desired,
        "Instances": groups.machines(group, desired),
        "DefaultCooldown": 300,
        "AvailabilityZones": [f"{group.region}a"],
        "HealthCheckType": "EC2",
        "CreatedTime": group.created,
        "Tags": shown,
    }


def list_service_quotas(request: Request, params: Params) -> Result:
    code = str(params.get("ServiceCode"))
    mine = [quota for quota in here(request, "service-quota") if quota.text("service") == code]
    found, token = page(mine, params, QUOTAS)
    return {"Quotas": [_quota(quota) for quota in found], **token}


def _quota(quota: Resource) -> dict[str, Any]:
    return {
        "ServiceCode": quota.text("service"),
        "ServiceName": quota.text("service").upper(),
        "QuotaArn": quota.arn,
        "QuotaCode": quota.text("code"),
        "QuotaName": quota.name,
        "Value": float(quota.number("value")),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "UsageMetric": {
            "MetricNamespace": "AWS/Usage",
            "MetricName": "ResourceCount",
            "MetricDimensions": dimensions(quota),
            "MetricStatisticRecommendation": "Maximum",
        },
    }


def describe_file_systems(request: Request, params: Params) -> Result:
    found, token = page(here(request, "efs-file-system"), params, SYSTEMS)
    return {"FileSystems": [_system(system) for system in found], **token}


def _system(system: Resource) -> dict[str, Any]:
    return {
        "OwnerId": system.account,
        "CreationToken": system.name,
        "FileSystemId": system.text("id"),
        "FileSystemArn": system.arn,
        "CreationTime": system.created,
        "LifeCycleState": "available",
        "Name": system.name,
        "NumberOfMountTargets": 2,
        "SizeInBytes": {"Value": system.number("stored") * GIB},
        "PerformanceMode": "generalPurpose",
        "Tags": tags(system),
    }


def describe_log_groups(request: Request, params: Params) -> Result:
    prefix = str(params.get("logGroupNamePrefix") or "")
    groups = [group for group in here(request, "log-group") if group.name.startswith(prefix)]
    found, token = page(groups, params, LOGS)
    return {"logGroups": [_log_group(group) for group in found], **token}


def _log_group(group: Resource) -> dict[str, Any]:
    kept = group.number("retention")
    return {
        "logGroupName": group.name,
        "creationTime": int(group.created.timestamp() * 1000),
        **({"retentionInDays": kept} if kept else {}),
        "arn": f"{group.arn}:*",
        "storedBytes": group.number("stored") * GIB,
        "logGroupClass": "STANDARD",
    }


def describe_volumes(request: Request, params: Params) -> Result:
    volumes = [*here(request, "loose-volume"), *here(request, "ebs-volume")]
    for one in params.get("Filters") or ():
        if one.get("Name") != "status":
            raise Fault("InvalidParameterValue", f"The filter '{one.get('Name')}' is invalid")
        volumes = [volume for volume in volumes if _state(volume) in (one.get("Values") or ())]
    found, token = page(volumes, params, VOLUMES)
    return {"Volumes": [_volume(volume) for volume in found], **token}


def _state(volume: Resource) -> str:
    return "available" if volume.kind == "loose-volume" else "in-use"


def _volume(volume: Resource) -> dict[str, Any]:
    return {
        "VolumeId": volume.text("id"),
        "VolumeType": volume.text("class"),
        "Size": volume.number("stored"),
        "State": _state(volume),
        "AvailabilityZone": f"{volume.region}a",
        "CreateTime": volume.created + timedelta(days=1),
        "Encrypted": True,
        "Tags": [*tags(volume), {"Key": "Name", "Value": volume.name}],
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("application-autoscaling", "DescribeScalableTargets"): describe_scalable_targets,
    ("autoscaling", "DescribeAutoScalingGroups"): describe_groups,
    ("service-quotas", "ListServiceQuotas"): list_service_quotas,
    ("efs", "DescribeFileSystems"): describe_file_systems,
    ("logs", "DescribeLogGroups"): describe_log_groups,
    ("ec2", "DescribeVolumes"): describe_volumes,
}
