"""The metric that proves the daemon alive: a 1 a minute, for an alarm that takes its absence for a breach."""

from __future__ import annotations

from opsbot.aws.errors import CALL_ERRORS, translate
from opsbot.errors import CloudError


def put(name: str) -> None:
    """Put 1 to `Namespace/Name`, with the credentials opsbot itself runs as. Raises CloudError."""
    import boto3
    from botocore.config import Config

    namespace, _, metric = name.rpartition("/")
    # One that comes late is worth nothing: the next minute brings another.
    quick = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=3, read_timeout=10)
    try:
        client = boto3.client("cloudwatch", config=quick)
        client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": metric, "Value": 1.0, "Unit": "Count"}])
    except CALL_ERRORS as error:
        failure = translate(error, call="cloudwatch:PutMetricData")
        raise CloudError(
            failure.message, permanent=failure.permanent, hint=failure.hint, action="cloudwatch:PutMetricData"
        ) from error
