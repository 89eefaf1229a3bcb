"""What AWS's own watchers found and nobody has closed: GuardDuty's and Security Hub's findings, by severity.

A service that is not switched on is told as such: its silence would look like health.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, unless
from opsbot.aws.words import clipped
from opsbot.model.resource import Resource

GUARDDUTY_PAGE, HUB_PAGE = 50, 100
MOST_PAGES = 4
"""Of the worst findings: 200 of GuardDuty, 400 of Security Hub; more are told as that many at least."""
HIGH, MEDIUM = 7.0, 4.0
"""GuardDuty's own bounds."""
_NOT_ON = frozenset({"InvalidAccessException", "ResourceNotFoundException"})


def guardduty(look: Look) -> Iterator[Found]:
    client = look.client("guardduty")
    # There is one detector in a region at most.
    detector = next(iter(client.list_detectors().get("DetectorIds") or ()), None)
    if detector is None or client.get_detector(DetectorId=detector).get("Status") != "ENABLED":
        yield _off(look, "guardduty", "GuardDuty")
        return
    findings = [found for ids in _worst(look, detector) for found in _told(client, detector, ids)]
    high = [one for one in findings if float(one.get("Severity") or 0) >= HIGH]
    medium = [one for one in findings if MEDIUM <= float(one.get("Severity") or 0) < HIGH]
    yield Resource(
        kind="guardduty",
        name="GuardDuty",
        region=look.region,
        facts=facts(
            enabled=1.0,
            high=float(len(high)),
            medium=float(len(medium)),
            worst_high=_titles(high, findings, GUARDDUTY_PAGE),
            worst_medium=_titles(medium, findings, GUARDDUTY_PAGE),
        ),
    )


def _worst(look: Look, detector: str) -> Iterator[Sequence[str]]:
    wanted = {"service.archived": {"Equals": ["false"]}, "severity": {"GreaterThanOrEqual": int(MEDIUM)}}
    pages = look.pages(
        "guardduty",
        "list_findings",
        DetectorId=detector,
        FindingCriteria={"Criterion": wanted},
        SortCriteria={"AttributeName": "severity", "OrderBy": "DESC"},
        PaginationConfig={"PageSize": GUARDDUTY_PAGE},
    )
    return (ids for page in islice(pages, MOST_PAGES) if (ids := page.get("FindingIds")))


def _told(client: Any, detector: str, ids: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = client.get_findings(DetectorId=detector, FindingIds=list(ids))["Findings"]
    return found


def security_hub(look: Look) -> Iterator[Found]:
    client = look.client("securityhub")
    first = unless(_NOT_ON, client.get_findings, **_asked(look))
    if first is None:
        yield _off(look, "security-hub", "Security Hub")
        return
    findings = [one for page in _pages(client, look, first) for one in page.get("Findings") or ()]
    critical = [one for one in findings if _label(one) == "CRITICAL"]
    high = [one for one in findings if _label(one) == "HIGH"]
    yield Resource(
        kind="security-hub",
        name="Security Hub",
        region=look.region,
        facts=facts(
            enabled=1.0,
            critical=float(len(critical)),
            high=float(len(high)),
            worst_critical=_titles(critical, findings, HUB_PAGE),
            worst_high=_titles(high, findings, HUB_PAGE),
        ),
    )


def _asked(look: Look) -> dict[str, Any]:
    """Open findings of this region. GuardDuty's come from itself, and an aggregating region shows others' as well."""
    wanted = {
        "AwsAccountId": (look.account,),
        "Region": (look.region,),
        "RecordState": ("ACTIVE",),
        "WorkflowStatus": ("NEW", "NOTIFIED"),
        "SeverityLabel": ("CRITICAL", "HIGH"),
    }
    filters = {
        name: [{"Value": value, "Comparison": "EQUALS"} for value in values]
        for name, values in wanted.items()
        if all(values)
    }
    filters["ProductName"] = [{"Value": "GuardDuty", "Comparison": "NOT_EQUALS"}]
    worst_first = [{"Field": "SeverityNormalized", "SortOrder": "desc"}]
    return {"Filters": filters, "SortCriteria": worst_first, "MaxResults": HUB_PAGE}


def _pages(client: Any, look: Look, first: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    page = first
    for _ in range(MOST_PAGES - 1):
        yield page
        if not page.get("NextToken"):
            return
        page = client.get_findings(**_asked(look), NextToken=page["NextToken"])
    yield page


def _label(finding: Mapping[str, Any]) -> str:
    return str((finding.get("Severity") or {}).get("Label"))


def _titles(some: Sequence[Mapping[str, Any]], read: Sequence[Mapping[str, Any]], page: int) -> str | None:
    """The worst one in words, and how many more; `read` are all that were read, `page` how many a page holds."""
    if not some:
        return None
    least = "at least " if len(read) >= page * MOST_PAGES else ""
    more = f" and {least}{len(some) - 1} more" if len(some) > 1 else ""
    return clipped(str(some[0].get("Title") or some[0].get("Type") or "without a title"), 160) + more


def _off(look: Look, kind: str, name: str) -> Resource:
    return Resource(kind=kind, name=name, region=look.region, facts=facts(enabled=0.0))


READERS = {
    "guardduty": Reader(
        kinds=("guardduty",),
        actions=(
            "guardduty:GetDetector",
            "guardduty:GetFindings",
            "guardduty:ListDetectors",
            "guardduty:ListFindings",
        ),
        read=guardduty,
    ),
    "security-hub": Reader(kinds=("security-hub",), actions=("securityhub:GetFindings",), read=security_hub),
}
