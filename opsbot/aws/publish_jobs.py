"""How a run ended as CloudWatch custom metrics: Succeeded, Duration, Critical and Warning, one point a run.

Off unless a job's table says `publish = true`. AWS bills such a metric by the hour in which it has a point.
"""

from __future__ import annotations

from collections.abc import Iterable

from opsbot.aws.publish import Datum
from opsbot.model.run import Run, RunState
from opsbot.model.status import Status

NAMESPACE = "Opsbot/Jobs"
_ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)


def data(run: Run, statuses: Iterable[Status]) -> list[Datum]:
    """One run that has ended, and its findings' statuses. A run that was skipped or cancelled says nothing of its job; one
    that failed has found nothing, which is not the same as none."""
    if run.state not in _ENDED or run.finished_at is None:
        return []
    well = run.state is RunState.SUCCEEDED
    values = [("Succeeded", "Count", float(well))]
    if run.started_at:
        values.append(("Duration", "Seconds", max((run.finished_at - run.started_at).total_seconds(), 0.0)))
    if well:
        found = list(statuses)
        values += [
            (status.capitalize(), "Count", float(found.count(status))) for status in (Status.CRITICAL, Status.WARNING)
        ]
    dimensions = [{"Name": "Job", "Value": run.job[:255]}]
    return [
        {"MetricName": name, "Dimensions": dimensions, "Timestamp": run.finished_at, "Unit": unit, "Value": value}
        for name, unit, value in values
    ]
