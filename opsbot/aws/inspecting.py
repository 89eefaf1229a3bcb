"""Single calls for runbooks: what may be asked is listed here, and what may be changed is listed apart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opsbot.aws.meter import Meter
from opsbot.errors import CloudError
from opsbot.model.environment import Environment

if TYPE_CHECKING:
    from opsbot.aws.session import Sessions

log = logging.getLogger(__name__)

READS: dict[str, frozenset[str]] = {
    "acm": frozenset({"describe_certificate", "list_certificates"}),
    "autoscaling": frozenset({"describe_auto_scaling_groups", "describe_scaling_activities"}),
    "ce": frozenset({"get_cost_and_usage"}),
    "cloudformation": frozenset({"describe_stack_events", "describe_stacks"}),
    "cloudtrail": frozenset({"lookup_events"}),
    "cloudwatch": frozenset({"describe_alarms"}),
    "ecs": frozenset({"describe_services", "list_clusters", "list_task_definitions"}),
    "elbv2": frozenset({"describe_load_balancers", "describe_target_groups", "describe_target_health"}),
    "lambda": frozenset({
        "get_alias", "get_function_concurrency", "get_function_configuration", "list_aliases",
        "list_versions_by_function",
    }),
    "logs": frozenset({"get_query_results", "start_query", "stop_query"}),
    "rds": frozenset({"describe_db_instances", "describe_events"}),
    "ssm": frozenset({"describe_automation_executions", "list_commands"}),
}  # fmt: skip

WRITES: dict[str, frozenset[str]] = {
    "autoscaling": frozenset({"set_desired_capacity"}),
    "cloudformation": frozenset({"cancel_update_stack", "continue_update_rollback", "rollback_stack"}),
    "cloudwatch": frozenset({"disable_alarm_actions", "enable_alarm_actions"}),
    "ecs": frozenset({"update_service"}),
    "lambda": frozenset({"delete_function_concurrency", "put_function_concurrency", "update_alias"}),
    "ssm": frozenset({"send_command", "start_automation_execution"}),
}


def asked(
    sessions: Sessions, environment: Environment, region: str, service: str, operation: str, /, **told: Any
) -> Any:
    """One reading call. Raises CloudError; an operation that is not listed is refused before it leaves."""
    if operation not in READS.get(service, ()):
        raise CloudError(f"{service}.{operation} is not among what runbooks may ask", permanent=True)
    return _call(sessions, environment, region, service, operation, told)


def _call(
    sessions: Sessions, environment: Environment, region: str, service: str, operation: str, told: Mapping[str, Any]
) -> Any:
    from opsbot.aws.errors import CALL_ERRORS, SHAPE_ERRORS, translate
    from opsbot.aws.session import last_call

    try:
        access = sessions.open(environment)
        with access.signed():
            return getattr(access.client(service, region), operation)(**told)
    except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
        raise translate(error, call=last_call(), away=region != environment.home_region) from error


@dataclass(frozen=True, slots=True)
class Receipt:
    """`ports.remote.Receipt`: what AWS gave back for a change."""

    request_id: str
    answer: Mapping[str, Any]


class Hands:
    """`ports.Actuator` on AWS. Its calls are tried once, with sessions of their own: nothing is done twice by a retry.

    They are signed by the environment's remediation role where it has one: the role that reads need not be allowed more.
    """

    def __init__(self, secrets: Callable[[str], str] = str) -> None:
        self._secrets = secrets
        self._meter = Meter()

    def act(self, environment: Environment, region: str, service: str, operation: str, /, **asked: Any) -> Receipt:
        if operation not in WRITES.get(service, ()):
            raise CloudError(f"{service}.{operation} is not among what runbooks may change", permanent=True)
        log.info("aws change", extra={"service": service, "operation": operation, "environment": environment.name})
        answer = _call(self._sessions, _remedying(environment), region, service, operation, asked)
        meta = answer.pop("ResponseMetadata", None) or {}
        return Receipt(str(meta.get("RequestId", "")), answer)

    @cached_property
    def _sessions(self) -> Sessions:
        from opsbot.aws.session import Sessions

        return Sessions(threads=2, attempts=1, meter=self._meter, secrets=self._secrets)


def _remedying(environment: Environment) -> Environment:
    from dataclasses import replace

    role = environment.remediation_role_arn
    return replace(environment, role_arn=role) if role else environment
