"""What each kind of resource publishes to CloudWatch, and how it moves when nothing is wrong.

Peaks lie well inside every shipped threshold, so that a resource nobody planted anything in stays silent.
"""

from dataclasses import dataclass
from typing import Any, Literal

Form = Literal["gauge", "events", "share", "measure", "remainder"]
GIB = 1024**3
MEMORY_GIB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of a kind."""

    namespace: str
    name: str
    form: Form
    peak: float
    """Level at the busiest hour: in the metric's unit, for events their number in 300 s, for a share 0..1."""
    rest: float = 1.0
    """Share of the peak that remains at the quietest hour."""
    noise: float = 0.05
    vary: float = 0.2
    """How far below the peak a resource of the kind may lie."""
    spread: float = 0.02
    samples: float = 5.0
    high: float = float("inf")
    of: str = ""
    """The events that a share or a measure belongs to."""
    ceiling: float = 1.0
    sparse: bool = False
    scale: str = ""
    """The attribute of the resource that peak is a share of; a planted value is one too."""
    unless: str = ""
    """Not published by engines that begin with this."""
    extra: tuple[tuple[str, str], ...] = ()
    """Dimensions beside the resource's own."""
    counts: str = ""
    """The attribute of the resource that is the level."""
    option: str = ""
    """Published only by resources that have this switched on."""


def _platform(area: str, name: str, form: Form, peak: float, **more: Any) -> Metric:
    return Metric(namespace=f"Platform/{area}", name=name, form=form, peak=peak, **more)


def _lambda() -> tuple[Metric, ...]:
    space = "AWS/Lambda"
    return (
        Metric(namespace=space, name="Invocations", form="events", peak=900, rest=0.25, vary=0.6),
        Metric(namespace=space, name="Errors", form="share", peak=0.0006, of="Invocations", ceiling=0.004),
        Metric(namespace=space, name="Throttles", form="share", peak=0, of="Invocations", ceiling=0),
        Metric(
            namespace=space,
            name="Duration",
            form="measure",
            peak=0.18,
            of="Invocations",
            scale="timeout_ms",
            spread=0.25,
            vary=0.7,
            rest=0.85,
        ),
    )


def _rds() -> tuple[Metric, ...]:
    space = "AWS/RDS"
    used = Metric(
        namespace=space,
        name="FreeStorageSpace",
        form="remainder",
        peak=0.62,
        scale="allocated_bytes",
        vary=0.4,
        noise=0.01,
        unless="aurora",
    )
    return (
        Metric(namespace=space, name="CPUUtilization", form="gauge", peak=48, rest=0.3, vary=0.4, high=100),
        Metric(
            namespace=space,
            name="DatabaseConnections",
            form="gauge",
            peak=0.34,
            rest=0.4,
            vary=0.5,
            scale="max_connections",
        ),
        Metric(namespace=space, name="ReadLatency", form="gauge", peak=0.006, rest=0.5, noise=0.15, vary=0.7),
        Metric(namespace=space, name="WriteLatency", form="gauge", peak=0.009, rest=0.5, noise=0.15, vary=0.7),
        used,
    )


def _alb() -> tuple[Metric, ...]:
    space = "AWS/ApplicationELB"
    requests = "RequestCount"
    return (
        Metric(namespace=space, name=requests, form="events", peak=3300, rest=0.15, vary=0.6),
        Metric(
            namespace=space,
            name="HTTPCode_Target_5XX_Count",
            form="share",
            peak=0.0008,
            of=requests,
            ceiling=0.002,
            sparse=True,
        ),
        Metric(
            namespace=space,
            name="TargetResponseTime",
            form="measure",
            peak=0.12,
            of=requests,
            rest=0.7,
            spread=0.45,
            noise=0.1,
            vary=0.5,
        ),
    )


