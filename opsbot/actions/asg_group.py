"""`asg.group`: an Auto Scaling group, how many of its machines are well, and what it did last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from opsbot.actions.action import Action, Bench, Given, NotThere
from opsbot.actions.telling import clock, many, said
from opsbot.model.runbook import Answer

_SHOWN = 5
READS = ("autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities")


class GroupGiven(Given):
    """`group` is its name."""

    group: str = Field(min_length=1, max_length=255)


def look(bench: Bench, given: GroupGiven) -> Answer:
    """Raises CloudError, NotThere."""
    told = bench.ask("autoscaling", "describe_auto_scaling_groups", AutoScalingGroupNames=[given.group])
    group: Mapping[str, Any] | None = next(iter(told.get("AutoScalingGroups") or ()), None)
    if group is None:
        raise NotThere(f"there is no Auto Scaling group {given.group!r} in {bench.region}")
    lately = bench.ask(
        "autoscaling", "describe_scaling_activities", AutoScalingGroupName=given.group, MaxRecords=_SHOWN
    )
    activities = lately.get("Activities") or ()
    failed = [one for one in activities if one.get("StatusCode") == "Failed"]
    machines = group.get("Instances") or ()
    well = sum(one.get("LifecycleState") == "InService" and one.get("HealthStatus") == "Healthy" for one in machines)
    desired = int(group["DesiredCapacity"])
    return Answer(
        headline=f"{well} of {many(desired, 'machine')} in service, from {group['MinSize']} to {group['MaxSize']} allowed"
        + (f"; {many(len(failed), 'activity that failed')}" if failed else ""),
        rows=tuple(
            (clock(one.get("StartTime"), bench.now), said(one.get("StatusCode", ""), 20),
             said(one.get("StatusMessage") or one.get("Description", "")))
            for one in activities[:_SHOWN]
        ),
        values={"desired": desired, "in_service": well, "least": int(group["MinSize"]), "most": int(group["MaxSize"]),
                "failed": len(failed)},
        alarming=well < desired or bool(failed),
    )  # fmt: skip


ACTION = Action(
    name="asg.group",
    about="an Auto Scaling group: how many machines are well, and its last scaling activities",
    given=GroupGiven,
    look=look,
    reads=READS,
)
