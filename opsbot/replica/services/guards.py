"""What watches over an account: CloudTrail's own state, GuardDuty, Security Hub, and who may read its buckets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.population import EPOCH, hexadecimal
from opsbot.replica.posture import Posture, Threat
from opsbot.replica.services.lookup import Paging, everywhere, page
from opsbot.replica.world import Resource

FINDINGS = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=50, most=50, error="BadRequestException"
)
CONTROLS = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=100, most=100, error="InvalidInputException"
)
TRAIL = "organization-trail"


def _posture(request: Request) -> Posture:
    return request.world.posture(request.account)


def _home(request: Request) -> str:
    """The region in which the account's trail lives: that of its environment."""
    regions = (one.regions[0] for one in request.world.environments if one.account == request.account)
    return next(regions, request.region)


def _trail_arn(request: Request) -> str:
    return f"arn:aws:cloudtrail:{_home(request)}:{request.account}:trail/{TRAIL}"


def describe_trails(request: Request, params: Params) -> Result:
    state = _posture(request).trail
    away = request.region != _home(request)
    if state == "none" or (away and (state == "local" or params.get("includeShadowTrails") is False)):
        return {"trailList": []}
    return {
        "trailList": [
            {
                "Name": TRAIL,
                "TrailARN": _trail_arn(request),
                "HomeRegion": _home(request),
                "S3BucketName": f"trail-{request.account}",
                "IncludeGlobalServiceEvents": True,
                "IsMultiRegionTrail": state != "local",
                "LogFileValidationEnabled": state != "unvalidated",
                "IsOrganizationTrail": False,
            }
        ]
    }


def get_trail_status(request: Request, params: Params) -> Result:
    state = _posture(request).trail
    if state == "none" or params.get("Name") not in (TRAIL, _trail_arn(request)):
        raise Fault("TrailNotFoundException", f"Unknown trail: {params.get('Name')}")
    stopped = {"StopLoggingTime": request.now - timedelta(days=9)} if state == "stopped" else {}
    return {"IsLogging": state != "stopped", "StartLoggingTime": EPOCH, **stopped}


def _detector(request: Request) -> str:
    return hexadecimal(request.world.seed, 32, request.account, request.region, "detector")


def list_detectors(request: Request, params: Params) -> Result:
    return {"DetectorIds": [_detector(request)] if _posture(request).guardduty else []}


def get_detector(request: Request, params: Params) -> Result:
    _known(request, params)
    role = f"arn:aws:iam::{request.account}:role/aws-service-role/guardduty.amazonaws.com"
    return {"Status": "ENABLED", "ServiceRole": role, "FindingPublishingFrequency": "SIX_HOURS"}


def _known(request: Request, params: Params) -> None:
    if not _posture(request).guardduty or params.get("DetectorId") != _detector(request):
        raise Fault("BadRequestException", "The request is rejected because the input detectorId is not owned.")


def _watched(request: Request) -> list[Threat]:
    """GuardDuty's findings, worst first; they are found where the account's environment is."""
    mine = [one for one in _posture(request).threats if not one.label] if request.region == _home(request) else []
    return sorted(mine, key=lambda one: -one.severity)


def list_findings(request: Request, params: Params) -> Result:
    _known(request, params)
    criterion = (params.get("FindingCriteria") or {}).get("Criterion") or {}
    least = float((criterion.get("severity") or {}).get("GreaterThanOrEqual") or 0)
    ids = [_finding_id(request, one) for one in _watched(request) if one.severity >= least]
    found, token = page(ids, params, FINDINGS)
    return {"FindingIds": found, **token}


def _finding_id(request: Request, threat: Threat) -> str:
    return hexadecimal(request.world.seed, 32, request.account, threat.kind, threat.title)


def get_findings(request: Request, params: Params) -> Result:
    _known(request, params)
    wanted = params.get("FindingIds") or ()
    if len(wanted) > 50:
        raise Fault("BadRequestException", "The request is rejected because it asks for more than 50 findings.")
    return {"Findings": [_finding(request, one) for one in _watched(request) if _finding_id(request, one) in wanted]}