def _api(client_errors: str, server_errors: str) -> tuple[Metric, ...]:
    space = "AWS/ApiGateway"
    return (
        Metric(namespace=space, name="Count", form="events", peak=2000, rest=0.15, vary=0.6),
        Metric(namespace=space, name=client_errors, form="share", peak=0.006, of="Count", ceiling=0.008, noise=0.2),
        Metric(namespace=space, name=server_errors, form="share", peak=0.0004, of="Count", ceiling=0.0015),
        Metric(
            namespace=space,
            name="Latency",
            form="measure",
            peak=130,
            of="Count",
            rest=0.7,
            spread=0.45,
            noise=0.1,
            vary=0.5,
        ),
    )


def _s3() -> tuple[Metric, ...]:
    space = "AWS/S3"
    requests = "AllRequests"
    return (
        Metric(namespace=space, name=requests, form="events", peak=6000, rest=0.15, vary=0.6),
        Metric(namespace=space, name="4xxErrors", form="share", peak=0.003, of=requests, ceiling=0.006, noise=0.2),
        Metric(namespace=space, name="5xxErrors", form="share", peak=0.00005, of=requests, ceiling=0.0005),
    )


def _cloudfront() -> tuple[Metric, ...]:
    space = "AWS/CloudFront"
    return (
        Metric(namespace=space, name="Requests", form="events", peak=40_000, rest=0.1, vary=0.6),
        Metric(namespace=space, name="4xxErrorRate", form="gauge", peak=1.4, noise=0.2, vary=0.5, samples=1),
        Metric(namespace=space, name="5xxErrorRate", form="gauge", peak=0.12, noise=0.3, vary=0.5, samples=1),
        Metric(namespace=space, name="CacheHitRate", form="gauge", peak=94, noise=0.01, vary=0.03, samples=1, high=100),
    )


def _elasticache() -> tuple[Metric, ...]:
    space = "AWS/ElastiCache"
    return (
        Metric(namespace=space, name="DatabaseMemoryUsagePercentage", form="gauge", peak=62, rest=0.85, noise=0.03),
        Metric(namespace=space, name="EngineCPUUtilization", form="gauge", peak=34, rest=0.3, vary=0.5),
        Metric(namespace=space, name="CacheHitRate", form="gauge", peak=97, noise=0.01, vary=0.03, high=100),
        Metric(namespace=space, name="Evictions", form="gauge", peak=0, noise=0, vary=0),
    )


def _custom() -> tuple[Metric, ...]:
    share, batch, streaming = "PageViews", (("Mode", "batch"),), (("Mode", "streaming"),)
    return (
        _platform("Health", "SystemAvailability", "gauge", 99.98, noise=0.0002, vary=0, spread=0.0, high=100),
        _platform("Data", "DataLossEvents", "events", 0, noise=0, vary=0),
        _platform("Processing", "ProcessingLatency", "gauge", 110, rest=0.5, noise=0.15, extra=batch, samples=1),
        _platform("Processing", "ProcessingLatency", "gauge", 7, rest=0.6, noise=0.15, extra=streaming),
        _platform("Quality", "DataQualityScore", "gauge", 99.2, noise=0.003, vary=0.008, samples=1, high=100),
        _platform("Business", "ActiveUsers", "gauge", 1800, rest=0.12, noise=0.06, vary=0.6),
        _platform("Business", "Uploads", "events", 260, rest=0.2, noise=0.06, vary=0.3),
        _platform("Business", "ApiCalls", "events", 4200, rest=0.15, noise=0.06, vary=0.5),
        _platform("Business", "NewRegistrations", "events", 2.4, rest=0.2, noise=0.1, vary=0.4),
        _platform("Experience", share, "events", 5200, rest=0.12, noise=0.06, vary=0.5),
        _platform("Experience", "ErrorPages", "share", 0.005, of=share, ceiling=0.01, sparse=True),
        _platform("Experience", "PageLoadTime", "gauge", 1500, rest=0.85, noise=0.06, spread=0.25),
        _platform("Experience", "SessionDuration", "gauge", 310, rest=0.8, noise=0.06, spread=0.3),
        _platform("Experience", "BounceRate", "gauge", 42, rest=0.9, noise=0.06),
        _platform("Experience", "LCP", "gauge", 1650, rest=0.85, noise=0.05, spread=0.12),
        _platform("Experience", "INP", "gauge", 120, rest=0.85, noise=0.06, spread=0.15),
        _platform("Experience", "CLS", "gauge", 0.05, rest=0.9, noise=0.08, spread=0.1),
        _platform("Security", "AuthenticationFailures", "events", 6, rest=0.3, noise=0.2, vary=0.5),
    )


