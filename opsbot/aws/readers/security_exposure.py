"""Which buckets the whole world can read: by their policy or their ACL, unless a public access block stands before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, partition, unless
from opsbot.aws.readers.storage import located
from opsbot.model.resource import Resource

_NO_BLOCK = frozenset({"NoSuchPublicAccessBlockConfiguration"})
_NO_POLICY = frozenset({"NoSuchBucketPolicy"})
_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
_EVERYBODY = ("/global/AllUsers", "/global/AuthenticatedUsers")

Block = frozenset[str]
"""Which of the four blocks are on."""


def exposures(look: Look) -> Iterator[Found]:
    block = _block(look.client("s3control"), AccountId=look.account)
    for bucket in look.each("s3", "list_buckets", "Buckets", PaginationConfig={"PageSize": 1000}):
        region, name = bucket.get("BucketRegion"), bucket["Name"]
        if region in (None, *look.regions):
            yield partial(_bucket, look, name, region, block)


def _bucket(look: Look, name: str, region: str | None, account: Block) -> Iterator[Found]:
    region = region or located(look, name)
    if region not in look.regions:
        return
    client = look.clients("s3", region)
    # Where the account blocks everything, a bucket cannot open itself: nothing more needs to be asked.
    whole = len(account) == len(_BLOCKS)
    block = account if whole else account | _block(client, Bucket=name)
    ways = () if len(block) == len(_BLOCKS) else tuple(_ways(client, name, block))
    yield Resource(
        kind="bucket-exposure",
        name=name,
        region=region,
        arn=f"arn:{partition(region)}:s3:::{name}",
        facts=facts(
            public=1.0 if ways else 0.0,
            blocked=1.0 if len(block) == len(_BLOCKS) else 0.0,
            by=" and ".join(ways) if ways else None,
        ),
    )


def _block(client: Any, **asked: str) -> Block:
    answer = unless(_NO_BLOCK, client.get_public_access_block, **asked) or {}
    settings: Mapping[str, Any] = answer.get("PublicAccessBlockConfiguration") or {}
    return frozenset(one for one in _BLOCKS if settings.get(one))


def _ways(client: Any, name: str, block: Block) -> Iterator[str]:
    """How everybody gets in."""
    if "RestrictPublicBuckets" not in block:
        status = unless(_NO_POLICY, client.get_bucket_policy_status, Bucket=name) or {}
        if (status.get("PolicyStatus") or {}).get("IsPublic"):
            yield "its policy"
    if "IgnorePublicAcls" not in block:
        grants = client.get_bucket_acl(Bucket=name).get("Grants") or ()
        if any(str((grant.get("Grantee") or {}).get("URI", "")).endswith(_EVERYBODY) for grant in grants):
            yield "its ACL"


READERS = {
    "bucket-exposure": Reader(
        kinds=("bucket-exposure",),
        actions=(
            "s3:GetAccountPublicAccessBlock",
            "s3:GetBucketAcl",
            "s3:GetBucketLocation",
            "s3:GetBucketPolicyStatus",
            "s3:GetBucketPublicAccessBlock",
            "s3:ListAllMyBuckets",
        ),
        read=exposures,
        tagged=("s3",),
        global_service=True,
    )
}
