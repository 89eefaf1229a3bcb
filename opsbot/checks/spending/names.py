"""What a cause of cost is called: short for people, stable for keys, and in which environment it lies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opsbot.evaluate.cost import Anomaly, Leaf, RootCause
from opsbot.evaluate.cost.bill import USAGE
from opsbot.model.environment import Environment
from opsbot.render.format import clean, clip

CHECK = "cost-anomaly"
SHORT = 36
# What people call the parts of a bill that AWS files under something else; the first that fits.
_PARTS = (
    (re.compile(r"NatGateway"), "NAT Gateway"),
    (re.compile(r"EBS:Snapshot"), "EBS snapshots"),
    (re.compile(r"EBS:"), "EBS volumes"),
    (re.compile(r"PublicIPv4|ElasticIP|IdleAddress"), "public IPv4 addresses"),
    (re.compile(r"DataTransfer|(?:In|Out)-Bytes"), "data transfer"),
    (re.compile(r"LoadBalancer|LCU"), "load balancers"),
    (re.compile(r"(?:Reserved|On ?Demand)?.*BoxUsage|SpotUsage"), "EC2 instances"),
)
_SERVICES = {
    "Amazon Elastic Compute Cloud - Compute": "EC2",
    "Amazon Elastic Compute Cloud": "EC2",
    "Amazon Relational Database Service": "RDS",
    "Amazon Simple Storage Service": "S3",
    "Amazon Simple Queue Service": "SQS",
    "Amazon Simple Notification Service": "SNS",
    "Amazon Elastic Container Service": "ECS",
    "Amazon Elastic Container Service for Kubernetes": "EKS",
    "Amazon Elastic Kubernetes Service": "EKS",
    "Amazon Elastic Load Balancing": "load balancers",
    "AWS Key Management Service": "KMS",
    "AWS Database Migration Service": "DMS",
    "AmazonCloudWatch": "CloudWatch",
}
_CODE = re.compile(r"^(?:[A-Z]{2,3}\d|EU)-", re.ASCII)
_LEFT = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Which account is which environment, for one payer: `payer` stands for those that nobody configured."""

    payer: Environment
    environments: tuple[Environment, ...]

    def environment(self, account: str, region: str = "") -> Environment:
        mine = [one for one in self.environments if account and one.account_id == account]
        there = [one for one in mine if region in one.regions]
        return (there or mine or [self.payer])[0]

    def known(self, account: str) -> bool:
        return any(one.account_id == account for one in self.environments)

    def name(self, account: str) -> str:
        """The environment's name, or the account's number."""
        return self.environment(account).name if self.known(account) else clean(account)

    def resource(self, anomaly: Anomaly) -> str:
        """Short, the same for the whole life of an anomaly and for the next one of the same cause; safe in a shell."""
        cause = anomaly.causes[0]
        kind = _CODE.sub("", cause.usage_type) or "usage"
        parts = [slug(service(cause.service)), slug(kind), slug(cause.region)]
        if not self.known(cause.account):
            parts.append(slug(cause.account))
        return ".".join(part for part in parts if part)

    def key(self, anomaly: Anomaly) -> str:
        cause = anomaly.causes[0]
        return f"{self.environment(cause.account, cause.region).name}/{CHECK}/{self.resource(anomaly)}"


def slug(text: str) -> str:
    return _LEFT.sub("-", clean(text).lower()).strip("-")[:48]


def service(name: str) -> str:
    """`Amazon SageMaker` is SageMaker, `Amazon Relational Database Service` RDS, the others as they are."""
    name = clean(name)
    return _SERVICES.get(name) or clip(name.removeprefix("Amazon ").removeprefix("AWS "), SHORT)


def part(cause: RootCause) -> str:
    """What people call it: `NAT Gateway` for what AWS files under "EC2 - Other"."""
    if cause.service.startswith(("EC2", "Amazon Elastic Compute Cloud")):
        for pattern, name in _PARTS:
            if pattern.search(cause.usage_type):
                return name
    return service(cause.service)


def covered(leaves: Sequence[Leaf], causes: Iterable[RootCause]) -> list[int]:
    """Where the leaves of these causes stand in a bill."""
    wanted = {(one.account, one.service, one.region, one.usage_type) for one in causes}
    return [
        place
        for place, leaf in enumerate(leaves)
        if leaf.record_type in USAGE and (leaf.account, leaf.service, leaf.region, leaf.usage_type) in wanted
    ]
