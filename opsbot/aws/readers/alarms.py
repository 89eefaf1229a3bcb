"""CloudWatch's own alarms, of every type: asked without types it leaves the composite ones out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts
from opsbot.aws.words import clipped
from opsbot.model.resource import Resource


def alarms(look: Look) -> Iterator[Found]:
    types: list[str] = look.client("cloudwatch").meta.service_model.shape_for("AlarmType").enum
    for page in look.pages("cloudwatch", "describe_alarms", AlarmTypes=types):
        for type in types:
            for alarm in page.get(f"{type}s") or ():
                yield _alarm(look, alarm)


def _alarm(look: Look, alarm: Mapping[str, Any]) -> Resource:
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
            actions_enabled=1.0 if alarm.get("ActionsEnabled", True) else 0.0,
        ),
    )


READERS = {
    "cloudwatch-alarm": Reader(
        kinds=("cloudwatch-alarm",),
        actions=("cloudwatch:DescribeAlarms",),
        read=alarms,
        tagged=("cloudwatch:alarm",),
    )
}