def _one(namespace: str, *metrics: tuple[str, float, float, float]) -> tuple[Metric, ...]:
    """Gauges given as name, peak, rest, noise."""
    return tuple(
        Metric(namespace=namespace, name=name, form="gauge", peak=peak, rest=rest, noise=noise)
        for name, peak, rest, noise in metrics
    )


def _many(namespace: str, counts: str, option: str, *names: str) -> tuple[Metric, ...]:
    """Gauges of how many there are."""
    spread = 0.0 if option else 0.02
    return tuple(
        Metric(
            namespace=namespace, name=name, form="gauge", peak=1, noise=0, spread=spread, counts=counts, option=option
        )
        for name in names
    )


METRICS: dict[str, tuple[Metric, ...]] = {
    "ecs-service": (
        *_one("AWS/ECS", ("CPUUtilization", 56, 0.3, 0.08), ("MemoryUtilization", 66, 0.85, 0.02)),
        *_many("ECS/ContainerInsights", "desired", "insights", "RunningTaskCount", "DesiredTaskCount"),
    ),
    "eks-cluster": _one(
        "ContainerInsights",
        ("cluster_failed_node_count", 0, 1, 0),
        ("node_cpu_utilization", 54, 0.35, 0.06),
        ("node_memory_utilization", 62, 0.85, 0.02),
    ),
    "lambda-function": _lambda(),
    "lambda-account": _one("AWS/Lambda", ("ConcurrentExecutions", 180, 0.2, 0.1)),
    "rds-instance": _rds(),
    "rds-cluster": _one("AWS/RDS", ("VolumeBytesUsed", 260 * GIB, 1, 0.002)),
    "alb": _alb(),
    "alb-target-group": (
        *_one("AWS/ApplicationELB", ("UnHealthyHostCount", 0, 1, 0)),
        *_many("AWS/ApplicationELB", "hosts", "", "HealthyHostCount"),
    ),
    "api-rest": _api("4XXError", "5XXError"),
    "api-http": _api("4xx", "5xx"),
    "s3-bucket": _s3(),
    "cloudfront-distribution": _cloudfront(),
    "elasticache-node": _elasticache(),
    "dms-task": _one("AWS/DMS", ("CDCLatencySource", 4, 0.5, 0.2), ("CDCLatencyTarget", 7, 0.5, 0.2)),
    "batch-queue": (),
    "glue-job": (),
    "glue-crawler": (),
    "ec2-instance": (
        *_one("AWS/EC2", ("StatusCheckFailed", 0, 1, 0), ("CPUUtilization", 46, 0.4, 0.08)),
        *_one("CWAgent", ("mem_used_percent", 60, 0.9, 0.02)),
    ),
    "cwagent-disk": _one("CWAgent", ("disk_used_percent", 62, 1, 0.005)),
    "sqs-queue": _one(
        "AWS/SQS", ("ApproximateAgeOfOldestMessage", 12, 0.3, 0.2), ("ApproximateNumberOfMessagesVisible", 25, 0.2, 0.2)
    ),
    "dynamodb-table": (
        Metric(namespace="AWS/DynamoDB", name="ReadThrottleEvents", form="events", peak=0, noise=0, vary=0),
        Metric(namespace="AWS/DynamoDB", name="WriteThrottleEvents", form="events", peak=0, noise=0, vary=0),
    ),
    "acm-certificate": (),
    "custom-metric": _custom(),
    "ebs-volume": (),
    "ebs-snapshot": (),
    "elastic-ip": (),
    "nat-gateway": _one("AWS/NATGateway", ("BytesOutToDestination", 60_000_000, 0.2, 0.2)),
    "nlb": _one("AWS/NetworkELB", ("NewFlowCount", 400, 0.2, 0.2)),
    "autoscaling-group": (
        Metric(
            namespace="AWS/EC2", name="CPUUtilization", form="gauge", peak=46, rest=0.4, noise=0.08, option="watched"
        ),
        *_many("AWS/AutoScaling", "desired", "watched", "GroupInServiceInstances", "GroupDesiredCapacity"),
    ),
    # Their series are those that a scenario plants under [[trends]].
    "efs-file-system": (),
    "log-group": (),
    "loose-volume": (),
    "service-quota": (),
    "cfn-stack": (),
    "synthetics-canary": (),
    "health-event": (),
    "support-plan": (),
}

