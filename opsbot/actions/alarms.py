"""`alarms`: which CloudWatch alarms ring now, the longest first: what began first is nearest to the cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsbot.actions.action import Action, Bench, Given
from opsbot.actions.telling import clock, many, said
from opsbot.model.runbook import Answer

_PAGES = 10


class AlarmsGiven(Given):
    """`prefix` keeps alarms whose name begins so."""

    prefix: str = ""


def look(bench: Bench, given: AlarmsGiven) -> Answer:
    """Raises CloudError."""
    ringing = sorted(_ringing(bench, given.prefix), key=lambda one: one["StateUpdatedTimestamp"])
    if not ringing:
        return Answer(headline="no alarm rings", values={"count": 0})
    first = ringing[0]
    return Answer(
        headline=f"{many(len(ringing), 'alarm')} ringing; the first: {said(first['AlarmName'], 80)} since "
        f"{clock(first['StateUpdatedTimestamp'], bench.now)}",
        rows=tuple(
            (
                clock(one["StateUpdatedTimestamp"], bench.now),
                said(one["AlarmName"], 60),
                said(one.get("StateReason", "")),
            )
            for one in ringing[:10]
        ),
        values={"count": len(ringing), "first": said(first["AlarmName"], 255)},
        alarming=True,
    )


def _ringing(bench: Bench, prefix: str) -> Iterator[Mapping[str, Any]]:
    asked: dict[str, Any] = {"StateValue": "ALARM", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100}
    asked |= {"AlarmNamePrefix": prefix} if prefix else {}
    for _ in range(_PAGES):
        page = bench.ask("cloudwatch", "describe_alarms", **asked)
        yield from page.get("MetricAlarms") or ()
        yield from page.get("CompositeAlarms") or ()
        if not page.get("NextToken"):
            return
        asked["NextToken"] = page["NextToken"]


ACTION = Action(
    name="alarms",
    about="the CloudWatch alarms that ring now, the longest first",
    given=AlarmsGiven,
    look=look,
    reads=("cloudwatch:DescribeAlarms",),
)