def _finding(request: Request, threat: Threat) -> dict[str, Any]:
    seen = _stamp(request.now - timedelta(minutes=threat.minutes))
    return {
        "AccountId": request.account,
        "Arn": f"arn:aws:guardduty:{request.region}:{request.account}:detector/{_detector(request)}",
        "Id": _finding_id(request, threat),
        "Region": request.region,
        "SchemaVersion": "2.0",
        "Severity": threat.severity,
        "Title": threat.title,
        "Type": threat.kind,
        "CreatedAt": seen,
        "UpdatedAt": seen,
        "Resource": {"ResourceType": "Instance"},
        "Service": {"Archived": False, "Count": 3},
    }


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def get_hub_findings(request: Request, params: Params) -> Result:
    if not _posture(request).hub:
        text = f"Account {request.account} is not subscribed to AWS Security Hub"
        raise Fault("InvalidAccessException", text, 401)
    filters = params.get("Filters") or {}
    labels = {one.get("Value") for one in filters.get("SeverityLabel") or ()}
    regions = {one.get("Value") for one in filters.get("Region") or ()}
    threats: Sequence[Threat] = _posture(request).threats if request.region == _home(request) else ()
    mine = [one for one in threats if one.label and (not labels or one.label in labels)]
    there = sorted(mine, key=lambda one: one.label) if not regions or request.region in regions else []
    found, token = page(there, params, CONTROLS)
    return {"Findings": [_control(request, one) for one in found], **token}


def _control(request: Request, threat: Threat) -> dict[str, Any]:
    seen = _stamp(request.now - timedelta(minutes=threat.minutes))
    product = f"arn:aws:securityhub:{request.region}::product/aws/securityhub"
    return {
        "SchemaVersion": "2018-10-08",
        "Id": f"{product}/{_finding_id(request, threat)}",
        "ProductArn": product,
        "ProductName": "Security Hub",
        "GeneratorId": threat.kind,
        "AwsAccountId": request.account,
        "Region": request.region,
        "CreatedAt": seen,
        "UpdatedAt": seen,
        "Severity": {"Label": threat.label},
        "Title": threat.title,
        "Description": threat.title,
        "Resources": [{"Type": "AwsAccount", "Id": f"AWS::::Account:{request.account}"}],
        "RecordState": "ACTIVE",
        "Workflow": {"Status": "NEW"},
    }


def get_account_block(request: Request, params: Params) -> Result:
    if not _posture(request).block:
        raise Fault("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", 404)
    return {"PublicAccessBlockConfiguration": _all_blocked()}


def _all_blocked() -> dict[str, bool]:
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return dict.fromkeys(blocks, True)


def _bucket(request: Request, params: Params) -> Resource:
    found = [one for one in everywhere(request, "s3-bucket") if one.name == params.get("Bucket")]
    if not found:
        raise Fault("NoSuchBucket", "The specified bucket does not exist", 404)
    return found[0]


def get_bucket_block(request: Request, params: Params) -> Result:
    if _bucket(request, params).name in _posture(request).public:
        raise Fault("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", 404)
    return {"PublicAccessBlockConfiguration": _all_blocked()}


def get_policy_status(request: Request, params: Params) -> Result:
    if _bucket(request, params).name not in _posture(request).public:
        raise Fault("NoSuchBucketPolicy", "The bucket policy does not exist", 404)
    return {"PolicyStatus": {"IsPublic": True}}


def get_bucket_acl(request: Request, params: Params) -> Result:
    owner = {"ID": _bucket(request, params).account}
    return {"Owner": owner, "Grants": [{"Grantee": {"Type": "CanonicalUser", **owner}, "Permission": "FULL_CONTROL"}]}


HANDLERS: dict[tuple[str, str], Handler] = {
    ("cloudtrail", "DescribeTrails"): describe_trails,
    ("cloudtrail", "GetTrailStatus"): get_trail_status,
    ("guardduty", "ListDetectors"): list_detectors,
    ("guardduty", "GetDetector"): get_detector,
    ("guardduty", "ListFindings"): list_findings,
    ("guardduty", "GetFindings"): get_findings,
    ("securityhub", "GetFindings"): get_hub_findings,
    ("s3control", "GetPublicAccessBlock"): get_account_block,
    ("s3", "GetPublicAccessBlock"): get_bucket_block,
    ("s3", "GetBucketPolicyStatus"): get_policy_status,
    ("s3", "GetBucketAcl"): get_bucket_acl,
}
