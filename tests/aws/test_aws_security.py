"""What the readers of security and backups find in the embedded AWS, and what they say where they may not look."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from opsbot.aws import Aws
from opsbot.aws.errors import SHAPE_ERRORS
from opsbot.aws.readers import READERS
from opsbot.aws.readers.opened import opened
from opsbot.aws.readers.place import Look
from opsbot.aws.readers.security_identity import TRIES, credentials
from opsbot.aws.readers.trail_event import event
from opsbot.checks import observe
from opsbot.checks.catalogue import load
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.model.resource import Fact, Inventory, Resource
from opsbot.model.status import Status
from opsbot.ports import Looking
from opsbot.replica.reading_security import METRIC
from opsbot.replica.services.credentials import COLUMNS
from opsbot.replica.world import World

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
KINDS = frozenset({
    "backup", "bucket-exposure", "console-logins", "firewall-changes", "guardduty", "iam-user", "identity-changes",
    "root-user", "security-hub", "trail", "trail-coverage",
})  # fmt: skip


def look(aws: Aws, *environments: Environment, kinds: frozenset[str] = KINDS) -> dict[str, Inventory]:
    return {one.environment: one for one in aws.inventory(environments, kinds, frozenset(), NOW)}


def named(inventory: Inventory) -> dict[tuple[str, str], dict[str, Fact]]:
    return {(one.kind, one.name): dict(one.facts) for one in inventory.resources}


def test_the_shipped_checks_find_what_was_planted_and_nothing_else(
    cloud: Any, aws: Aws, world: World, environments: dict[str, Environment]
) -> None:
    checks = tuple(one for one in load([], [])[0].checks if KINDS & set(one.where.kinds))
    findings = observe(
        Context(
            now=NOW,
            window=Period(start=NOW - timedelta(days=1), end=NOW),
            environments=tuple(environments.values()),
            checks=dict.fromkeys(environments, checks),
            looking=Looking(cloud=aws),
        )
    )
    wrong = {
        (one.environment, one.check, one.resource) for one in findings if one.status not in (Status.OK, Status.INFO)
    }
    planted = {(one.environment, one.expect, one.resource) for one in world.incidents if one.metric == METRIC}
    assert wrong == planted
    notes = Counter((one.environment, one.check) for one in findings if one.status is Status.INFO)
    assert notes == {("dhbw-staging", "guardduty-off"): 1, ("dhbw-staging", "securityhub-off"): 1,
                     ("shopai-prod", "iam-changes"): 1, ("shopai-prod", "security-group-changes"): 1}  # fmt: skip
    assert len(planted) >= 9


Wanted = dict[str, object]
PLANTED: list[tuple[str, str, str, Wanted]] = [
    ("dhbw-prod", "trail-coverage", "CloudTrail", {"logging": 1.0, "multi_region": 1.0, "state": None}),
    ("dhbw-prod", "trail", "organization-trail", {"logging": 1.0, "validated": 1.0, "undelivered": 0.0}),
    ("dhbw-prod", "root-user", "root", {"mfa": 1.0, "keys": 0.0, "used_ago": None}),
    ("dhbw-prod", "console-logins", "console@us-east-1", {"without_mfa": 0.0}),
    ("dhbw-prod", "bucket-exposure", "dhbw-lecture-media", {"public": 0.0, "blocked": 1.0}),
    ("dhbw-prod", "guardduty", "GuardDuty", {"enabled": 1.0, "high": 0.0, "medium": 0.0}),
    ("dhbw-prod", "backup", "AWS Backup", {"plans": 0.0}),
    ("dhbw-staging", "trail-coverage", "CloudTrail", {"logging": 0.0, "state": "stopped: organization-trail"}),
    ("dhbw-staging", "guardduty", "GuardDuty", {"enabled": 0.0, "high": None}),
    ("dhbw-staging", "security-hub", "Security Hub", {"enabled": 0.0, "critical": None}),
    ("santillana-prod", "root-user", "root", {"used_ago": 9 * 3600.0, "used_with": "in the console"}),
    ("santillana-prod", "console-logins", "console",
     {"without_mfa": 1.0, "bare": "ConsoleLogin by luis.ortega from 203.0.113.44 20:50 UTC"}),
    ("shopai-prod", "firewall-changes", "security groups",
     {"changes": 1.0, "opened": 1.0,
      "opened_what": "port 5432 of sg-0d5a1f2b3c4e to 0.0.0.0/0 by kenji.mori from 198.51.100.7 00:40 UTC"}),
    ("shopai-prod", "identity-changes", "IAM", {"changes": 1.0, "given": 0.0, "at_least": 0.0}),
    ("shopai-prod", "iam-user", "mei.tanaka", {"console": 1.0, "mfa": 1.0, "keys": 0.0, "key_days": None}),
    ("shopai-prod", "guardduty", "GuardDuty", {"high": 1.0, "medium": 0.0}),
    ("dataplat-prod", "iam-user", "legacy-export", {"console": 0.0, "keys": 1.0, "key_days": 212.0}),
    ("dataplat-prod", "backup", "AWS Backup", {"plans": 1.0, "failed_24h": 1.0, "completed_26h": 4.0}),
    ("edtufv-prod", "bucket-exposure", "edtufv-lecture-uploads", {"public": 1.0, "by": "its policy", "blocked": 0.0}),
    ("edtufv-prod", "bucket-exposure", "edtufv-lecture-media", {"public": 0.0, "blocked": 1.0}),
    ("educaria-prod", "security-hub", "Security Hub", {"enabled": 1.0, "critical": 0.0, "high": 1.0}),
]  # fmt: skip


def test_what_was_planted_is_what_is_found(cloud: Any, aws: Aws, environments: dict[str, Environment]) -> None:
    found = look(aws, *(environments[name] for name in {name for name, *_ in PLANTED}))
    assert {name: inventory.gaps for name, inventory in found.items() if inventory.gaps} == {}
    told = [(name, kind, what, named(found[name])[kind, what]) for name, kind, what, _ in PLANTED]
    seen = [(name, kind, what, {key: facts.get(key) for key in wanted}) for (name, kind, what, facts), (*_, wanted)
            in zip(told, PLANTED, strict=True)]  # fmt: skip
    assert seen == PLANTED


DENIED: list[tuple[str, str, str, set[str]]] = [
    ("cloudtrail", "DescribeTrails", "cloudtrail:DescribeTrails", {"trail", "trail-coverage"}),
    ("cloudtrail", "LookupEvents", "cloudtrail:LookupEvents", {"console-logins", "firewall-changes", "identity-changes"}),
    ("iam", "GetCredentialReport", "iam:GetCredentialReport", {"iam-user", "root-user"}),
    ("guardduty", "ListFindings", "guardduty:ListFindings", {"guardduty"}),
    ("securityhub", "GetFindings", "securityhub:GetFindings", {"security-hub"}),
    ("s3control", "GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock", {"bucket-exposure"}),
    ("s3", "GetBucketPolicyStatus", "s3:GetBucketPolicyStatus", {"bucket-exposure"}),
    ("backup", "ListBackupPlans", "backup:ListBackupPlans", {"backup"}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "action", "hidden"), DENIED, ids=[d[2] for d in DENIED])
def test_a_denied_call_hides_its_own_kinds_and_names_the_action(
    cloud: Any,
    aws: Aws,
    environments: dict[str, Environment],
    service: str,
    operation: str,
    action: str,
    hidden: set[str],
) -> None:
    cloud.fails({"service": service, "operation": operation, "fault": "access_denied"})
    found = look(aws, environments["edtufv-prod"])["edtufv-prod"]
    assert {kind for gap in found.gaps for kind in gap.kinds} == hidden
    assert {gap.action for gap in found.gaps} == {action}
    assert not (hidden - {"bucket-exposure"}) & {one.kind for one in found.resources}
    assert len({one.kind for one in found.resources} | hidden) >= len(KINDS) - 1


def test_a_throttled_look_at_the_trail_is_asked_again(cloud: Any, environments: dict[str, Environment]) -> None:
    cloud.fails({"service": "cloudtrail", "operation": "LookupEvents", "fault": "throttle", "count": 2})
    with Aws(secrets=lambda reference: "opsbot-demo", attempts=4) as aws:
        found = look(aws, environments["santillana-prod"], kinds=frozenset({"console-logins"}))["santillana-prod"]
        assert aws.usage().throttled == 2
    assert found.gaps == ()
    assert named(found)["console-logins", "console"]["without_mfa"] == 1.0


def test_every_action_is_one_that_botocore_or_iam_knows() -> None:
    services = {"s3": ("s3", "s3control")}
    session = botocore.session.get_session()
    for action in {action for kind in KINDS for action in READERS[kind].actions}:
        prefix, name = action.split(":")
        name = {"GetAccountPublicAccessBlock": "GetPublicAccessBlock", "ListAllMyBuckets": "ListBuckets",
                "GetBucketPublicAccessBlock": "GetPublicAccessBlock"}.get(name, name)  # fmt: skip
        known = [session.get_service_model(one).operation_names for one in services.get(prefix, (prefix,))]
        assert any(name in names for names in known)


# ---- answers that no embedded AWS gives on request ----------------------------------------------------------------


@dataclass
class Answers:
    """A client that answers from a table and speaks no further; its pages are lists."""

    given: Mapping[str, Any]
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**asked: Any) -> Any:
            self.asked.append((name, asked))
            found = self.given[name]
            answer = found.pop(0) if isinstance(found, list) else found
            if isinstance(answer, str):
                raise ClientError({"Error": {"Code": answer, "Message": ""}}, name)
            return answer

        return call

    def get_paginator(self, name: str) -> Answers:
        return replace(self, given={"paginate": self.given[name]})


def resources(kind: str, regions: tuple[str, ...] = ("eu-central-1",), **clients: Mapping[str, Any]) -> list[Resource]:
    """What a reader finds where each service answers from a table."""
    made = {name: Answers(given) for name, given in clients.items()}
    place = Look(
        region=regions[0], regions=regions, account="111122223333", now=NOW, clients=lambda name, region: made[name]
    )
    return list(_flat(READERS[kind].read(place)))


def _flat(found: Iterable[Any]) -> Iterable[Resource]:
    for one in found:
        yield from (one,) if isinstance(one, Resource) else _flat(one())


def trail(name: str, home: str, **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:cloudtrail:{home}:999900001111:trail/{name}"
    return {"Name": name, "TrailARN": arn, "HomeRegion": home, "IsMultiRegionTrail": True, **more}


@pytest.mark.parametrize(
    ("trails", "logging", "coverage", "told"),
    [
        pytest.param([], {}, {"logging": 0.0, "state": "there is no trail"}, [], id="none"),
        pytest.param([trail("org", "us-east-1", IsOrganizationTrail=True)], {"org": True}, {"logging": 1.0, "multi_region": 1.0},
                     [("org", "us-east-1")], id="an organization's trail that lives elsewhere"),
        pytest.param([trail("a", "eu-central-1"), trail("b", "eu-west-1")], {"a": False, "b": True},
                     {"logging": 1.0, "state": "stopped: a"}, [("a", "eu-central-1")], id="another region tells of its own"),
        pytest.param([trail("a", "eu-central-1", IsMultiRegionTrail=False)], {"a": True}, {"logging": 1.0, "multi_region": 0.0},
                     [("a", "eu-central-1")], id="one region only"),
    ],
)  # fmt: skip
def test_trails(
    trails: list[Any], logging: dict[str, bool], coverage: dict[str, object], told: list[tuple[str, str]]
) -> None:
    states = [{"IsLogging": logging[one["Name"]]} for one in trails]
    given = {"describe_trails": {"trailList": trails}, "get_trail_status": states}
    found = resources("trail", ("eu-central-1", "eu-west-1"), cloudtrail=given)
    assert coverage.items() <= dict(found[0].facts).items()
    assert [(one.name, one.region) for one in found[1:]] == told


def report(*rows: Mapping[str, str]) -> dict[str, Any]:
    text = io.StringIO()
    sheet = csv.DictWriter(text, COLUMNS, restval="N/A")
    sheet.writeheader()
    sheet.writerows(rows)
    return {"Content": text.getvalue().encode()}


ROOT = {"user": "<root_account>", "password_enabled": "not_supported", "mfa_active": "false"}


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        pytest.param(ROOT, {"mfa": 0.0, "locked": 0.0, "used_ago": None}, id="no second factor"),
        pytest.param({**ROOT, "password_enabled": "false"}, {"mfa": 1.0, "locked": 1.0}, id="no way in at all"),
        pytest.param({**ROOT, "password_enabled": "false", "access_key_2_active": "true"}, {"mfa": 0.0, "keys": 1.0}, id="a key left"),
        pytest.param({**ROOT, "password_last_used": "2026-11-19T07:00:00+00:00", "access_key_1_last_used_date": "2026-11-20T06:00:00Z",
                      "access_key_1_last_used_region": "us-east-1", "access_key_1_last_used_service": "s3"},
                     {"used_ago": 3600.0, "used_with": "with a key, s3 in us-east-1"}, id="the later use counts"),
        pytest.param({**ROOT, "password_last_used": "no_information"}, {"used_ago": None}, id="never used"),
        pytest.param({"user": "ana", "password_enabled": "true", "mfa_active": "false"}, {"console": 1.0, "mfa": 0.0, "key_days": None}, id="a person"),
        pytest.param({"user": "bot", "access_key_1_active": "true", "access_key_1_last_rotated": "2026-08-12T07:00:00+00:00",
                      "access_key_2_active": "true", "access_key_2_last_rotated": "2026-11-10T07:00:00+00:00"},
                     {"keys": 2.0, "key_days": 100.0}, id="the oldest key counts"),
        pytest.param({"user": "bot", "access_key_1_active": "true", "access_key_1_last_rotated": "yesterday"},
                     {"keys": 1.0, "key_days": None}, id="no time where there should be one"),
    ],
)  # fmt: skip
def test_the_credential_report(row: Mapping[str, str], wanted: Mapping[str, object]) -> None:
    iam = {"generate_credential_report": {"State": "COMPLETE"}, "get_credential_report": report(row, ROOT)}
    facts = dict(resources("iam-user", iam=iam)[0].facts)
    assert {key: facts.get(key) for key in wanted} == wanted


def test_users_that_cannot_sign_in_are_left_out_and_a_report_in_the_making_is_waited_for() -> None:
    states = [{"State": "STARTED"}, {"State": "INPROGRESS"}, {"State": "COMPLETE"}]
    rows = report(ROOT, {"user": "gone", "password_enabled": "false", "access_key_1_active": "false"})
    client = Answers({"generate_credential_report": states, "get_credential_report": rows})
    waits: list[float] = []
    place = Look(region="eu-west-1", regions=("eu-west-1",), account="1", now=NOW, clients=lambda name, region: client)
    assert [one.name for one in credentials(place, waits.append) if isinstance(one, Resource)] == ["root"]
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"user,arn\n" + b"x" * 200_000, "is no table", id="a field without an end"),
        pytest.param(b"name\n<root_account>\n", "does not tell of the root user", id="other columns"),
        pytest.param(b"\xff\xfe\n\n\n", "does not tell of the root user", id="no text"),
        pytest.param(b"", "does not tell of the root user", id="nothing"),
    ],
)
def test_a_report_that_is_none_is_an_error_that_readers_may_make(content: bytes, why: str) -> None:
    iam = {"generate_credential_report": {"State": "COMPLETE"}, "get_credential_report": {"Content": content}}
    with pytest.raises(SHAPE_ERRORS, match=why):
        resources("iam-user", iam=iam)


def test_a_report_that_is_never_ready_is_no_answer() -> None:
    client = Answers({"generate_credential_report": {"State": "INPROGRESS"}})
    waits: list[float] = []
    place = Look(region="eu-west-1", regions=("eu-west-1",), account="1", now=NOW, clients=lambda name, region: client)
    with pytest.raises(Exception, match="still at work on the credential report"):
        list(credentials(place, waits.append))
    assert len(waits) == TRIES - 1


def raw(name: str, *, at: datetime = NOW, who: str = "ana", **body: Any) -> dict[str, Any]:
    body = {"userIdentity": {"type": "IAMUser", "userName": who}, "sourceIPAddress": "192.0.2.9", **body}
    return {"EventName": name, "EventTime": at, "Username": who, "CloudTrailEvent": json.dumps(body)}


def ingress(ports: tuple[int, int] | None, cidr: str, protocol: str = "tcp") -> dict[str, Any]:
    known = {"fromPort": ports[0], "toPort": ports[1]} if ports else {}
    key = "ipv6Ranges" if ":" in cidr else "ipRanges"
    name = "cidrIpv6" if ":" in cidr else "cidrIp"
    rule = {"ipProtocol": protocol, **known, key: {"items": [{name: cidr}]}}
    return {"requestParameters": {"groupId": "sg-1", "ipPermissions": {"items": [rule]}}}


MODIFIED = {"requestParameters": {"ModifySecurityGroupRulesRequest": {"GroupId": "sg-2", "SecurityGroupRule": [
    {"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 3000, "ToPort": 4000, "CidrIpv4": "0.0.0.0/0"}},
    {"SecurityGroupRuleId": "sgr-2", "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": "0.0.0.0/0"}},
]}}}  # fmt: skip
IN, CHANGED = "AuthorizeSecurityGroupIngress", "ModifySecurityGroupRules"


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        pytest.param(IN, ingress((22, 22), "0.0.0.0/0"), ["port 22 of sg-1 to 0.0.0.0/0"], id="ssh"),
        pytest.param(IN, ingress((3389, 3389), "::/0"), ["port 3389 of sg-1 to ::/0"], id="IPv6 too"),
        pytest.param(IN, ingress((0, 65535), "0.0.0.0/0"), ["ports 0 to 65535 of sg-1 to 0.0.0.0/0"], id="a range around one"),
        pytest.param(IN, ingress(None, "0.0.0.0/0", "-1"), ["all ports of sg-1 to 0.0.0.0/0"], id="every protocol"),
        pytest.param(IN, ingress((443, 443), "0.0.0.0/0"), [], id="the web is meant for everybody"),
        pytest.param(IN, ingress((22, 22), "10.0.0.0/8"), [], id="not everybody"),
        pytest.param(IN, ingress((8, -1), "0.0.0.0/0", "icmp"), [], id="ping"),
        pytest.param("RevokeSecurityGroupIngress", ingress((22, 22), "0.0.0.0/0"), [], id="closed again"),
        pytest.param(CHANGED, MODIFIED, ["ports 3000 to 4000 of sg-2 to 0.0.0.0/0"], id="a rule rewritten"),
        pytest.param(IN, {"requestParameters": None}, [], id="nothing asked"),
        pytest.param(IN, {"requestParameters": {"ipPermissions": "all of it"}}, [], id="not what it should be"),
    ],
)  # fmt: skip
def test_doors_opened_to_everybody(name: str, body: Mapping[str, Any], told: list[str]) -> None:
    assert list(opened(event(raw(name, **body)))) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["ipProtocol", "fromPort", "toPort", "requestParameters", "cidrIp", "userIdentity", "x"]), inner, max_size=3
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON, st.text(max_size=40))
def test_no_event_whatever_is_in_it_stops_the_look(body: object, who: str) -> None:
    one = event({"EventName": IN, "EventTime": NOW, "Username": who, "CloudTrailEvent": json.dumps(body)})
    list(opened(one))
    assert one.by_whom.isprintable()
    assert one.whom.isprintable()


def logins(*events: dict[str, Any], regions: tuple[str, ...] = ("us-east-1",)) -> dict[str, Fact]:
    pages = {"lookup_events": [[{"Events": list(events)}]] * 2}
    return dict(resources("console-logins", regions, cloudtrail=pages)[0].facts)


def login(mfa: str = "No", answer: str = "Success", kind: str = "IAMUser", **more: Any) -> dict[str, Any]:
    identity = {"userIdentity": {"type": kind}}
    return raw("ConsoleLogin", responseElements={"ConsoleLogin": answer}, additionalEventData={"MFAUsed": mfa}, **{**more, **identity})  # fmt: skip


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        pytest.param(login(), {"without_mfa": 1.0, "refused": 0.0}, id="a password was enough"),
        pytest.param(login(kind="Root"), {"without_mfa": 1.0}, id="root as well"),
        pytest.param(login("Yes"), {"without_mfa": 0.0, "events": 1.0}, id="with a second factor"),
        pytest.param(login(kind="AssumedRole"), {"without_mfa": 0.0}, id="federated: the factor is elsewhere"),
        pytest.param(login(answer="Failure"), {"without_mfa": 0.0, "refused": 1.0}, id="refused"),
    ],
)
def test_sign_ins(event: dict[str, Any], wanted: dict[str, object]) -> None:
    assert wanted.items() <= logins(event).items()


def test_new_ways_in_and_grand_policies_are_told_from_other_changes() -> None:
    admin = {"userName": "eve", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    plain = {"roleName": "app", "policyArn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}
    by_name = {
        "AttachUserPolicy": [raw("AttachUserPolicy", at=NOW - timedelta(hours=1), requestParameters=admin)],
        "AttachRolePolicy": [raw("AttachRolePolicy", who="ci", requestParameters=plain)],
        "CreateAccessKey": [raw("CreateAccessKey", errorCode="AccessDenied", requestParameters={"userName": "eve"})],
    }

    class Trail:
        def get_paginator(self, _: str) -> Trail:
            return self

        def paginate(self, **asked: Any) -> list[dict[str, Any]]:
            return [{"Events": by_name.get(asked["LookupAttributes"][0]["AttributeValue"], [])}]

    place = Look(region="eu-west-1", regions=("eu-west-1",), account="1", now=NOW, clients=lambda *_: Trail())
    (found,) = READERS["identity-changes"].read(place)
    assert isinstance(found, Resource)
    facts = dict(found.facts)
    assert (facts["changes"], facts["given"]) == (2.0, 1.0), "what was refused changed nothing"
    assert facts["given_what"] == "AttachUserPolicy eve by ana from 192.0.2.9 06:00 UTC"
    assert facts["who"] == "AttachRolePolicy app by ci from 192.0.2.9 07:00 UTC; 1 more by ana"


def test_more_events_than_are_read_are_told_as_that_many_at_least() -> None:
    page = {"Events": [raw("ConsoleLogin")] * 50, "NextToken": "more"}
    cut = {"lookup_events": [[page] * 9]}
    (found, *_) = resources("console-logins", ("us-east-1",), cloudtrail=cut)
    assert (found.fact("events"), found.fact("at_least")) == (200.0, 1.0)


@pytest.mark.parametrize(
    ("account", "bucket", "policy", "acl", "wanted"),
    [
        pytest.param("all", None, None, None, {"public": 0.0, "blocked": 1.0}, id="the account blocks: nothing is asked of it"),
        pytest.param("none", "all", None, None, {"public": 0.0, "blocked": 1.0}, id="its own block"),
        pytest.param("none", "none", True, False, {"public": 1.0, "by": "its policy"}, id="policy"),
        pytest.param("none", "none", "NoSuchBucketPolicy", True, {"public": 1.0, "by": "its ACL"}, id="acl"),
        pytest.param("none", "none", True, True, {"public": 1.0, "by": "its policy and its ACL"}, id="both"),
        pytest.param("none", "none", False, False, {"public": 0.0, "blocked": 0.0, "by": None}, id="private and unguarded"),
        pytest.param("RestrictPublicBuckets", "none", None, True, {"public": 1.0, "by": "its ACL"}, id="half a block"),
        pytest.param("RestrictPublicBuckets", "IgnorePublicAcls", None, None, {"public": 0.0, "blocked": 0.0}, id="two halves"),
    ],
)  # fmt: skip
def test_public_buckets(account: str, bucket: str | None, policy: object, acl: object, wanted: Wanted) -> None:
    names = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")

    def block(what: str | None) -> object:
        on = names if what == "all" else (what,)
        told = {"PublicAccessBlockConfiguration": {name: name in on for name in names}}
        return "NoSuchPublicAccessBlockConfiguration" if what == "none" else told

    everybody = {"Grantee": {"URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}
    s3 = {
        "list_buckets": [[{"Buckets": [{"Name": "b", "BucketRegion": "eu-central-1"}, {"Name": "far", "BucketRegion": "sa-east-1"}]}]],
        "get_public_access_block": block(bucket),
        "get_bucket_policy_status": policy if isinstance(policy, str) else {"PolicyStatus": {"IsPublic": policy}},
        "get_bucket_acl": {"Grants": [everybody] if acl else []},
    }  # fmt: skip
    (found,) = resources("bucket-exposure", s3=s3, s3control={"get_public_access_block": block(account)})
    assert {key: found.fact(key) for key in wanted} == wanted


def test_a_detector_that_is_suspended_is_off() -> None:
    given = {"list_detectors": {"DetectorIds": ["d"]}, "get_detector": {"Status": "DISABLED"}}
    assert dict(resources("guardduty", guardduty=given)[0].facts) == {"enabled": 0.0}


def test_findings_are_counted_by_severity_and_the_worst_is_told() -> None:
    def one(severity: float, title: str) -> dict[str, Any]:
        return {"Severity": severity, "Title": title}

    found = [one(8.9, "mining\u202e"), one(7, "port scan"), one(6.9, "odd login"), one(4, "odd call")]
    given = {
        "list_detectors": {"DetectorIds": ["d"]},
        "get_detector": {"Status": "ENABLED"},
        "list_findings": [[{"FindingIds": ["1", "2", "3", "4"]}, {"FindingIds": []}]],
        "get_findings": {"Findings": found},
    }
    facts = dict(resources("guardduty", guardduty=given)[0].facts)
    assert facts == {"enabled": 1.0, "high": 2.0, "medium": 2.0, "worst_high": "mining and 1 more", "worst_medium": "odd login and 1 more"}  # fmt: skip


def test_security_hub_is_read_page_by_page_and_no_further_than_it_must() -> None:
    page = {"Findings": [{"Severity": {"Label": "HIGH"}, "Title": "open"}] * 100, "NextToken": "t"}
    facts = dict(resources("security-hub", securityhub={"get_findings": page})[0].facts)
    assert facts == {"enabled": 1.0, "critical": 0.0, "high": 400.0, "worst_high": "open and at least 399 more"}


@pytest.mark.parametrize(
    ("state", "hours", "failed", "completed"),
    [("COMPLETED", 25, 0.0, 1.0), ("FAILED", 5, 1.0, 0.0), ("PARTIAL", 5, 1.0, 0.0), ("EXPIRED", 5, 1.0, 0.0), ("FAILED", 25, 0.0, 0.0)],
)  # fmt: skip
def test_backup_jobs(state: str, hours: int, failed: float, completed: float) -> None:
    job = {
        "State": state,
        "CompletionDate": NOW - timedelta(hours=hours),
        "ResourceArn": "arn:aws:rds:r:1:db:main",
        "ResourceType": "RDS",
    }
    running = {"State": "RUNNING"}
    given = {"list_backup_plans": [[{"BackupPlansList": [{}]}]], "list_backup_jobs": [[{"BackupJobs": [job, running]}]]}
    facts = dict(resources("backup", backup=given)[0].facts)
    assert (facts["plans"], facts["failed_24h"], facts["completed_26h"]) == (1.0, failed, completed)
    assert ("last_failure" in facts) is bool(failed)
