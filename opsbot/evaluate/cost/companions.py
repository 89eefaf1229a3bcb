"""Which services rise along with which: disks with machines, logs with functions, keys with buckets."""

from __future__ import annotations

_EC2 = "Amazon Elastic Compute Cloud - Compute"
_LOGS, _DISKS = "AmazonCloudWatch", "EC2 - Other"
_BALANCERS = ("Amazon Elastic Load Balancing", "Elastic Load Balancing", "Amazon Virtual Private Cloud")
# What rises along with a service: disks and traffic of machines, logs of functions, backups of databases.
COMPANIONS: dict[str, frozenset[str]] = {
    _EC2: frozenset({_DISKS, _LOGS, "AWS Backup", *_BALANCERS}),
    "Amazon Elastic Container Service": frozenset({_DISKS, _LOGS, *_BALANCERS}),
    "Amazon Elastic Container Service for Kubernetes": frozenset({_EC2, _DISKS, _LOGS, *_BALANCERS}),
    "AWS Lambda": frozenset({_LOGS, "Amazon Simple Queue Service", "AWS X-Ray"}),
    "Amazon Relational Database Service": frozenset({"AWS Backup", _LOGS, "AWS Key Management Service"}),
    "Amazon Simple Storage Service": frozenset({"AWS Key Management Service", "AWS CloudTrail"}),
    "AWS Glue": frozenset({"Amazon Simple Storage Service", _LOGS}),
    "Amazon Elastic MapReduce": frozenset({"Amazon Simple Storage Service", _EC2, _DISKS, _LOGS}),
    "Amazon SageMaker": frozenset({"Amazon Simple Storage Service", _LOGS, _DISKS}),
}
# Of the cause's height: what rises by more than this is a cause of its own.
COMPANION_SHARE = 0.7
