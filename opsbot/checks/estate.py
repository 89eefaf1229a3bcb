"""The kinds of resources checks can be about, what people call them, and how long their metrics take to settle."""

from __future__ import annotations

from datetime import timedelta

# What a gap says could not be listed.
NOUNS: dict[str, str] = {
    "ecs-service": "ECS services",
    "eks-cluster": "EKS clusters",
    "lambda-function": "Lambda functions",
    "lambda-account": "the Lambda account limits",
    "rds-instance": "RDS instances",
    "rds-cluster": "Aurora clusters",
    "alb": "load balancers",
    "alb-target-group": "target groups",
    "api-rest": "REST APIs",
    "api-http": "HTTP APIs",
    "s3-bucket": "S3 buckets",
    "cloudfront-distribution": "CloudFront distributions",
    "elasticache-node": "ElastiCache nodes",
    "dms-task": "DMS tasks",
    "batch-queue": "Batch queues",
    "glue-job": "Glue jobs",
    "glue-crawler": "Glue crawlers",
    "ec2-instance": "EC2 instances",
    "cwagent-disk": "disks of the CloudWatch agent",
    "sqs-queue": "SQS queues",
    "dynamodb-table": "DynamoDB tables",
    "acm-certificate": "certificates",
    "cloudwatch-alarm": "CloudWatch alarms",
    "cfn-stack": "CloudFormation stacks",
    "synthetics-canary": "canaries",
    "health-event": "AWS Health events",
    "health-access": "AWS Health",
    "service-quota": "service quotas",
    "log-group": "log groups",
    "trail": "CloudTrail trails",
    "trail-coverage": "what CloudTrail records",
    "console-logins": "console sign-ins",
    "firewall-changes": "changes of security groups",
    "identity-changes": "changes in IAM",
    "root-user": "the root user",
    "iam-user": "IAM users",
    "bucket-exposure": "public access to buckets",
    "guardduty": "GuardDuty findings",
    "security-hub": "Security Hub findings",
    "backup": "backup jobs",
}

# Kinds that no check is about, but the capacity job looks at.
LIMITING: dict[str, str] = {
    "scalable-target": "scaling limits",
    "autoscaling-group": "Auto Scaling groups",
    "dynamodb-throughput": "DynamoDB throughput limits",
    "efs-file-system": "EFS file systems",
    "loose-volume": "EBS volumes",
}

# `where.service` is the short way to name the kind that a service is mostly about.
SERVICES: dict[str, str] = {
    "ecs": "ecs-service",
    "eks": "eks-cluster",
    "lambda": "lambda-function",
    "rds": "rds-instance",
    "aurora": "rds-cluster",
    "alb": "alb",
    "apigateway": "api-rest",
    "apigatewayv2": "api-http",
    "s3": "s3-bucket",
    "cloudfront": "cloudfront-distribution",
    "elasticache": "elasticache-node",
    "dms": "dms-task",
    "batch": "batch-queue",
    "glue": "glue-job",
    "ec2": "ec2-instance",
    "sqs": "sqs-queue",
    "dynamodb": "dynamodb-table",
    "acm": "acm-certificate",
    "cloudwatch": "cloudwatch-alarm",
    "logs": "log-group",
    "cloudformation": "cfn-stack",
    "synthetics": "synthetics-canary",
    "cloudtrail": "trail",
    "iam": "iam-user",
    "guardduty": "guardduty",
    "securityhub": "security-hub",
    "backup": "backup",
}

AREAS = (
    "api",
    "ecs",
    "database",
    "lambda",
    "storage",
    "cdn",
    "queue",
    "host",
    "data",
    "platform",
    "business",
    "certs",
    "alarms",
    "security",
)

# By the first word of a kind: the column of the overview that its checks count in unless they say otherwise.
AREA_OF: dict[str, str] = {
    "ecs": "ecs",
    "eks": "host",
    "lambda": "lambda",
    "rds": "database",
    "alb": "api",
    "api": "api",
    "s3": "storage",
    "cloudfront": "cdn",
    "elasticache": "database",
    "dms": "data",
    "batch": "data",
    "glue": "data",
    "ec2": "host",
    "cwagent": "host",
    "sqs": "queue",
    "dynamodb": "database",
    "acm": "certs",
    "cloudwatch": "alarms",
    "log": "security",
    "trail": "security",
    "console": "security",
    "firewall": "security",
    "identity": "security",
    "root": "security",
    "iam": "security",
    "bucket": "security",
    "guardduty": "security",
    "security": "security",
    "backup": "data",
}

# After Netflix's tuning of period x offset for each namespace (iep-apps): younger points still change.
SETTLE: dict[str, timedelta] = {
    "AWS/EC2": timedelta(minutes=5),
    "AWS/Lambda": timedelta(minutes=5),
    "AWS/ECS": timedelta(minutes=5),
    "AWS/RDS": timedelta(minutes=5),
    "AWS/ApplicationELB": timedelta(minutes=10),
    "AWS/ApiGateway": timedelta(minutes=3),
    "AWS/S3": timedelta(minutes=10),
    "AWS/CloudFront": timedelta(minutes=5),
    "AWS/ElastiCache": timedelta(minutes=5),
    "AWS/DMS": timedelta(minutes=5),
    "AWS/SQS": timedelta(minutes=4),
    "AWS/DynamoDB": timedelta(minutes=8),
    "ContainerInsights": timedelta(minutes=5),
    "CWAgent": timedelta(minutes=5),
}
# The volume metrics of an Aurora cluster come far later than those of its instances.
SETTLE_METRIC: dict[str, timedelta] = {"AWS/RDS VolumeBytesUsed": timedelta(minutes=130)}
SETTLE_OTHER = timedelta(minutes=5)


def settle(namespace: str, name: str, other: timedelta | None) -> timedelta:
    """How old a point must be before it is judged; `other` is for namespaces that nothing is known about."""
    fixed = SETTLE_METRIC.get(f"{namespace} {name}") or SETTLE.get(namespace)
    return fixed or (SETTLE_OTHER if other is None else other)


def noun(kind: str) -> str:
    known = NOUNS.get(kind) or LIMITING.get(kind)
    return known or (f"metrics of {kind.removeprefix('metric:')}" if kind.startswith("metric:") else kind)
