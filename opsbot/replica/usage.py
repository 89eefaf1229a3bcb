"""What each resource uses in a day, by what AWS calls it on a bill, and what a unit of it costs.

Quantities come from the same signals as the metrics: the requests billed are the requests that CloudWatch shows.
Prices are on-demand list prices, rounded (aws.amazon.com/pricing, November 2026); they need not be exact, only the same
everywhere.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from opsbot.replica.kinds import GIB
from opsbot.replica.population import dimensions
from opsbot.replica.signals import DAY, fraction_of
from opsbot.replica.world import Floats, Resource, SeriesId, World

# What usage types begin with where it is not us-east-1 (AWS's own billing codes).
PREFIXES = {
    "us-east-1": "", "us-east-2": "USE2-", "us-west-1": "USW1-", "us-west-2": "USW2-", "eu-west-1": "EU-",
    "eu-west-2": "EUW2-", "eu-west-3": "EUW3-", "eu-central-1": "EUC1-", "eu-north-1": "EUN1-",
    "ap-southeast-1": "APS1-", "ap-southeast-2": "APS2-", "ap-northeast-1": "APN1-", "ap-south-1": "APS3-",
    "sa-east-1": "SAE1-", "ca-central-1": "CAN1-",
}  # fmt: skip
EVERYWHERE = "global"
MONTH_DAYS = 30.4
DATA = "DataTransfer-Out-Bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A quantity a day of one usage type; `region` "global" where the service has none."""

    service: str
    usage_type: str
    operation: str
    region: str
    unit: str
    price: float
    quantity: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Whole days from `start` (epoch seconds) on, looked at in one world."""

    world: World
    start: int
    n: int

    def total(self, resource: Resource, metric: str) -> Floats:
        """The daily sum of a resource's metric; zeros when it has none."""
        buckets = self._buckets(resource, metric)
        return np.zeros(self.n) if buckets is None else buckets[0] * buckets[1]

    def mean(self, resource: Resource, metric: str) -> Floats:
        """The daily mean of a resource's metric."""
        buckets = self._buckets(resource, metric)
        return np.zeros(self.n) if buckets is None else buckets[1]

    def steady(self, value: float) -> Floats:
        return np.full(self.n, value)

    def grown(self, resource: Resource, what: str, least: float, most: float) -> Floats:
        """A size of the resource's own that grows a little every day: nothing that a metric tells."""
        size = least + (most - least) * fraction_of(self.world.seed, resource.account, resource.name, what)
        age = (np.arange(self.n) * DAY + self.start - resource.created.timestamp()) / (365 * DAY)
        grown: Floats = size * (1 + 0.25 * np.clip(age, 0, 8))
        return grown

    def _buckets(self, resource: Resource, metric: str) -> tuple[Floats, Floats] | None:
        own = tuple(sorted(dimensions(resource).items()))
        series = self.world.series(resource.account, resource.region)
        spaces = {"rds-cluster": "AWS/RDS"} | _SPACES
        signal = series.get(SeriesId(spaces[resource.kind], metric, own))
        if signal is None:
            return None
        buckets = signal.buckets(self.start, self.n, DAY)
        return buckets.count, buckets.mean


_SPACES = {
    "lambda-function": "AWS/Lambda", "alb": "AWS/ApplicationELB", "api-rest": "AWS/ApiGateway",
    "api-http": "AWS/ApiGateway", "s3-bucket": "AWS/S3", "cloudfront-distribution": "AWS/CloudFront",
}  # fmt: skip

_One = tuple[str, str, str, float, Floats]
"""Usage type without its region, operation, unit, price, quantity."""


def _hours(days: Days, count: float = 1.0) -> Floats:
    return days.steady(24.0 * count)


def _gb_months(days: Days, size: Floats | float) -> Floats:
    """GB-months of a day."""
    months: Floats = days.steady(1 / MONTH_DAYS) * size
    return months


def _ecs(days: Days, resource: Resource) -> Iterator[_One]:
    tasks = resource.number("desired")
    yield "Fargate-vCPU-Hours:perCPU", "FargateTask", "hours", 0.04656, _hours(days, tasks)
    yield "Fargate-GB-Hours", "FargateTask", "hours", 0.00511, _hours(days, 2 * tasks)


def _eks(days: Days, _: Resource) -> Iterator[_One]:
    yield "AmazonEKS-Hours:perCluster", "CreateOperation", "Hrs", 0.10, _hours(days)


def _lambda(days: Days, resource: Resource) -> Iterator[_One]:
    calls = days.total(resource, "Invocations")
    seconds = calls * days.mean(resource, "Duration") / 1000 * resource.number("memory") / 1024
    yield "Request", "Invoke", "Requests", 0.0000002, calls
    yield "Lambda-GB-Second", "Invoke", "Lambda-GB-Second", 0.0000166667, seconds


_HOURLY = {"micro": 0.02, "small": 0.04, "medium": 0.08, "large": 0.25, "xlarge": 0.5, "2xlarge": 1.0, "4xlarge": 2.0}


def _hourly(resource: Resource) -> float:
    return _HOURLY.get(resource.text("class").rsplit(".", 1)[-1], 0.25)


def _rds(days: Days, resource: Resource) -> Iterator[_One]:
    storage = resource.number("storage")
    yield f"InstanceUsage:{resource.text('class')}", "CreateDBInstance:0014", "Hrs", _hourly(resource), _hours(days)
    yield "RDS:GP3-Storage", "CreateDBInstance:0014", "GB-Mo", 0.137, _gb_months(days, storage)
    yield "RDS:ChargedBackupUsage", "", "GB-Mo", 0.095, _gb_months(days, 0.6 * storage)


