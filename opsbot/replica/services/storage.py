"""S3 buckets and CloudFront distributions; both are listed for the whole account."""

from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.draft import GLOBAL_REGION
from opsbot.replica.services.lookup import Paging, everywhere, page, tags, with_arn
from opsbot.replica.world import Resource

BUCKETS = Paging(
    size="MaxBuckets",
    cursor="ContinuationToken",
    answer="ContinuationToken",
    usual=10_000,
    most=10_000,
    error="InvalidArgument",
)
DISTRIBUTIONS = Paging(
    size="MaxItems", cursor="Marker", answer="NextMarker", usual=100, most=100, error="InvalidArgument"
)


def list_buckets(request: Request, params: Params) -> Result:
    region, prefix = params.get("BucketRegion"), str(params.get("Prefix") or "")
    buckets = [
        bucket
        for bucket in everywhere(request, "s3-bucket")
        if bucket.name.startswith(prefix) and region in (None, bucket.region)
    ]
    found, token = page(buckets, params, BUCKETS)
    shown = [{"Name": b.name, "CreationDate": b.created, "BucketRegion": b.region} for b in found]
    return {"Buckets": shown, "Owner": {"ID": request.account}, **token}


def _bucket(request: Request, params: Params) -> Resource:
    name = str(params.get("Bucket"))
    missing = Fault("NoSuchBucket", "The specified bucket does not exist", 404)
    return with_arn(everywhere(request, "s3-bucket"), f"arn:aws:s3:::{name}", missing)


def get_bucket_location(request: Request, params: Params) -> Result:
    region = _bucket(request, params).region
    # S3 calls us-east-1 nothing.
    return {} if region == "us-east-1" else {"LocationConstraint": region}


def head_bucket(request: Request, params: Params) -> Result:
    return {"BucketRegion": _bucket(request, params).region}


def list_metrics_configurations(request: Request, params: Params) -> Result:
    bucket = _bucket(request, params)
    return {"IsTruncated": False, "MetricsConfigurationList": [{"Id": bucket.text("filter")}]}


def get_bucket_tagging(request: Request, params: Params) -> Result:
    return {"TagSet": tags(_bucket(request, params))}


def _distributions(request: Request) -> tuple[Resource, ...]:
    return request.world.resources(request.account, GLOBAL_REGION, "cloudfront-distribution")


def list_distributions(request: Request, params: Params) -> Result:
    found, token = page(_distributions(request), params, DISTRIBUTIONS)
    return {
        "DistributionList": {
            "Marker": str(params.get("Marker") or ""),
            "MaxItems": int(params.get("MaxItems") or DISTRIBUTIONS.usual),
            "IsTruncated": bool(token),
            "Quantity": len(found),
            "Items": [_distribution(distribution) for distribution in found],
            **token,
        }
    }


def _distribution(distribution: Resource) -> dict[str, Any]:
    code = distribution.text("id")
    return {
        "Id": code,
        "ARN": distribution.arn,
        "Status": "Deployed",
        "LastModifiedTime": distribution.created,
        "DomainName": f"d{code[1:].lower()}.cloudfront.net",
        "Aliases": {"Quantity": 1, "Items": [distribution.name]},
        "Origins": {
            "Quantity": 1,
            "Items": [{"Id": "origin", "DomainName": f"origin.{distribution.name}"}],
        },
        "DefaultCacheBehavior": {"TargetOriginId": "origin", "ViewerProtocolPolicy": "redirect-to-https"},
        "CacheBehaviors": {"Quantity": 0},
        "CustomErrorResponses": {"Quantity": 0},
        "Comment": distribution.name,
        "PriceClass": "PriceClass_All",
        "Enabled": True,
        "ViewerCertificate": {"MinimumProtocolVersion": "TLSv1.2_2021"},
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
        "WebACLId": "",
        "HttpVersion": "http2and3",
        "IsIPV6Enabled": True,
        "Staging": False,
    }


def list_distribution_tags(request: Request, params: Params) -> Result:
    missing = Fault("NoSuchResource", "The specified resource does not exist.", 404)
    return {"Tags": {"Items": tags(with_arn(_distributions(request), str(params.get("Resource")), missing))}}


HANDLERS: dict[tuple[str, str], Handler] = {
    ("s3", "ListBuckets"): list_buckets,
    ("s3", "GetBucketLocation"): get_bucket_location,
    ("s3", "HeadBucket"): head_bucket,
    ("s3", "ListBucketMetricsConfigurations"): list_metrics_configurations,
    ("s3", "GetBucketTagging"): get_bucket_tagging,
    ("cloudfront", "ListDistributions"): list_distributions,
    ("cloudfront", "ListTagsForResource"): list_distribution_tags,
}
