"""`asg.set_desired`: another number of machines for an Auto Scaling group, within what it allows."""

from __future__ import annotations

from pydantic import Field

from opsbot.actions import asg_group
from opsbot.actions.action import Act, Action, Change, Intent
from opsbot.actions.asg_group import GroupGiven
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt


class DesiredGiven(GroupGiven):
    """`desired` is how many machines there shall be."""

    desired: int = Field(ge=0, le=5000)


def intend(given: DesiredGiven, seen: Answer) -> Intent:
    now = seen.values["desired"]
    return Intent(
        calls=f"autoscaling:SetDesiredCapacity {given.group} desiredCapacity={given.desired}",
        before=(("desired machines", str(now)),),
        after=(("desired machines", str(given.desired)),),
        key=f"asg/{given.group}",
        undo="asg.set_desired",
        undo_given={"group": given.group, "desired": now},
        undo_says=f"back to {now} machines",
        refused=_refused(given, seen),
    )


def _refused(given: DesiredGiven, seen: Answer) -> str:
    least, most = (int(str(seen.values[name])) for name in ("least", "most"))
    if given.desired == seen.values["desired"]:
        return f"it wants {given.desired} machines already"
    return "" if least <= given.desired <= most else f"the group allows {least} to {most}: its own limits come first"


def apply(given: DesiredGiven, before: Answer, act: Act, token: str) -> Receipt:
    return act(
        "autoscaling", "set_desired_capacity", AutoScalingGroupName=given.group, DesiredCapacity=given.desired,
        HonorCooldown=False,
    )  # fmt: skip


def reached(given: DesiredGiven, before: Answer, now: Answer) -> bool | None:
    return bool(now.values["desired"] == given.desired)


ACTION = Action(
    name="asg.set_desired",
    about="another number of machines for an Auto Scaling group",
    given=DesiredGiven,
    look=asg_group.look,
    reads=asg_group.READS,
    change=Change(intend=intend, apply=apply, reached=reached, writes=("autoscaling:SetDesiredCapacity",)),
)
