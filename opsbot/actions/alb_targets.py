"""`alb.targets`: a load balancer's targets: who is healthy, and what the load balancer says of those that are not."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from opsbot.actions.action import Action, Bench, Given
from opsbot.actions.telling import said
from opsbot.model.runbook import Answer

_GROUPS = 20


class BalancerGiven(Given):
    """`balancer` is its name."""

    balancer: str = Field(pattern=r"^[A-Za-z0-9-]{1,32}$")


def look(bench: Bench, given: BalancerGiven) -> Answer:
    """`values.dimension` is what CloudWatch calls it. Raises CloudError."""
    told = bench.ask("elbv2", "describe_load_balancers", Names=[given.balancer])["LoadBalancers"][0]
    arn = str(told["LoadBalancerArn"])
    groups = bench.ask("elbv2", "describe_target_groups", LoadBalancerArn=arn).get("TargetGroups") or ()
    states: Counter[str] = Counter()
    rows: list[tuple[str, ...]] = []
    for group in groups[:_GROUPS]:
        health = bench.ask("elbv2", "describe_target_health", TargetGroupArn=group["TargetGroupArn"])
        for one in health.get("TargetHealthDescriptions") or ():
            state = said(one["TargetHealth"].get("State", "?"), 20)
            states[state] += 1
            if state != "healthy":
                why = said(one["TargetHealth"].get("Description") or one["TargetHealth"].get("Reason") or "")
                rows.append((said(group.get("TargetGroupName", "")), said(one["Target"].get("Id", "")), state, why))
    total, healthy = sum(states.values()), states["healthy"]
    return Answer(
        headline=f"{healthy} of {total} targets healthy" + (f"; {rows[0][3] or rows[0][2]}" if rows else ""),
        rows=tuple(rows[:10]),
        values={"balancer": given.balancer, "dimension": said(arn.partition("loadbalancer/")[2], 100),
                "healthy": healthy, "targets": total},
        alarming=healthy < total or not total,
    )  # fmt: skip


ACTION = Action(
    name="alb.targets",
    about="a load balancer's targets and why they are not healthy",
    given=BalancerGiven,
    look=look,
    reads=(
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
    ),
)