def _aurora(days: Days, resource: Resource) -> Iterator[_One]:
    used = days.mean(resource, "VolumeBytesUsed") / GIB
    yield "Aurora:StorageUsage", "CreateDBInstance:0021", "GB-Mo", 0.119, _gb_months(days, used)


def _alb(days: Days, resource: Resource) -> Iterator[_One]:
    requests = days.total(resource, "RequestCount")
    yield "LoadBalancerUsage", "LoadBalancing:Application", "Hrs", 0.027, _hours(days)
    yield "LCUUsage", "LoadBalancing:Application", "LCU-Hrs", 0.008, requests / 90_000 * 24
    yield DATA, "LoadBalancing:Application", "GB", 0.09, requests * 30e-6


def _api(days: Days, resource: Resource) -> Iterator[_One]:
    requests = days.total(resource, "Count")
    dear = resource.kind == "api-rest"
    price, name = (0.0000037, "ApiGatewayRequest") if dear else (0.0000012, "ApiGatewayHttpRequest")
    yield name, "ApiGatewayRequest", "Requests", price, requests


def _s3(days: Days, resource: Resource) -> Iterator[_One]:
    requests = days.total(resource, "AllRequests")
    size = days.grown(resource, "size", 900, 9000)
    yield "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", 0.0245, _gb_months(days, size)
    yield "Requests-Tier1", "PutObject", "Requests", 0.0000054, requests * 0.1
    yield "Requests-Tier2", "GetObject", "Requests", 0.00000043, requests * 0.9
    yield DATA, "GetObject", "GB", 0.09, requests * 2e-6


def _cloudfront(days: Days, resource: Resource) -> Iterator[_One]:
    requests = days.total(resource, "Requests")
    yield f"EU-{DATA}", "GET", "GB", 0.085, requests * 45e-6
    yield "EU-Requests-Tier2-HTTPS", "GET", "Requests", 0.0000012, requests


def _elasticache(days: Days, resource: Resource) -> Iterator[_One]:
    yield f"NodeUsage:{resource.text('class')}", "CreateCacheCluster:0002", "Hrs", _hourly(resource), _hours(days)


def _dms(days: Days, _: Resource) -> Iterator[_One]:
    yield "InstanceUsg:dms.t3.medium", "RunInstances", "Hrs", 0.083, _hours(days)


def _glue_job(days: Days, resource: Resource) -> Iterator[_One]:
    yield "ETL-DPU-Hour", "Jobrun", "DPU-Hour", 0.44, days.steady(0.4 * resource.number("runs_per_day"))


def _crawler(days: Days, _: Resource) -> Iterator[_One]:
    yield "Crawler-DPU-Hour", "CrawlerRun", "DPU-Hour", 0.44, days.steady(0.6)


def _ec2(days: Days, resource: Resource) -> Iterator[_One]:
    yield f"BoxUsage:{resource.text('class')}", "RunInstances", "Hrs", _hourly(resource) * 0.4, _hours(days)


def _disk(days: Days, _: Resource) -> Iterator[_One]:
    yield "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "GB-Mo", 0.0952, _gb_months(days, 120)


def _sqs(days: Days, resource: Resource) -> Iterator[_One]:
    yield "Requests-Tier1", "SendMessage", "Requests", 0.0000004, days.grown(resource, "messages", 2e5, 3e6)


def _dynamodb(days: Days, resource: Resource) -> Iterator[_One]:
    yield "TimedStorage-ByteHrs", "", "GB-Mo", 0.306, _gb_months(days, days.grown(resource, "size", 5, 80))
    yield (
        "ReadRequestUnits",
        "PayPerRequestThroughput",
        "Requests",
        0.0000001525,
        days.grown(resource, "reads", 1e6, 2e7),
    )


_Recipe = Callable[[Days, Resource], Iterator[_One]]
_RECIPES: dict[str, tuple[str, _Recipe]] = {
    "ecs-service": ("Amazon Elastic Container Service", _ecs),
    "eks-cluster": ("Amazon Elastic Container Service for Kubernetes", _eks),
    "lambda-function": ("AWS Lambda", _lambda),
    "rds-instance": ("Amazon Relational Database Service", _rds),
    "rds-cluster": ("Amazon Relational Database Service", _aurora),
    "alb": ("Amazon Elastic Load Balancing", _alb),
    "api-rest": ("Amazon API Gateway", _api),
    "api-http": ("Amazon API Gateway", _api),
    "s3-bucket": ("Amazon Simple Storage Service", _s3),
    "cloudfront-distribution": ("Amazon CloudFront", _cloudfront),
    "elasticache-node": ("Amazon ElastiCache", _elasticache),
    "dms-task": ("AWS Database Migration Service", _dms),
    "glue-job": ("AWS Glue", _glue_job),
    "glue-crawler": ("AWS Glue", _crawler),
    "ec2-instance": ("Amazon Elastic Compute Cloud - Compute", _ec2),
    "cwagent-disk": ("EC2 - Other", _disk),
    "sqs-queue": ("Amazon Simple Queue Service", _sqs),
    "dynamodb-table": ("Amazon DynamoDB", _dynamodb),
}
_REGIONLESS = frozenset({"Amazon CloudFront"})


def used(days: Days, resource: Resource) -> Iterator[Use]:
    """What one resource puts on the bill, by usage type."""
    if resource.kind not in _RECIPES:
        return
    service, recipe = _RECIPES[resource.kind]
    everywhere = service in _REGIONLESS
    prefix = "" if everywhere else PREFIXES.get(resource.region, "")
    for name, operation, unit, price, quantity in recipe(days, resource):
        yield Use(
            service=service,
            usage_type=prefix + name,
            operation=operation,
            region=EVERYWHERE if everywhere else resource.region,
            unit=unit,
            price=price,
            quantity=quantity,
        )
