"""Where opsbot could not look: one trouble for an account and a job, however many of its checks say nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from opsbot.alerting.advance import BLIND, JOB_FAILED
from opsbot.alerting.book import Looked
from opsbot.model.finding import Finding
from opsbot.model.status import Status
from opsbot.model.units import Unit

AREA = "opsbot"
_MEANS = "Trouble there would not be seen. What was known before stays as it was."


def own_findings(looked: Looked) -> Iterator[Finding]:
    """What the run says of itself: per environment whether it could be judged, and that the job did not fail."""
    by_place: dict[str, list[Finding]] = defaultdict(list)
    failed = False
    for finding in looked.findings:
        failed = failed or finding.check == JOB_FAILED
        if finding.check not in (JOB_FAILED, BLIND):
            by_place[finding.environment].append(finding)
    for place, found in by_place.items():
        yield _sight(looked, place, found)
    if not failed:
        yield _finding(looked, JOB_FAILED, AREA, Status.OK, 0, "the run succeeded", f"Job {looked.job}")


def _sight(looked: Looked, place: str, found: list[Finding]) -> Finding:
    blind = [finding for finding in found if finding.status is Status.UNKNOWN]
    if not blind:
        return _finding(looked, BLIND, place, Status.OK, 0, "everything could be judged", "No data")
    first = min(blind, key=lambda finding: finding.key)
    summary = f"{len(blind)} of {len(found)} checks could not be judged, such as {first.title}: {first.summary}"
    return _finding(looked, BLIND, place, Status.UNKNOWN, len(blind), summary, "No data")


def _finding(
    looked: Looked, check: str, environment: str, status: Status, value: float, summary: str, title: str
) -> Finding:
    bad = status is not Status.OK
    return Finding(
        check=check, environment=environment, resource=looked.job, status=status, at=looked.at, unit=Unit.COUNT,
        title=title, area=AREA, value=value, summary=summary, means=_MEANS if bad else "",
    )  # fmt: skip
