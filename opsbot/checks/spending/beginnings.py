"""Which changes usually stand behind a part of the bill: how well an event of CloudTrail fits the cause of an anomaly."""

from __future__ import annotations

from dataclasses import dataclass

from opsbot.evaluate.cost import RootCause
from opsbot.evaluate.costdata.writes import Write
from opsbot.model.trail import deploys

NAMED, NEAR, DEPLOYED, ELSEWHERE = 3, 2, 1, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """`word` is in the usage type or the service; `names` are the events that begin such a cost, the most usual first;
    `kind` is what opsbot lists of it with the time it was created, "" for nothing."""

    word: str
    source: str
    names: tuple[str, ...] = ()
    kind: str = ""


# The first that fits: word, source, kind, names.
_ROWS = (
    ("NatGateway", "ec2", "nat-gateway", "CreateNatGateway CreateRoute ReplaceRoute DeleteVpcEndpoints"),
    ("Notebk", "sagemaker", "", "CreateNotebookInstance StartNotebookInstance UpdateNotebookInstance"),
    ("Hosting:ml", "sagemaker", "", "CreateEndpoint UpdateEndpoint UpdateEndpointWeightsAndCapacities"),
    ("Train:ml", "sagemaker", "", "CreateTrainingJob CreateHyperParameterTuningJob"),
    ("EBS:Snapshot", "ec2", "ebs-snapshot", "CreateSnapshot CreateSnapshots CopySnapshot CreateImage"),
    ("EBS:", "ec2", "ebs-volume", "CreateVolume ModifyVolume RunInstances"),
    ("PublicIPv4", "ec2", "", "AllocateAddress RunInstances"),
    (
        "BoxUsage",
        "ec2",
        "",
        "RunInstances StartInstances UpdateAutoScalingGroup SetDesiredCapacity ModifyInstanceAttribute",
    ),
    ("SpotUsage", "ec2", "", "RunInstances CreateFleet RequestSpotFleet UpdateAutoScalingGroup"),
    ("LoadBalancerUsage", "elasticloadbalancing", "alb", "CreateLoadBalancer"),
    (
        "DataProcessing-Bytes",
        "logs",
        "",
        "PutRetentionPolicy DeleteRetentionPolicy CreateLogGroup UpdateFunctionConfiguration UpdateService",
    ),
    ("TimedStorage-ByteHrs", "s3", "", "PutBucketLifecycle DeleteBucketLifecycle PutBucketVersioning CreateBucket"),
    ("Lambda", "lambda", "", "UpdateFunctionCode UpdateFunctionConfiguration CreateEventSourceMapping CreateFunction"),
    ("Fargate", "ecs", "", "UpdateService CreateService RunTask"),
    ("ChargedBackupUsage", "rds", "", "CreateDBSnapshot CreateDBClusterSnapshot ModifyDBInstance"),
    ("InstanceUsage:db", "rds", "", "CreateDBInstance ModifyDBInstance CreateDBCluster"),
    ("NodeUsage:cache", "elasticache", "", "CreateReplicationGroup CreateCacheCluster ModifyReplicationGroup"),
    ("CapacityUnit", "dynamodb", "", "UpdateTable CreateTable CreateGlobalSecondaryIndex"),
    ("SageMaker", "sagemaker", "", ""),
    ("EC2", "ec2", "", ""),
    ("Elastic Compute Cloud", "ec2", "", ""),
    ("Relational Database", "rds", "", ""),
    ("Simple Storage", "s3", "", ""),
    ("CloudWatch", "monitoring", "", ""),
    ("Elastic Container Service", "ecs", "", ""),
    ("DynamoDB", "dynamodb", "", ""),
    ("Kinesis", "kinesis", "", "CreateStream UpdateShardCount"),
    ("Glue", "glue", "", "CreateJob UpdateJob StartJobRun"),
)
_BEGINNINGS = tuple(
    Beginning(word=word, source=source, kind=kind, names=tuple(names.split())) for word, source, kind, names in _ROWS
)


def beginning(cause: RootCause) -> Beginning | None:
    """By the usage type, and where that says nothing by the service."""
    for text in (cause.usage_type, cause.service):
        found = next((one for one in _BEGINNINGS if one.word in text), None)
        if found:
            return found
    return None


def fit(one: Write, begun: Beginning | None) -> int:
    """How well a change explains it: an event that begins such costs, one of the same service, a deployment, any other."""
    if begun and one.name in begun.names:
        return NAMED
    if begun and one.source == begun.source:
        return NEAR
    return DEPLOYED if deploys(one.name) else ELSEWHERE
