"""`alarm.disable_actions` and `alarm.enable_actions`: whether an alarm does anything when it rings; it rings all the same."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field

from opsbot.actions.action import Act, Action, Bench, Change, Given, Intent, NotThere, Span
from opsbot.actions.telling import said
from opsbot.model.period import show_duration
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt


class AlarmGiven(Given):
    """`alarm` is its whole name."""

    alarm: str = Field(min_length=1, max_length=255)


_LONGEST = timedelta(hours=24)


def _for_a_time(length: timedelta) -> timedelta:
    if not timedelta(minutes=1) <= length <= _LONGEST:
        raise ValueError("expected a duration from 1m to 24h: an alarm that is off for longer is forgotten")
    return length


class MutedGiven(AlarmGiven):
    """`for` is how long its actions are off before opsbot switches them on again."""

    length: Annotated[Span, AfterValidator(_for_a_time)] = Field(default=timedelta(hours=1), alias="for")


def look(bench: Bench, given: AlarmGiven) -> Answer:
    """Raises CloudError, NotThere."""
    told = bench.ask(
        "cloudwatch", "describe_alarms", AlarmNames=[given.alarm], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    found = [*(told.get("MetricAlarms") or ()), *(told.get("CompositeAlarms") or ())]
    if not found:
        raise NotThere(f"there is no alarm {given.alarm!r} in {bench.region}")
    enabled, state = bool(found[0].get("ActionsEnabled")), said(found[0].get("StateValue", ""), 20)
    return Answer(
        headline=f"{state}; its actions are {_word(enabled)}",
        values={"enabled": enabled, "state": state},
        alarming=state == "ALARM" or not enabled,
    )


def _word(enabled: bool) -> str:
    return "on" if enabled else "off"


def intend(enable: bool, given: AlarmGiven, seen: Answer) -> Intent:
    verb, other = ("Enable", "disable") if enable else ("Disable", "enable")
    lasts = given.length if isinstance(given, MutedGiven) else None
    back = f", and on again by itself after {show_duration(lasts)}" if lasts else ""
    return Intent(
        calls=f"cloudwatch:{verb}AlarmActions {given.alarm}",
        before=(("actions", _word(bool(seen.values["enabled"]))),),
        after=(("actions", _word(enable) + back),),
        key=f"alarm/{given.alarm}",
        undo=f"alarm.{other}_actions",
        undo_given={"alarm": given.alarm},
        undo_says=f"its actions are {_word(not enable)} again",
        refused=f"its actions are {_word(enable)} already" if seen.values["enabled"] == enable else "",
        lasts=lasts,
    )


def apply(enable: bool, given: AlarmGiven, before: Answer, act: Act, token: str) -> Receipt:
    return act("cloudwatch", "enable_alarm_actions" if enable else "disable_alarm_actions", AlarmNames=[given.alarm])


def reached(enable: bool, given: AlarmGiven, before: Answer, now: Answer) -> bool | None:
    return bool(now.values["enabled"] == enable)


def _action(enable: bool) -> Action[AlarmGiven]:
    verb = "enable" if enable else "disable"
    return Action(
        name=f"alarm.{verb}_actions",
        about=f"switch the actions of a CloudWatch alarm {_word(enable)}" + ("" if enable else " for a time"),
        given=AlarmGiven if enable else MutedGiven,
        look=look,
        reads=("cloudwatch:DescribeAlarms",),
        change=Change(
            intend=partial(intend, enable), apply=partial(apply, enable), reached=partial(reached, enable),
            # Taking it back is the other one.
            writes=("cloudwatch:DisableAlarmActions", "cloudwatch:EnableAlarmActions"),
        ),
    )  # fmt: skip


DISABLE, ENABLE = _action(False), _action(True)
