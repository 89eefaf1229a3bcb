"""Makes resources and their series from a plan: names, ids, ARNs, dimensions and signals, all derived from the seed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from opsbot.replica.kinds import GIB, METRICS, OPTIONS, Metric, max_connections
from opsbot.replica.signals import (
    STEADY,
    Events,
    Gauge,
    Measure,
    Remainder,
    Shape,
    Share,
    Tone,
    fraction_of,
    key_of,
)
from opsbot.replica.world import Place, Resource, SeriesId, Signal

Options = Mapping[str, str | int | tuple[str, ...]]
Tags = tuple[tuple[str, str], ...]
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Some resources of one kind that are alike."""

    kind: str
    names: tuple[str, ...]
    options: Options = field(default_factory=dict)
    tags: Tags = ()
    shape: Shape = STEADY
    load: float = 1.0
    """Multiplies the number of events."""
    noise: float = 1.0
    """Multiplies the noise."""
    growth: float = 0.0
    """Over two years, as a share of the level."""
    levels: Mapping[str, float] = field(default_factory=dict)
    """Peaks by metric, in place of the kind's own."""
    spreads: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """One series of a resource."""

    series: SeriesId
    signal: Signal


def hexadecimal(seed: int, length: int, *names: str) -> str:
    """A steady id of hexadecimal digits."""
    digits = "".join(f"{key_of(seed, str(part), *names):016x}" for part in range(-(-length // 16)))
    return digits[:length]


def settled(plan: Plan, seed: int, place: Place) -> Iterator[Resource]:
    """The resources of a plan, and those that come with them (disks, target groups)."""
    for name in plan.names:
        facts = {**OPTIONS.get(plan.kind, {}), **plan.options}
        resource = _resource(plan.kind, name, facts, plan.tags, seed, place)
        yield resource
        yield from _companions(resource, seed, place)


def _resource(kind: str, name: str, facts: Options, tags: Tags, seed: int, place: Place) -> Resource:
    account, region = place
    code = hexadecimal(seed, 32, account, region, kind, name)
    attributes = {**facts, **_derived(kind, name, facts, code)}
    age = timedelta(hours=int(fraction_of(seed, account, kind, name) * 8000))
    named = (("Name", name),) if kind == "ec2-instance" else ()
    return Resource(
        kind=kind,
        name=name,
        arn=_arn(kind, name, place, attributes),
        account=account,
        region=region,
        created=EPOCH + age,
        tags=tuple(sorted((*tags, *named))),
        attributes=attributes,
    )


def _derived(kind: str, name: str, facts: Options, code: str) -> dict[str, str | int]:
    """Attributes that follow from others."""
    if kind in _PREFIXES:
        return {"id": f"{_PREFIXES[kind]}{code[:16]}"}
    match kind:
        case "rds-instance":
            most = max_connections(str(facts["class"]), str(facts["engine"]))
            return {"allocated_bytes": int(str(facts["storage"])) * GIB, "max_connections": most, "id": code[:12]}
        case "lambda-function":
            return {"timeout_ms": int(str(facts["timeout"])) * 1000}
        case "cloudfront-distribution":
            return {"id": f"E{code[:13].upper()}"}
        case "api-rest" | "api-http":
            return {"id": code[:10]}
        case "alb" | "alb-target-group":
            return {"id": code[:16]}
        case "acm-certificate":
            return {"id": "-".join((code[:8], code[8:12], code[12:16], code[16:20], code[20:32]))}
        case _:
            return {"id": re.sub(r"[^A-Za-z0-9-]", "-", name)}


_PREFIXES = {
    "ec2-instance": "i-0", "efs-file-system": "fs-0", "loose-volume": "vol-0", "ebs-volume": "vol-0",
    "ebs-snapshot": "snap-0", "elastic-ip": "eipalloc-0", "nat-gateway": "nat-0", "nlb": "",
}  # fmt: skip


def _companions(resource: Resource, seed: int, place: Place) -> Iterator[Resource]:
    if resource.kind == "alb":
        facts: Options = {"hosts": resource.number("hosts"), "balancer": f"app/{resource.name}/{resource.text('id')}"}
        yield _resource("alb-target-group", f"{resource.name}-tg", facts, resource.tags, seed, place)
    if resource.kind == "ec2-instance":
        disks = resource.attributes.get("disks", ())
        for path in disks if isinstance(disks, tuple) else ():
            yield _resource(
                "cwagent-disk",
                f"{resource.name}:{path}",
                {"instance": resource.text("id"), "path": path},
                resource.tags,
                seed,
                place,
            )


_ARNS = {
    "ecs-service": "ecs:{place}:service/{cluster}/{name}",
    "eks-cluster": "eks:{place}:cluster/{name}",
    "lambda-function": "lambda:{place}:function:{name}",
    "rds-instance": "rds:{place}:db:{name}",
    "rds-cluster": "rds:{place}:cluster:{name}",
    "alb": "elasticloadbalancing:{place}:loadbalancer/app/{name}/{id}",
    "alb-target-group": "elasticloadbalancing:{place}:targetgroup/{name}/{id}",
    "api-rest": "apigateway:{region}::/restapis/{id}",
    "api-http": "apigateway:{region}::/apis/{id}",
    "s3-bucket": "s3:::{name}",
    "cloudfront-distribution": "cloudfront::{account}:distribution/{id}",
    "elasticache-node": "elasticache:{place}:cluster:{name}",
    "dms-task": "dms:{place}:task:{name}",
    "batch-queue": "batch:{place}:job-queue/{name}",
    "glue-job": "glue:{place}:job/{name}",
    "glue-crawler": "glue:{place}:crawler/{name}",
    "ec2-instance": "ec2:{place}:instance/{id}",
    "sqs-queue": "sqs:{place}:{name}",
    "dynamodb-table": "dynamodb:{place}:table/{name}",
    "acm-certificate": "acm:{place}:certificate/{id}",
    "ebs-volume": "ec2:{place}:volume/{id}",
    "ebs-snapshot": "ec2:{place}:snapshot/{id}",
    "elastic-ip": "ec2:{place}:elastic-ip/{id}",
    "nat-gateway": "ec2:{place}:natgateway/{id}",
    "nlb": "elasticloadbalancing:{place}:loadbalancer/net/{name}/{id}",
    "autoscaling-group": "autoscaling:{place}:autoScalingGroup:{id}:autoScalingGroupName/{name}",
    "efs-file-system": "elasticfilesystem:{place}:file-system/{id}",
    "log-group": "logs:{place}:log-group:{name}",
    "loose-volume": "ec2:{place}:volume/{id}",
    "cfn-stack": "cloudformation:{place}:stack/{name}/{id}",
    "synthetics-canary": "synthetics:{place}:canary:{name}",
    "health-event": "health:{region}::event/{service}/{name}/{id}",
    "service-quota": "servicequotas:{place}:{service}/{code}",
}


def _arn(kind: str, name: str, place: Place, attributes: Mapping[str, object]) -> str:
    """The ARN; "" for what has none (disks, custom metrics, the Lambda account)."""
    account, region = place
    known = {**attributes, "name": name, "place": f"{region}:{account}", "account": account, "region": region}
    return f"arn:aws:{_ARNS[kind].format(**known)}" if kind in _ARNS else ""


def dimensions(resource: Resource) -> dict[str, str]:
    """The dimensions under which CloudWatch keeps the resource's metrics."""
    name, text = resource.name, resource.text
    match resource.kind:
        case "ecs-service":
            return {"ClusterName": text("cluster"), "ServiceName": name}
        case "alb" | "nlb":
            return {"LoadBalancer": f"{'app' if resource.kind == 'alb' else 'net'}/{name}/{text('id')}"}
        case "alb-target-group":
            return {"LoadBalancer": text("balancer"), "TargetGroup": f"targetgroup/{name}/{text('id')}"}
        case "api-rest":
            return {"ApiName": name, "Stage": text("stage")}
        case "s3-bucket":
            return {"BucketName": name, "FilterId": text("filter")}
        case "cloudfront-distribution":
            return {"DistributionId": text("id"), "Region": "Global"}
        case "dms-task":
            return {"ReplicationInstanceIdentifier": text("instance"), "ReplicationTaskIdentifier": name}
        case "service-quota" | "efs-file-system":
            return _counted(resource)
        case "cwagent-disk":
            return {"InstanceId": text("instance"), "path": text("path"), "device": "nvme0n1p1", "fstype": "xfs"}
        case _:
            key = _NAMED_BY.get(resource.kind)
            return {key: text("id") if key in _BY_ID else name} if key else {}


def _counted(resource: Resource) -> dict[str, str]:
    if resource.kind == "efs-file-system":
        return {"FileSystemId": resource.text("id"), "StorageClass": "Total"}
    service = resource.text("service").upper()
    return {"Class": "None", "Resource": resource.text("class"), "Service": service, "Type": "Resource"}


_NAMED_BY = {
    "eks-cluster": "ClusterName",
    "lambda-function": "FunctionName",
    "rds-instance": "DBInstanceIdentifier",
    "rds-cluster": "DBClusterIdentifier",
    "api-http": "ApiId",
    "elasticache-node": "CacheClusterId",
    "ec2-instance": "InstanceId",
    "sqs-queue": "QueueName",
    "dynamodb-table": "TableName",
    "custom-metric": "Customer",
    "ebs-volume": "VolumeId",
    "nat-gateway": "NatGatewayId",
    "autoscaling-group": "AutoScalingGroupName",
    "log-group": "LogGroupName",
}
_BY_ID = frozenset({"ApiId", "InstanceId", "NatGatewayId", "VolumeId"})


def published(resource: Resource, plan: Plan, seed: int) -> Iterator[Published]:
    """The series of a resource."""
    own = dimensions(resource)
    events: dict[str, Events] = {}
    for metric in METRICS.get(resource.kind, ()):
        if not _publishes(resource, metric):
            continue
        dims = tuple(sorted((own | dict(metric.extra)).items()))
        tone = _tone(resource, metric, plan, key_of(seed, resource.account, resource.region, metric.name, repr(dims)))
        signal = _signal(metric, tone, resource, plan, events)
        if isinstance(signal, Events):
            events[metric.name] = signal
        yield Published(SeriesId(metric.namespace, metric.name, dims), signal)


def _publishes(resource: Resource, metric: Metric) -> bool:
    if resource.kind == "custom-metric":
        wanted = resource.attributes.get("namespaces", ())
        return not wanted or (isinstance(wanted, tuple) and metric.namespace in wanted)
    if metric.option and not resource.number(metric.option):
        return False
    return not metric.unless or not resource.text("engine").startswith(metric.unless)


def _tone(resource: Resource, metric: Metric, plan: Plan, key: int) -> Tone:
    own = plan.levels.get(metric.name)
    peak = metric.peak * (1 - metric.vary * (key >> 8 & 0xFFFF) / 0x10000) if own is None else own
    if metric.counts:
        peak = float(resource.number(metric.counts))
    if metric.scale and metric.form != "remainder":
        peak *= resource.number(metric.scale)
    return Tone(
        key=key,
        peak=peak * (plan.load if metric.form == "events" else 1.0),
        shape=plan.shape,
        rest=metric.rest,
        noise=min(metric.noise * plan.noise, 0.5),
        growth=plan.growth if metric.rest < 1 or metric.form == "remainder" else 0.0,
        high=metric.high,
    )


def _signal(metric: Metric, tone: Tone, resource: Resource, plan: Plan, events: Mapping[str, Events]) -> Signal:
    spread = plan.spreads.get(metric.name, metric.spread)
    match metric.form:
        case "gauge":
            return Gauge(tone=tone, samples=metric.samples, spread=spread if tone.peak else 0.0)
        case "events":
            return Events(tone=tone)
        case "share":
            return Share(of=events[metric.of], tone=tone, ceiling=metric.ceiling, sparse=metric.sparse)
        case "measure":
            return Measure(of=events[metric.of], tone=tone, spread=spread)
        case "remainder":
            total = float(resource.number(metric.scale))
            return Remainder(total=total, used=Gauge(tone=replace(tone, peak=tone.peak * total, high=total)))
