"""What guards an account, as boto3 reads it from the embedded AWS: trails, watchers, credentials, backups, open doors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jmespath
import pytest
from botocore.exceptions import ClientError
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from opsbot.errors import ConfigError
from opsbot.replica import scenario
from opsbot.replica.codec import Fault, Request
from opsbot.replica.services import backups, credentials, guards
from opsbot.replica.services.credentials import COLUMNS
from opsbot.replica.services.guards import list_detectors
from opsbot.replica.state import State
from opsbot.replica.world import World
from tests.replica.world.test_describe import MODELS, NOW, Client, embedded

D, STAGING, S, P, OPEN = "dhbw-prod", "dhbw-staging", "shopai-prod", "dataplat-prod", "edtufv-prod"
SANTILLANA = "santillana-prod"
UPLOADS = "edtufv-lecture-uploads"


@pytest.fixture(scope="module")
def enter() -> Iterator[Callable[[str], Client]]:
    with embedded(NOW) as (_, way):
        yield way


@pytest.fixture(scope="module")
def world() -> World:
    return scenario.load(scenario.SHIPPED, anchor=NOW)


@cache
def _model(service: str) -> ServiceModel:
    return ServiceModel(MODELS.load_service_model(service, "service-2"), service)


CALLS: list[tuple[str, str, str, dict[str, Any], str, object]] = [
    (D, "cloudtrail", "describe_trails", {}, "trailList[].[Name, IsMultiRegionTrail, LogFileValidationEnabled]",
     [["organization-trail", True, True]]),
    (D, "cloudtrail", "get_trail_status", {"Name": "organization-trail"}, "[IsLogging, StopLoggingTime]", [True, None]),
    (STAGING, "cloudtrail", "get_trail_status", {"Name": "organization-trail"}, "[IsLogging, StopLoggingTime]",
     [False, NOW - timedelta(days=9)]),
    (D, "guardduty", "list_detectors", {}, "length(DetectorIds)", 1),
    (STAGING, "guardduty", "list_detectors", {}, "DetectorIds", []),
    (D, "securityhub", "get_findings", {}, "Findings", []),
    ("educaria-prod", "securityhub", "get_findings",
     {"Filters": {"SeverityLabel": [{"Value": "HIGH", "Comparison": "EQUALS"}]}},
     "Findings[].[Severity.Label, ProductName]", [["HIGH", "Security Hub"]]),
    (OPEN, "s3", "get_bucket_policy_status", {"Bucket": UPLOADS}, "PolicyStatus.IsPublic", True),
    (OPEN, "s3", "get_bucket_acl", {"Bucket": UPLOADS}, "Grants[].Permission", ["FULL_CONTROL"]),
    (D, "s3", "get_public_access_block", {"Bucket": "dhbw-lecture-media"},
     "PublicAccessBlockConfiguration.RestrictPublicBuckets", True),
    (D, "iam", "generate_credential_report", {}, "State", "COMPLETE"),
    (D, "iam", "get_credential_report", {}, "ReportFormat", "text/csv"),
    (P, "backup", "list_backup_plans", {}, "BackupPlansList[].BackupPlanName", ["nightly"]),
    (D, "backup", "list_backup_plans", {}, "BackupPlansList", []),
    (P, "backup", "list_backup_jobs", {"ByState": "FAILED", "ByCompleteAfter": NOW - timedelta(days=1)},
     "BackupJobs[].[ResourceName, ResourceType, State]", [["source-erp", "RDS", "FAILED"]]),
    (P, "backup", "list_backup_jobs", {}, "length(BackupJobs)", 15),
    (D, "backup", "list_backup_jobs", {}, "BackupJobs", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "service", "operation", "params", "path", "expected"),
    CALLS,
    ids=[f"{c[0]} {c[1]} {c[2]}" for c in CALLS],
)
def test_an_operation_answers_as_boto3_reads_it(
    enter: Callable[[str], Client],
    environment: str,
    service: str,
    operation: str,
    params: dict[str, Any],
    path: str,
    expected: object,
) -> None:
    answer = getattr(enter(environment)(service), operation)(**params)
    assert jmespath.search(path, answer) == expected


ERRORS: list[tuple[str, str, str, dict[str, Any], str]] = [
    (D, "cloudtrail", "get_trail_status", {"Name": "other"}, "TrailNotFoundException"),
    (STAGING, "securityhub", "get_findings", {}, "InvalidAccessException"),
    (STAGING, "guardduty", "get_detector", {"DetectorId": "0" * 32}, "BadRequestException"),
    (OPEN, "s3", "get_public_access_block", {"Bucket": UPLOADS}, "NoSuchPublicAccessBlockConfiguration"),
    (D, "s3", "get_bucket_policy_status", {"Bucket": "dhbw-lecture-media"}, "NoSuchBucketPolicy"),
    (D, "s3", "get_bucket_acl", {"Bucket": "somebody-elses"}, "NoSuchBucket"),
]


@pytest.mark.parametrize(
    ("environment", "service", "operation", "params", "code"), ERRORS, ids=[f"{e[2]} {e[4]}" for e in ERRORS]
)
def test_errors_are_those_of_aws(
    enter: Callable[[str], Client], environment: str, service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as raised:
        getattr(enter(environment)(service), operation)(**params)
    assert raised.value.response["Error"]["Code"] == code


def test_the_account_s_own_block_is_asked_of_s3_control(enter: Callable[[str], Client]) -> None:
    def bare(request: Any, **_: Any) -> None:
        request.url = request.url.replace("20100000000", "", 1).replace("1.127", "127", 1)

    control = enter(D)("s3control")
    control.meta.events.register("before-sign.s3-control", bare)
    answer = control.get_public_access_block(AccountId="201000000001")
    assert set(answer["PublicAccessBlockConfiguration"].values()) == {True}


def test_what_guardduty_found_is_told_worst_first_and_by_id(enter: Callable[[str], Client]) -> None:
    watcher = enter(S)("guardduty")
    detector = watcher.list_detectors()["DetectorIds"][0]
    assert watcher.get_detector(DetectorId=detector)["Status"] == "ENABLED"
    ids = watcher.list_findings(DetectorId=detector)["FindingIds"]
    found = watcher.get_findings(DetectorId=detector, FindingIds=ids)["Findings"]
    assert [(one["Severity"], one["Type"]) for one in found] == [(8.0, "CryptoCurrency:EC2/BitcoinTool.B!DNS")]
    severe = {"Criterion": {"severity": {"GreaterThanOrEqual": 9}}}
    assert watcher.list_findings(DetectorId=detector, FindingCriteria=severe)["FindingIds"] == []


def test_the_credential_report_has_aws_s_columns_and_root_first(enter: Callable[[str], Client]) -> None:
    text = enter(P)("iam").get_credential_report()["Content"].decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert [row["user"] for row in rows] == ["<root_account>", "legacy-export"]
    assert rows[0]["password_enabled"] == "not_supported"
    assert rows[1]["access_key_1_last_rotated"] == "2026-04-22T07:00:00+00:00"
    assert rows[1]["access_key_2_active"] == "false"


@pytest.mark.parametrize(
    ("environment", "name", "path", "expected"),
    [
        (SANTILLANA, "ConsoleLogin", "[userIdentity.type, additionalEventData.MFAUsed, responseElements.ConsoleLogin]",
         ["IAMUser", "No", "Success"]),
        (S, "AuthorizeSecurityGroupIngress", "requestParameters.ipPermissions.items[].[fromPort, toPort]",
         [[5432, 5432]]),
        (S, "AttachRolePolicy", "requestParameters.roleName", "checkout-api-task"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_people_did_is_in_the_trail_as_cloudtrail_writes_it(
    enter: Callable[[str], Client], environment: str, name: str, path: str, expected: object
) -> None:
    by_name = [{"AttributeKey": "EventName", "AttributeValue": name}]
    events = enter(environment)("cloudtrail").lookup_events(LookupAttributes=by_name)["Events"]
    assert [jmespath.search(path, json.loads(event["CloudTrailEvent"])) for event in events] == [expected]


@pytest.mark.parametrize("environment", [D, STAGING, S, P, OPEN, "educaria-prod"])
def test_every_answer_has_the_shape_of_botocore_s_model(world: World, environment: str) -> None:
    """Not what botocore makes of it: its parser would pass over what it does not know."""
    place = next(one for one in world.environments if one.name == environment)
    request = Request(
        account=place.account, region=place.regions[0], access_key="demo", now=NOW, world=world, state=State()
    )
    given: dict[str, dict[str, Any]] = {
        "GetTrailStatus": {"Name": "organization-trail"},
        "GetDetector": (known := {"DetectorId": (list_detectors(request, {})["DetectorIds"] or ["none"])[0]}),
        "ListFindings": known,
        "GetBucketPolicyStatus": {"Bucket": UPLOADS},
        "GetBucketAcl": {"Bucket": UPLOADS},
        "GetPublicAccessBlock": {"Bucket": UPLOADS},
    }
    told = 0
    for (service, operation), handler in {**guards.HANDLERS, **credentials.HANDLERS, **backups.HANDLERS}.items():
        asked = dict(given.get(operation, {}))
        if (service, operation) == ("guardduty", "GetFindings"):
            asked = {**known, "FindingIds": ["0" * 32]}
        try:
            answer = handler(request, asked)
        except Fault:
            continue
        shape = _model(service).operation_model(operation).output_shape
        report = ParamValidator().validate(answer, shape)
        assert not report.has_errors(), report.generate_report()
        told += 1
    assert told >= 8


def test_every_problem_of_the_section_is_told(tmp_path: Path) -> None:
    text = (
        'seed = 1\ncaller_account = "100000000001"\n[[environments]]\nname = "a"\ntenant = "a"\naccount = "100000000002"\n'
        'regions = ["us-east-1"]\n[[security]]\nenvironment = "b"\ntrail = "of"\n[[security]]\nenvironment = "a"\nroot_key = 1\n'
        '[[security]]\nenvironment = "a"\n[[security.deeds]]\nkind = "lurk"\nwho = "x"\nminutes = 5\n'
    )
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        scenario.load(file)
    told = {problem.where.partition("security")[2]: problem.what for problem in raised.value.problems}
    assert set(told) == {"[0].trail", "[0].environment", "[1].root_key", "[2].deeds[0].kind", "[2].environment"}
    assert told["[2].environment"] == "a has a table already"
