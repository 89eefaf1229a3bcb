"""CloudWatch's own alarms, of every type: asked without types it leaves the composite ones out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from opsbot.aws.readers.place import DAY, Found, Look, Reader, facts
from opsbot.aws.words import clipped
from opsbot.model.resource import Resource

MOST_CHANGES = 2_000
"""Of a region in a day: more are told as that many at least."""


def alarms(look: Look) -> Iterator[Found]:
    types: list[str] = look.client("cloudwatch").meta.service_model.shape_for("AlarmType").enum
    rang = _rang(look, types)
    for page in look.pages("cloudwatch", "describe_alarms", AlarmTypes=types):
        for type in types:
            for alarm in page.get(f"{type}s") or ():
                yield _alarm(look, alarm, rang[alarm["AlarmName"]])


def _rang(look: Look, types: list[str]) -> Counter[str]:
    """How often each alarm went into ALARM in a day: one request, and more only where much happened."""
    asked = {"AlarmTypes": types, "HistoryItemType": "StateUpdate", "StartDate": look.now - DAY, "EndDate": look.now}
    changes = look.each("cloudwatch", "describe_alarm_history", "AlarmHistoryItems", MaxRecords=100, **asked)
    told = islice(changes, MOST_CHANGES)
    return Counter(one["AlarmName"] for one in told if str(one.get("HistorySummary", "")).endswith(" to ALARM"))


def _alarm(look: Look, alarm: Mapping[str, Any], rang: int) -> Resource:
    state = alarm.get("StateValue", "")
    since = alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp")
    return Resource(
        kind="cloudwatch-alarm",
        name=alarm["AlarmName"],
        region=look.region,
        arn=alarm.get("AlarmArn", ""),
        facts=facts(
            in_alarm=1.0 if state == "ALARM" else 0.0,
            insufficient=1.0 if state == "INSUFFICIENT_DATA" else 0.0,
            state=state,
            reason=clipped(alarm.get("StateReason") or ""),
            since=since.timestamp() if since else None,
            rang_24h=float(rang),
            actions_enabled=1.0 if alarm.get("ActionsEnabled", True) else 0.0,
        ),
    )


READERS = {
    "cloudwatch-alarm": Reader(
        kinds=("cloudwatch-alarm",),
        actions=("cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms"),
        read=alarms,
        tagged=("cloudwatch:alarm",),
    )
}
