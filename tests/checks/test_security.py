"""The security part of a report, and that the shipped rules say of a fact what was promised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opsbot.checks import observe
from opsbot.checks.catalogue import load
from opsbot.checks.kind import common
from opsbot.checks.security import MOST, TOPICS, security_section
from opsbot.model.finding import Finding
from opsbot.model.report import Cell, Facts, FindingList, Prose, Section, Table
from opsbot.model.resource import Fact, Gap, Resource
from opsbot.model.status import Status
from opsbot.model.units import Unit
from tests.fakes import NOW, Estate, WrittenCloud, context, environment

CATALOGUE, _ = load([], [])
MINE = tuple(one for one in CATALOGUE.checks if any(one.name.startswith(topic.checks) for topic in TOPICS))


def looked(*resources: Resource, tier: str = "production", gaps: tuple[Gap, ...] = ()) -> tuple[Finding, ...]:
    place = environment(tier=tier)
    cloud = WrittenCloud({place.name: Estate(resources, gaps)})
    names = {check.name for check in MINE}
    held = tuple(check for check in CATALOGUE.for_environment(place) if check.name in names)
    return observe(context(cloud, held, [place]))


def one(kind: str, name: str = "x", **facts: Fact) -> Resource:
    return Resource(kind=kind, name=name, region="eu-central-1", facts=tuple(sorted(facts.items())))


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        pytest.param(one("trail-coverage", logging=0.0, multi_region=0.0, state="there is no trail"),
                     {"trail-logging": ("critical", "no trail records what is done here: there is no trail")}, id="no trail, said once"),
        pytest.param(one("trail-coverage", logging=1.0, multi_region=0.0),
                     {"trail-multi-region": ("warning", "no trail that records covers all regions")}, id="one region"),
        pytest.param(one("trail", logging=1.0, validated=0.0, undelivered=1.0, delivery_error="AccessDenied"),
                     {"trail-validation": ("warning", "log file validation is off"),
                      "trail-delivery": ("warning", "the log does not reach its bucket: AccessDenied")}, id="a lame trail"),
        pytest.param(one("trail", logging=0.0, validated=0.0, undelivered=0.0), {}, id="a stopped one is told by the coverage"),
        pytest.param(one("root-user", mfa=0.0, keys=1.0, used_ago=5400.0, used_with="in the console"),
                     {"root-mfa": ("critical", "root signs in without a second factor"),
                      "root-keys": ("critical", "active access keys of root: 1"),
                      "root-use": ("critical", "root was used 90 min ago: in the console")}, id="root"),
        pytest.param(one("root-user", mfa=1.0, keys=0.0, used_ago=2_000_000.0), {}, id="root rests"),
        pytest.param(one("iam-user", console=1.0, mfa=0.0, keys=1.0, key_days=90.2),
                     {"access-key-age": ("warning", "oldest active access key is 90.2 days old, limit 90 days"),
                      "user-mfa": ("warning", "may sign in to the console without a second factor")}, id="a user"),
        pytest.param(one("iam-user", console=0.0, mfa=0.0, keys=1.0, key_days=89.0), {}, id="a program of this quarter"),
        pytest.param(one("console-logins", without_mfa=2.0, bare="ConsoleLogin by ana", refused=20.0),
                     {"login-without-mfa": ("warning", "2 without a second factor in 24 h: ConsoleLogin by ana")}, id="a bare login"),
        pytest.param(one("console-logins", without_mfa=0.0, refused=21.0, refused_whom="by ana"),
                     {"login-refused": ("warning", "21 refused in 24 h, limit 20: by ana")}, id="guessing"),
        pytest.param(one("firewall-changes", changes=3.0, opened=1.0, opened_what="port 22 of sg-1", who="ana"),
                     {"port-opened": ("warning", "1 opened to everybody in 24 h: port 22 of sg-1"),
                      "security-group-changes": ("info", "3 in 24 h: ana")}, id="a door"),
        pytest.param(one("identity-changes", changes=1.0, given=1.0, given_what="CreateUser eve", who="ana"),
                     {"access-given": ("warning", "1 in 24 h: CreateUser eve"), "iam-changes": ("info", "1 in 24 h: ana")}, id="a user more"),
        pytest.param(one("bucket-exposure", public=1.0, blocked=0.0, by="its policy"),
                     {"public-bucket": ("critical", "open to the whole internet: its policy")}, id="a public bucket"),
        pytest.param(one("bucket-exposure", public=0.0, blocked=0.0),
                     {"bucket-unblocked": ("info", "private, but nothing stops it from being opened")}, id="a bucket without block"),
        pytest.param(one("guardduty", enabled=0.0), {"guardduty-off": ("info", "not switched on in this region")}, id="GuardDuty off"),
        pytest.param(one("guardduty", enabled=1.0, high=1.0, medium=2.0, worst_high="mining", worst_medium="scan"),
                     {"guardduty-high": ("critical", "1 open, of high severity: mining"),
                      "guardduty-medium": ("warning", "2 open, of medium severity: scan")}, id="GuardDuty"),
        pytest.param(one("security-hub", enabled=0.0), {"securityhub-off": ("info", "not switched on in this region")}, id="Security Hub off"),
        pytest.param(one("security-hub", enabled=1.0, critical=1.0, high=0.0, worst_critical="S3.1"),
                     {"securityhub-critical": ("critical", "1 open, of critical severity: S3.1")}, id="Security Hub"),
        pytest.param(one("backup", plans=1.0, failed_24h=2.0, completed_26h=0.0, last_failure="RDS main: denied"),
                     {"backup-failed": ("critical", "2 failed in 24 h: RDS main: denied"),
                      "backup-overdue": ("warning", "no backup job completed in 26 h")}, id="backups"),
        pytest.param(one("backup", plans=0.0, failed_24h=0.0, completed_26h=0.0), {}, id="nothing planned"),
        pytest.param(one("log-group", endless=1.0, own_key=1.0), {"log-endless": ("info", "never deleted: no retention is set")}, id="endless logs"),
        pytest.param(one("log-group", endless=0.0, own_key=0.0, retention_days=7.0),
                     {"log-retention": ("warning", "kept for 7 days, minimum 30 days"),
                      "log-encryption": ("info", "encrypted with AWS's key, not with one of yours")}, id="short logs"),
    ],
)  # fmt: skip
def test_what_a_fact_comes_to(resource: Resource, said: dict[str, tuple[str, str]]) -> None:
    found = looked(resource)
    assert {f.check: (str(f.status), f.summary) for f in found if f.status is not Status.OK} == said
    assert {check.name for check in MINE if resource.kind in check.where.kinds} >= {f.check for f in found}


@pytest.mark.parametrize(
    ("tier", "days", "wrong"),
    [("production", 30, False), ("production", 14, True), ("staging", 14, False), ("staging", 7, True), ("development", 7, False),
     ("development", 3, True)],
)  # fmt: skip
def test_logs_are_kept_as_long_as_their_tier_demands(tier: str, days: int, wrong: bool) -> None:
    found = looked(one("log-group", endless=0.0, own_key=1.0, retention_days=float(days)), tier=tier)
    assert [f.status for f in found if f.check == "log-retention"] == [Status.WARNING if wrong else Status.OK]


def test_every_check_of_the_section_has_a_topic_and_every_topic_a_check() -> None:
    areas = {check.name for check in CATALOGUE.checks if check.area == "security"}
    assert areas <= {check.name for check in MINE}
    for topic in TOPICS:
        mine = [check for check in MINE if check.name.startswith(topic.checks)]
        assert mine
        assert {kind for check in mine for kind in check.where.kinds} == set(topic.kinds)
        assert all(common(check).noun for check in mine)


def finding(check: str, status: Status, resource: str = "x", place: str = "shop-prod", **more: str) -> Finding:
    return Finding(check=check, environment=place, resource=resource, status=status, at=NOW, unit=Unit.COUNT,
                   title=more.get("title", check), area="security", summary=more.get("summary", "so it is"))  # fmt: skip


def rows(section: Section) -> dict[str, tuple[Cell, Cell]]:
    table, *_ = (block for block in section.blocks if isinstance(block, Table))
    return {row.cells[0].text: (row.cells[1], row.cells[2]) for row in table.rows}


def test_worst_stands_first_and_what_could_not_be_seen_after_it() -> None:
    section = security_section([
        finding("user-mfa", Status.WARNING, "ana"), finding("ecs-cpu", Status.CRITICAL), finding("public-bucket", Status.CRITICAL),
        finding("discovery", Status.UNKNOWN, "guardduty@eu-central-1"), finding("trail-logging", Status.OK),
    ])  # fmt: skip
    first = section.blocks[0]
    assert isinstance(first, FindingList)
    assert [one.check for one in first.findings] == ["public-bucket", "user-mfa", "discovery"]
    assert (section.id, section.status) == ("security_summary", Status.CRITICAL)
    assert section.aside == "2 problems; 4 looks in 1 environment; 1 unseen"
    found = rows(section)
    assert found["Buckets"][0] == Cell(text="1 problem", status=Status.CRITICAL)
    assert found["GuardDuty"][0] == Cell(text="could not be seen", status=Status.UNKNOWN)
    assert found["CloudTrail"][0] == Cell(text="well", status=Status.OK)
    assert found["Backup"][0] == Cell(text="nothing to look at")


def test_a_service_that_is_off_is_said_once_with_its_places() -> None:
    places = [f"p{number}" for number in range(6)]
    found = [finding("guardduty-off", Status.INFO, "GuardDuty", place, title="GuardDuty off") for place in places]
    section = security_section(found)
    told = [block.text for block in section.blocks if isinstance(block, Prose)]
    assert told == ["Nothing is wrong in what was looked at.",
                    "GuardDuty is not switched on in p0, p1, p2, p3 and 2 more: nothing is known of what it would find."]  # fmt: skip
    assert rows(section)["GuardDuty"][0] == Cell(text="not switched on", status=Status.INFO)
    on = finding("guardduty-high", Status.OK, "GuardDuty", "p9", title="GuardDuty findings, high")
    assert rows(security_section([*found, on]))["GuardDuty"][0] == Cell(text="well where it is on", status=Status.INFO)


def test_who_changed_what_is_told_below() -> None:
    section = security_section([finding("iam-changes", Status.INFO, "IAM"), finding("trail-logging", Status.OK)])
    (notes,) = (block for block in section.blocks if isinstance(block, Facts))
    assert notes.pairs == (("shop-prod", "iam-changes, IAM: so it is"),)
    assert section.status is Status.INFO
    many = [finding("iam-changes", Status.INFO, "IAM", f"p{number}") for number in range(MOST + 3)]
    assert security_section(many).blocks[-1] == Prose(text="And 3 notes more; all of them with --verbose.")


def test_nothing_looked_at_is_not_well() -> None:
    section = security_section([finding("ecs-cpu", Status.OK)])
    assert section.status is Status.UNKNOWN
    assert section.blocks == (Prose(text="Nothing about security was looked at, so nothing is known."),)


def test_many_problems_leave_room_for_the_rest_of_the_report() -> None:
    many = [finding("user-mfa", Status.WARNING, f"u{number}", f"p{number}") for number in range(40)]
    first = security_section(many).blocks[0]
    assert isinstance(first, FindingList)
    assert (len(first.findings), first.others) == (MOST, 40 - MOST)


def test_a_gap_in_a_service_is_unknown_and_names_what_the_role_lacks() -> None:
    why = "iam:GetCredentialReport is denied"
    gap = Gap(region="eu-central-1", kinds=("iam-user", "root-user"), why=why, action="iam:GetCredentialReport")
    section = security_section(looked(gaps=(gap,)))
    first = section.blocks[0]
    assert isinstance(first, FindingList)
    assert {one.status for one in first.findings} == {Status.UNKNOWN}
    assert all("iam:GetCredentialReport" in one.summary for one in first.findings)


def test_names_from_aws_cannot_break_the_section() -> None:
    evil = replace(finding("public-bucket", Status.CRITICAL, "b\u202e\x1b[31m<script>"), environment="p\x00")
    assert rows(security_section([evil]))["Buckets"][1].text.isprintable()
