"""What runbook steps can use; one file an action, listed here. Those that change something are planned and approved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opsbot.actions import (
    alarm_actions,
    alarms,
    alb_targets,
    asg_desired,
    asg_group,
    certificate,
    cfn_rollback,
    cloudformation,
    cloudtrail,
    cost,
    deployments,
    ecs_definition,
    ecs_redeploy,
    ecs_scale,
    ecs_service,
    lambda_alias,
    lambda_concurrency,
    lambda_function,
    logs,
    metric,
    probe,
    rds_instance,
    ssm_automation,
    ssm_command,
)
from opsbot.actions.action import Action, Bench, Intent, NotThere, through

_ALL: tuple[Action[Any], ...] = (
    alarms.ACTION,
    alb_targets.ACTION,
    asg_group.ACTION,
    certificate.ACTION,
    cloudformation.ACTION,
    cloudtrail.ACTION,
    cost.ACTION,
    deployments.ACTION,
    ecs_service.ACTION,
    lambda_function.ACTION,
    logs.ACTION,
    metric.ACTION,
    probe.ACTION,
    rds_instance.ACTION,
    alarm_actions.DISABLE,
    alarm_actions.ENABLE,
    asg_desired.ACTION,
    cfn_rollback.ACTION,
    ecs_definition.ACTION,
    ecs_redeploy.ACTION,
    ecs_scale.ACTION,
    lambda_alias.ACTION,
    lambda_concurrency.ACTION,
    ssm_automation.ACTION,
    ssm_command.ACTION,
)

ACTIONS: dict[str, Action[Any]] = {action.name: action for action in _ALL}


def reads(names: Iterable[str]) -> tuple[str, ...]:
    """The IAM actions that looking with these takes: all of them only read."""
    return tuple(sorted({one for name in names for one in ACTIONS[name].reads}))


def writes(names: Iterable[str]) -> tuple[str, ...]:
    """The IAM actions that changing with these takes."""
    return tuple(sorted({one for name in names if (change := ACTIONS[name].change) for one in change.writes}))


__all__ = ["ACTIONS", "Action", "Bench", "Intent", "NotThere", "reads", "through", "writes"]
