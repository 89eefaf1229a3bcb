"""The verdict as one sentence: what is true, and whether anyone must act."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from opsbot.model.finding import Coverage, Finding
from opsbot.model.report import FindingList, Report
from opsbot.model.status import Status, Verdict, verdict_of, worst
from opsbot.render.format import clean, clip, count, plural

WHOLE_ENVIRONMENT = "credentials"  # the check whose finding means that nothing of an environment could be seen
LIMIT = 80


def verdict(report: Report) -> Verdict:
    """A report's verdict: its worst part's, a known trouble before a blind spot."""
    return verdict_of((report.status, *(section.status for section in report.sections)))


def complete(report: Report, coverage: Coverage, environments: int) -> Report:
    """The report with headline, lede and status where its job left them empty.

    `environments` is how many were asked for. A report that judged nothing is never OK, unless nothing is configured.
    """
    nothing = not report.idle and (environments == 0 or (coverage.expected == 0 and not any(_told(report))))
    statuses = [report.status, *(section.status for section in report.sections)]
    if nothing or coverage.missing:
        statuses.append(Status.UNKNOWN)
    loudest = verdict_of(statuses)
    told = tuple(_told(report))
    return replace(
        report,
        status=worst(status for status in statuses if status.verdict is loudest),
        headline=clip(report.headline or _headline(loudest, told, coverage, environments), LIMIT),
        lede=report.lede or ("" if report.idle else _lede(told, coverage)),
    )


def _told(report: Report) -> Iterator[Finding]:
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, FindingList):
                yield from block.findings


def _headline(loudest: Verdict, told: tuple[Finding, ...], coverage: Coverage, environments: int) -> str:
    if environments == 0:
        return "Nothing was checked: no environment is configured"
    match loudest:
        case Verdict.ACTION:
            return _of(_where(told, Status.CRITICAL), environments, "needs action", "need action")
        case Verdict.ATTENTION:
            return _of(_where(told, Status.WARNING), environments, "needs attention", "need attention")
        case Verdict.NO_DATA:
            return _blind(told, coverage, environments)
        case Verdict.OK:
            return (
                "The one environment is healthy"
                if environments == 1
                else f"All {count(environments)} environments healthy"
            )


def _where(told: tuple[Finding, ...], status: Status) -> int:
    return len({finding.environment for finding in told if finding.status is status})


def _of(some: int, environments: int, one: str, many: str) -> str:
    if not some:
        return f"Something {one}"
    if environments == 1:
        return f"The one environment {one}"
    if some == environments:
        return f"All {count(environments)} environments {many}"
    return f"{count(some)} of {plural(environments, 'environment')} {one if some == 1 else many}"


def _blind(told: tuple[Finding, ...], coverage: Coverage, environments: int) -> str:
    """`No data from` only where nothing of an environment could be seen; elsewhere the data has holes."""
    blind = {absent.environment for absent in coverage.missing} or {
        f.environment for f in told if f.status is Status.UNKNOWN
    }
    if not blind:
        return f"Nothing was checked in {plural(environments, 'environment')}"
    dark = {absent.environment for absent in coverage.missing if absent.check == WHOLE_ENVIRONMENT}
    opening = "No data from" if blind == dark else "Data missing from"
    if environments == 1:
        return f"{opening} the one environment"
    return f"{opening} {count(len(blind))} of {plural(environments, 'environment')}"


def _lede(told: tuple[Finding, ...], coverage: Coverage) -> str:
    troubles = [f for f in told if f.status in (Status.CRITICAL, Status.WARNING)]
    parts = []
    if troubles:
        first = min(troubles, key=lambda f: -f.status.rank)
        parts.append(
            f"Worst: {clean(first.environment)}, {clean(first.title)}, {clip(clean(first.resource), 60)}: "
            f"{_sentence(first.summary)}"
        )
        if len(troubles) > 1:
            parts.append(f"{plural(len(troubles) - 1, 'more exception')}.")
    parts.append(_seen(coverage))
    return " ".join(parts)


def _sentence(text: str) -> str:
    return clip(clean(text), 200).rstrip(".") + "."


def _seen(coverage: Coverage) -> str:
    if not coverage.expected:
        return "Nothing was evaluated, so nothing is known."
    if coverage.missing:
        share = f"{count(coverage.evaluated)} of {plural(coverage.expected, 'check')} evaluated"
        return f"{share}; what is missing is not counted as healthy."
    return f"All {plural(coverage.expected, 'check')} evaluated."
