"""Auto Scaling groups that callers resize: how many machines they want, and the activities that tell of it."""

from datetime import timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.healing import take
from opsbot.replica.services.lookup import here
from opsbot.replica.services.trail import record
from opsbot.replica.world import Resource


def desired_of(request: Request, group: Resource) -> int:
    """As somebody set it, else as the scenario has it."""
    with request.state.doings.lock:
        sizes = request.state.doings.sizes.get((request.account, request.region, group.name))
        return sizes[-1][1] if sizes else group.number("desired")


def _named(request: Request, params: Params) -> Resource:
    name = str(params.get("AutoScalingGroupName"))
    found = next((group for group in here(request, "autoscaling-group") if group.name == name), None)
    if found is None:
        raise Fault("ValidationError", "AutoScalingGroup name not found - AutoScalingGroup not found")
    return found


def set_desired_capacity(request: Request, params: Params) -> Result:
    group, wanted = _named(request, params), int(params.get("DesiredCapacity") or 0)
    least, most = group.number("least"), group.number("most")
    if not least <= wanted <= most:
        side = f"above max value {most}" if wanted > most else f"below min value {least}"
        raise Fault("ValidationError", f"New SetDesiredCapacity value {wanted} is {side} for the AutoScalingGroup.")
    with request.state.doings.lock:
        sizes = request.state.doings.sizes.setdefault((request.account, request.region, group.name), [])
        sizes.append((request.now, wanted))
    take(request, "asg.set_desired", group.name, value=wanted)
    record(
        request, "autoscaling.amazonaws.com", "SetDesiredCapacity", ("AWS::AutoScaling::AutoScalingGroup", group.name)
    )
    return {}


def describe_scaling_activities(request: Request, params: Params) -> Result:
    group = _named(request, params)
    with request.state.doings.lock:
        sizes = list(request.state.doings.sizes.get((request.account, request.region, group.name), ()))
    before = [group.number("desired"), *(size for _, size in sizes)]
    told = [
        _activity(group, n, at, f"a user request explicitly set group desired capacity changing the desired capacity "
                  f"from {before[n]} to {size}.")
        for n, (at, size) in enumerate(sizes)
    ]  # fmt: skip
    return {"Activities": told[::-1][: int(params.get("MaxRecords") or 100)]}


def _activity(group: Resource, n: int, at: Any, cause: str) -> dict[str, Any]:
    return {
        "ActivityId": f"0a1b2c3d-4e5f-4a6b-8c7d-{n:012x}",
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": "Changing the number of instances",
        "Cause": f"At {at:%Y-%m-%dT%H:%M:%SZ} {cause}",
        "StartTime": at,
        "EndTime": at + timedelta(seconds=40),
        "StatusCode": "Successful",
        "Progress": 100,
    }


def machines(group: Resource, desired: int) -> list[dict[str, Any]]:
    """The group's machines, all of them well."""
    return [
        {
            "InstanceId": f"i-0{n:016x}",
            "AvailabilityZone": f"{group.region}a",
            "LifecycleState": "InService",
            "HealthStatus": "Healthy",
            "ProtectedFromScaleIn": False,
        }
        for n in range(desired)
    ]


HANDLERS: dict[tuple[str, str], Handler] = {
    ("autoscaling", "SetDesiredCapacity"): set_desired_capacity,
    ("autoscaling", "DescribeScalingActivities"): describe_scaling_activities,
}
