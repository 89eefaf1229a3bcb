"""Taking a stack's update back: cancelled, rolled back, or its rollback gone on with; what hung in it is well then."""

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.healing import take
from opsbot.replica.services import rollouts
from opsbot.replica.services.stacks import Stack, arn_of, stacks_of
from opsbot.replica.services.trail import record

_FROM = {
    "CancelUpdateStack": ("UPDATE_IN_PROGRESS",),
    "RollbackStack": ("CREATE_FAILED", "UPDATE_FAILED"),
    "ContinueUpdateRollback": ("UPDATE_ROLLBACK_FAILED",),
}


def _take_back(request: Request, params: Params, operation: str) -> Result:
    name = str(params.get("StackName"))
    stack = next((one for one in stacks_of(request) if name in (one.name, arn_of(request, one))), None)
    if stack is None:
        raise Fault("ValidationError", f"Stack [{name}] does not exist")
    token, doings = str(params.get("ClientRequestToken") or ""), request.state.doings
    answer = {"StackId": arn_of(request, stack)} if operation == "RollbackStack" else {}
    with doings.lock:
        if token and doings.tokens.get(token) == stack.name:
            return answer
        if stack.status not in _FROM[operation]:
            raise Fault("ValidationError", f"Stack [{name}] is in {stack.status} state and can not be rolled back.")
        doings.stacks[request.account, request.region, stack.name] = request.now
        doings.tokens[token or f"{name}-{operation}"] = stack.name
    take(request, "cfn.rollback", stack.name)
    record(request, "cloudformation.amazonaws.com", operation, ("AWS::CloudFormation::Stack", stack.name))
    _heal(request, stack)
    return answer


def _heal(request: Request, stack: Stack) -> None:
    """The service that hung gets the task definition it had."""
    if stack.service is not None:
        before = f"{stack.service.name}:{rollouts.NEWEST - 1}"
        rollouts.changed(request, stack.service, {"taskDefinition": before})


def cancel_update_stack(request: Request, params: Params) -> Result:
    return _take_back(request, params, "CancelUpdateStack")


def rollback_stack(request: Request, params: Params) -> Result:
    return _take_back(request, params, "RollbackStack")


def continue_update_rollback(request: Request, params: Params) -> Result:
    return _take_back(request, params, "ContinueUpdateRollback")


HANDLERS: dict[tuple[str, str], Handler] = {
    ("cloudformation", "CancelUpdateStack"): cancel_update_stack,
    ("cloudformation", "RollbackStack"): rollback_stack,
    ("cloudformation", "ContinueUpdateRollback"): continue_update_rollback,
}
