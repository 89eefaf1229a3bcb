"""AWS call by call, for runbooks: one port that only asks, and one that changes things and is handed out with care."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from opsbot.model.environment import Environment


class Inspector(Protocol):
    """Asks AWS. Operations that are not known to read are refused before anything leaves the machine."""

    def ask(self, environment: Environment, region: str, service: str, operation: str, /, **asked: Any) -> Any:
        """The answer to one call by botocore's names, `ask(env, "eu-central-1", "ecs", "describe_services", ...)`.

        Everything in it is untrusted. Raises CloudError, which names the IAM action that was denied."""


class Actuator(Protocol):
    """The only thing that changes AWS; handed to changing runbook actions alone."""

    def act(self, environment: Environment, region: str, service: str, operation: str, /, **asked: Any) -> Receipt:
        """One call, tried once: AWS has no token for most of these, and a retry could do it twice. Raises CloudError,
        not permanent where it may have been done all the same."""


class Receipt(Protocol):
    """What AWS gave back for a change: its request's id, for CloudTrail, and its answer."""

    @property
    def request_id(self) -> str: ...

    @property
    def answer(self) -> Mapping[str, Any]: ...
