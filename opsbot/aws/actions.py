"""IAM's names for AWS's operations: they differ from the API's more often than one would think."""

from __future__ import annotations

# Service ids as botocore's events write them -> IAM's prefix, where the two differ.
_PREFIXES = {
    "elastic-load-balancing-v2": "elasticloadbalancing",
    "api-gateway": "apigateway",
    "apigatewayv2": "apigateway",
    "database-migration-service": "dms",
    "resource-groups-tagging-api": "tag",
    "cost-explorer": "ce",
    "application-auto-scaling": "application-autoscaling",
    "auto-scaling": "autoscaling",
    "cloudwatch-logs": "logs",
    "efs": "elasticfilesystem",
    "service-quotas": "servicequotas",
    "secrets-manager": "secretsmanager",
    "sesv2": "ses",
}

_ACTIONS = {
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListBucketMetricsConfigurations": "s3:GetMetricsConfiguration",
    # API Gateway is allowed by HTTP verb, and opsbot only reads.
    "apigateway:GetRestApis": "apigateway:GET",
    "apigateway:GetStages": "apigateway:GET",
    "apigateway:GetApis": "apigateway:GET",
    "budgets:DescribeBudgets": "budgets:ViewBudget",
    # One operation's name stands for two things: the bucket's block, and under S3 Control the account's.
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3-control:GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
}


def call_name(service_id: str, operation: str) -> str:
    """`cloudwatch:GetMetricData`: how calls are counted and shown."""
    return f"{_PREFIXES.get(service_id, service_id)}:{operation}"


def action_of(call: str) -> str:
    """The IAM action that allows a call: `s3:ListBuckets` needs `s3:ListAllMyBuckets`."""
    return _ACTIONS.get(call, call)
