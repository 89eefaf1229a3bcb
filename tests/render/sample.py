"""The sample morning as a report: verdict, sections and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from opsbot.model.finding import Coverage, Finding
from opsbot.model.report import About, Report
from opsbot.model.run import Usage
from opsbot.render.headline import complete
from opsbot.render.sections import sections_by_environment
from tests.render.morning import ENVIRONMENTS, NOW, WINDOW, findings, green

__all__ = ["ENVIRONMENTS", "NOW", "WINDOW", "about", "findings", "green", "report"]


def report(found: Sequence[Finding] | None = None, environments: Sequence[str] = ENVIRONMENTS) -> Report:
    found = tuple(findings() if found is None else found)
    plain = Report(
        title="Daily health", period=WINDOW, sections=sections_by_environment(found, environments=environments)
    )
    return complete(plain, Coverage.of(found), len(environments))


def about(found: Sequence[Finding] | None = None, environments: int = len(ENVIRONMENTS), **told: object) -> About:
    found = tuple(findings() if found is None else found)
    calls = (
        ("cloudwatch:GetMetricData", 14),
        ("ecs:DescribeServices", 20),
        ("lambda:ListFunctions", 10),
        ("sts:AssumeRole", 10),
    )
    plain = About(
        run_id="01KB3F9ZQ4T7M2X8V5C1N6R0WD",
        job="daily_health",
        at=NOW,
        zone="Europe/Berlin",
        command="opsbot run daily_health --deliver",
        version="0.1.0",
        environments=environments,
        coverage=Coverage.of(found),
        usage=Usage(calls=calls, metrics=5240, datapoints=1_509_120, usd=0.0524, throttled=0),
        seconds=6.4,
        url="https://opsbot.example/r/01KB3F",
    )
    return replace(plain, **told)  # type: ignore[arg-type]