# What a describe call tells of a kind and an incident can plant beside metrics.
FACTS: dict[str, tuple[str, ...]] = {
    "ecs-service": ("runningCount",),
    "batch-queue": ("FailedJobs",),
    "glue-job": ("JobRunState",),
    "glue-crawler": ("LastCrawl",),
    "acm-certificate": ("NotAfter",),
    "cfn-stack": ("StackStatus", "StackDriftStatus"),
    "synthetics-canary": ("LastRun",),
}

# What the scenario may say of a resource, with what holds when it does not.
OPTIONS: dict[str, dict[str, str | int | tuple[str, ...]]] = {
    "ecs-service": {"cluster": "main", "desired": 3, "most": 0, "insights": 0},
    "eks-cluster": {"version": "1.34"},
    "lambda-function": {"timeout": 30, "memory": 512, "runtime": "python3.13", "traced": 0},
    "rds-instance": {
        "class": "db.r6g.large",
        "engine": "postgres",
        "storage": 200,
        "cluster": "",
        "most": 0,
        "insights": 0,
    },
    "rds-cluster": {"engine": "aurora-postgresql"},
    "alb": {"hosts": 3},
    "api-rest": {"stage": "prod"},
    "s3-bucket": {"filter": "EntireBucket"},
    "elasticache-node": {"class": "cache.r7g.large", "engine": "redis"},
    "dms-task": {"instance": "replication-main"},
    "batch-queue": {"jobs_per_day": 48},
    "glue-job": {"runs_per_day": 24},
    "glue-crawler": {"hour": 3},
    "ec2-instance": {"class": "m7g.large", "disks": ("/",)},
    "lambda-account": {"limit": 1000},
    "custom-metric": {"namespaces": ()},
    "dynamodb-table": {"read": 0, "write": 0},
    "ebs-volume": {"class": "gp3", "stored": 100},
    "ebs-snapshot": {"volume": "", "stored": 100, "full": 0, "age_days": 30, "image": 0},
    "elastic-ip": {"instance": ""},
    "autoscaling-group": {"desired": 2, "least": 1, "most": 4, "watched": 0},
    "efs-file-system": {"stored": 100},
    "log-group": {"retention": 0, "stored": 10},
    "loose-volume": {"class": "gp3", "stored": 100},
    "health-event": {"service": "EC2", "category": "issue", "hours": 3, "closed": 0},
    "service-quota": {"service": "ec2", "code": "L-1216C47A", "class": "vCPU", "value": 64},
}


def max_connections(instance_class: str, engine: str) -> int:
    """What RDS allows by default: the formulas of the default parameter groups, on the class's whole memory."""
    size = instance_class.rsplit(".", 1)[-1]
    doubled = 2 if instance_class.startswith(("db.r", "cache.r")) else 1
    memory = MEMORY_GIB.get(size, 8) * doubled * GIB
    if "postgres" in engine:
        return min(memory // 9_531_392, 5000)
    return min(memory // 12_582_880, 16_000)
