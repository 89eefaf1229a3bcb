"""S3 buckets and CloudFront distributions: both are listed for the whole account, from one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, partition
from opsbot.model.environment import labels
from opsbot.model.resource import Resource

GLOBAL_REGION = "us-east-1"


def buckets(look: Look) -> Iterator[Found]:
    # Only an answer to a paged request tells where its buckets are.
    for bucket in look.each("s3", "list_buckets", "Buckets", PaginationConfig={"PageSize": 1000}):
        region = bucket.get("BucketRegion")
        if region is None:
            yield partial(_located, look, bucket["Name"])
        elif region in look.regions:
            yield partial(_bucket, look, bucket["Name"], region)


def _located(look: Look, name: str) -> Iterator[Found]:
    region = located(look, name)
    if region in look.regions:
        yield partial(_bucket, look, name, region)


def located(look: Look, name: str) -> str:
    """The region of a bucket whose listing did not tell it."""
    place = look.client("s3").get_bucket_location(Bucket=name).get("LocationConstraint")
    # What S3 called its first two regions, before regions had names.
    return str({None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(place, place))


def _bucket(look: Look, name: str, region: str) -> Iterator[Found]:
    chosen = _request_metrics(look.clients("s3", region), name)
    yield Resource(
        kind="s3-bucket",
        name=name,
        region=region,
        arn=f"arn:{partition(region)}:s3:::{name}",
        dimensions=labels(BucketName=name) if chosen is None else labels(BucketName=name, FilterId=chosen),
        facts=facts(filter_id=chosen, request_metrics=0.0 if chosen is None else 1.0),
    )


def _request_metrics(client: Any, bucket: str) -> str | None:
    """The filter whose metrics stand for the bucket: the one over all of it if there is one."""
    asked: dict[str, str] = {"Bucket": bucket}
    found: list[Mapping[str, Any]] = []
    for _ in range(100):
        page = client.list_bucket_metrics_configurations(**asked)
        found += page.get("MetricsConfigurationList") or ()
        if not page.get("NextContinuationToken"):
            break
        asked["ContinuationToken"] = page["NextContinuationToken"]
    found.sort(key=lambda configuration: (bool(configuration.get("Filter")), configuration["Id"]))
    return str(found[0]["Id"]) if found else None


def distributions(look: Look) -> Iterator[Found]:
    client = look.clients("cloudfront", GLOBAL_REGION)
    for page in client.get_paginator("list_distributions").paginate():
        for distribution in page.get("DistributionList", {}).get("Items") or ():
            domain = distribution.get("DomainName", "")
            aliases = distribution.get("Aliases", {}).get("Items") or ()
            yield Resource(
                kind="cloudfront-distribution",
                name=aliases[0] if aliases else domain,
                region=GLOBAL_REGION,
                arn=distribution.get("ARN", ""),
                dimensions=labels(DistributionId=distribution["Id"], Region="Global"),
                facts=facts(domain=domain),
            )


READERS = {
    "s3-bucket": Reader(
        kinds=("s3-bucket",),
        actions=("s3:GetBucketLocation", "s3:GetMetricsConfiguration", "s3:ListAllMyBuckets"),
        read=buckets,
        tagged=("s3",),
        global_service=True,
    ),
    "cloudfront-distribution": Reader(
        kinds=("cloudfront-distribution",),
        actions=("cloudfront:ListDistributions",),
        read=distributions,
        tagged=("cloudfront:distribution",),
        global_service=True,
    ),
}
