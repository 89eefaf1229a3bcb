"""What callers may change in the embedded AWS, and where it tells of changes: asked through real boto3 clients, in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jmespath
import pytest
from botocore.exceptions import ClientError

from tests.replica.world.test_describe import NOW, Client, embedded

U, E, D, S, P = "unilux-prod", "edt-prod", "dhbw-prod", "santillana-prod", "dataplat-prod"
GROUP: dict[str, Any] = {"AutoScalingGroupName": "kafka-connect"}
QUIZ: dict[str, Any] = {"cluster": "lecture", "service": "quiz-api"}
SEEN: dict[str, Any] = {"cluster": "lecture", "services": ["quiz-api"]}
EXPORT: dict[str, Any] = {"FunctionName": "grade-export"}
WINDOW = {"startTime": int(NOW.timestamp()) - 1800, "endTime": int(NOW.timestamp())}
STATE = "services[0].[runningCount, deployments[0].rolloutState]"
# Environment, service, operation, parameters, what is looked at, what it is; one after the other.
STORY: list[tuple[str, str, str, dict[str, Any], str, object]] = [
    (U, "cloudtrail", "lookup_events", {}, "Events[0].[EventName, Username]", ["UpdateService", "ci-deploy"]),
    (U, "cloudtrail", "lookup_events", {"LookupAttributes": [{"AttributeKey": "ReadOnly", "AttributeValue": "true"}]}, "Events", []),
    (U, "cloudtrail", "lookup_events", {"StartTime": NOW - timedelta(minutes=5)}, "Events", []),
    (U, "cloudformation", "describe_stacks", {}, "Stacks[].StackStatus", ["UPDATE_COMPLETE", "UPDATE_IN_PROGRESS"]),
    (U, "cloudformation", "describe_stack_events", {"StackName": "lecture-services"}, "StackEvents[0].LogicalResourceId", "quiz-api"),
    (U, "ecs", "list_task_definitions", {"familyPrefix": "quiz-api", "sort": "DESC"}, "length(taskDefinitionArns)", 4),
    (U, "ecs", "describe_services", SEEN, STATE, [0, "IN_PROGRESS"]),
    (U, "ecs", "update_service", {**QUIZ, "forceNewDeployment": True}, "service.runningCount", 0),
    (U, "ecs", "describe_services", SEEN, STATE, [0, "IN_PROGRESS"]),
    (U, "ecs", "describe_services", SEEN, STATE, [0, "IN_PROGRESS"]),
    (U, "ecs", "update_service", {**QUIZ, "taskDefinition": "quiz-api:41"}, "service.runningCount", 0),
    (U, "ecs", "describe_services", SEEN, STATE, [0, "IN_PROGRESS"]),
    (U, "ecs", "describe_services", SEEN, STATE, [3, "COMPLETED"]),
    (U, "cloudtrail", "lookup_events", {}, "Events[0].Username", "opsbot"),
    (E, "lambda", "list_versions_by_function", EXPORT, "Versions[].Version", ["$LATEST", "5", "6", "7"]),
    (E, "lambda", "list_aliases", EXPORT, "Aliases[0].FunctionVersion", "7"),
    (E, "lambda", "update_alias", {**EXPORT, "Name": "live", "FunctionVersion": "6"}, "FunctionVersion", "6"),
    (E, "lambda", "get_alias", {**EXPORT, "Name": "live"}, "FunctionVersion", "6"),
    (E, "lambda", "get_function_concurrency", EXPORT, "ReservedConcurrentExecutions", None),
    (E, "lambda", "put_function_concurrency", {**EXPORT, "ReservedConcurrentExecutions": 0}, "ReservedConcurrentExecutions", 0),
    (E, "lambda", "get_function_concurrency", EXPORT, "ReservedConcurrentExecutions", 0),
    (E, "lambda", "delete_function_concurrency", EXPORT, "ReservedConcurrentExecutions", None),
    (E, "lambda", "get_function_concurrency", EXPORT, "ReservedConcurrentExecutions", None),
    (D, "ssm", "start_automation_execution", {"DocumentName": "Opsbot-ClearCache", "ClientToken": "0" * 36}, "length(AutomationExecutionId)", 36),
    (D, "ssm", "start_automation_execution", {"DocumentName": "Opsbot-ClearCache", "ClientToken": "0" * 36}, "length(AutomationExecutionId)", 36),
    (D, "ssm", "describe_automation_executions", {}, "AutomationExecutionMetadataList[].AutomationExecutionStatus", ["InProgress"]),
    (D, "ssm", "describe_automation_executions", {}, "AutomationExecutionMetadataList[].AutomationExecutionStatus", ["Success"]),
    (U, "cloudformation", "cancel_update_stack", {"StackName": "lecture-services", "ClientRequestToken": "t1"}, "StackId", None),
    (U, "cloudformation", "cancel_update_stack", {"StackName": "lecture-services", "ClientRequestToken": "t1"}, "StackId", None),
    (U, "cloudformation", "describe_stacks", {"StackName": "lecture-services"}, "Stacks[0].StackStatus", "UPDATE_ROLLBACK_COMPLETE"),
    (D, "ssm", "list_commands", {}, "Commands", []),
    (D, "ssm", "send_command", {"DocumentName": "Opsbot-DropCaches", "InstanceIds": ["i-07aadea97ac20196f"]}, "Command.Status", "Pending"),
    (D, "ssm", "list_commands", {"Filters": [{"key": "DocumentName", "value": "Opsbot-DropCaches"}]}, "Commands[0].[Status, CompletedCount]", ["InProgress", 0]),
    (D, "ssm", "list_commands", {}, "Commands[0].[Status, CompletedCount]", ["Success", 1]),
    (D, "cloudwatch", "disable_alarm_actions", {"AlarmNames": ["lecture-web-5xx", "no-such"]}, "Nothing", None),
    (D, "cloudwatch", "describe_alarms", {"AlarmNames": ["lecture-web-5xx"]}, "MetricAlarms[0].ActionsEnabled", False),
    (D, "cloudwatch", "enable_alarm_actions", {"AlarmNames": ["lecture-web-5xx"]}, "Nothing", None),
    (D, "cloudwatch", "describe_alarms", {"AlarmNames": ["lecture-web-5xx"]}, "MetricAlarms[0].ActionsEnabled", True),
    (P, "autoscaling", "set_desired_capacity", {**GROUP, "DesiredCapacity": 28}, "Nothing", None),
    (P, "autoscaling", "describe_scaling_activities", GROUP, "Activities[].StatusCode", ["Successful"]),
    (P, "autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroupNames": ["kafka-connect"]}, "AutoScalingGroups[0].[DesiredCapacity, length(Instances)]", [28, 28]),
    (P, "autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroupNames": ["no"]}, "AutoScalingGroups", []),
    (S, "rds", "describe_events", {"SourceIdentifier": "content-db", "SourceType": "db-instance", "Duration": 1440}, "Events[].EventCategories[0]", ["low storage", "backup", "backup"]),
]  # fmt: skip
REFUSED: list[tuple[str, str, str, dict[str, Any], str]] = [
    (U, "ecs", "update_service", {**QUIZ, "service": "no"}, "ServiceNotFoundException"),
    (U, "ecs", "update_service", {**QUIZ, "taskDefinition": "quiz-api:7"}, "ClientException"),
    (U, "cloudformation", "describe_stacks", {"StackName": "no"}, "ValidationError"),
    (U, "cloudformation", "describe_stack_events", {"StackName": "no"}, "ValidationError"),
    (E, "lambda", "get_alias", {**EXPORT, "Name": "no"}, "ResourceNotFoundException"),
    (E, "lambda", "update_alias", {**EXPORT, "Name": "live", "FunctionVersion": "1"}, "ResourceNotFoundException"),
    (E, "lambda", "update_alias", {**EXPORT, "Name": "live", "FunctionVersion": "6", "RevisionId": "x"}, "PreconditionFailedException"),
    (E, "lambda", "put_function_concurrency", {**EXPORT, "ReservedConcurrentExecutions": 990}, "InvalidParameterValueException"),
    (E, "logs", "start_query", {**WINDOW, "logGroupName": "/aws/lambda/no", "queryString": "fields @message"}, "ResourceNotFoundException"),
    (E, "logs", "get_query_results", {"queryId": "no"}, "ResourceNotFoundException"),
    (D, "ssm", "start_automation_execution", {"DocumentName": "No-Such"}, "AutomationDefinitionNotFoundException"),
    (D, "ssm", "send_command", {"DocumentName": "No-Such", "InstanceIds": ["i-07aadea97ac20196f"]}, "InvalidDocument"),
    (D, "ssm", "send_command", {"DocumentName": "Opsbot-DropCaches", "InstanceIds": ["i-00000000"]}, "InvalidInstanceId"),
    (D, "cloudformation", "cancel_update_stack", {"StackName": "lecture-services"}, "ValidationError"),
    (D, "cloudformation", "rollback_stack", {"StackName": "lecture-services"}, "ValidationError"),
    (D, "cloudformation", "continue_update_rollback", {"StackName": "no"}, "ValidationError"),
    (P, "autoscaling", "set_desired_capacity", {**GROUP, "DesiredCapacity": 33}, "ValidationError"),
    (P, "autoscaling", "describe_scaling_activities", {"AutoScalingGroupName": "no"}, "ValidationError"),
]  # fmt: skip


@pytest.fixture(scope="module")
def enter() -> Iterator[Any]:
    with embedded(NOW) as (_, way):
        yield way


def ask(enter: Any, place: str, service: str, operation: str, given: dict[str, Any]) -> Any:
    client: Client = enter(place)
    return getattr(client(service), operation)(**given)


def test_what_is_changed_shows_afterwards_and_is_told(enter: Any) -> None:
    for number, (place, service, operation, given, path, wanted) in enumerate(STORY):
        assert (number, jmespath.search(path, ask(enter, place, service, operation, given))) == (number, wanted)


@pytest.mark.parametrize(("place", "service", "operation", "given", "code"), REFUSED)
def test_what_aws_would_refuse_is_refused(
    enter: Any, place: str, service: str, operation: str, given: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        ask(enter, place, service, operation, given)
    assert refused.value.response["Error"]["Code"] == code


def test_a_query_takes_a_moment_and_can_be_stopped(enter: Any) -> None:
    asked = {
        **WINDOW,
        "logGroupName": "/aws/lambda/grade-export",
        "queryString": "filter @message like 'ERROR' | stats count(*) by @message",
    }
    logs = enter(E)("logs")
    query = logs.start_query(**asked)["queryId"]
    assert [logs.get_query_results(queryId=query)["status"] for _ in range(2)] == ["Running", "Complete"]
    assert len(logs.get_query_results(queryId=query)["results"]) == 2
    other = logs.start_query(**{**asked, "logGroupName": "/aws/lambda/pdf-render"})["queryId"]
    assert logs.stop_query(queryId=other)["success"] is True
    assert logs.get_query_results(queryId=other)["status"] == "Cancelled"
