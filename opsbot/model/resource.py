"""What an account holds: resources, and what could not be looked up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opsbot.model.environment import Labels

Fact = str | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing in one region. `name` is unique in its environment and kind and is what people read.

    `dimensions` are the CloudWatch dimensions of its metrics; `facts` what describe calls said (limits such as
    `timeout_seconds`, counts such as `running`); `tags` the owner's labels, untrusted like everything from AWS.
    """

    kind: str
    name: str
    region: str
    arn: str = ""
    dimensions: Labels = ()
    facts: tuple[tuple[str, Fact], ...] = ()
    tags: Labels = ()

    def fact(self, name: str) -> Fact | None:
        return next((value for key, value in self.facts if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that could not be looked up: becomes an UNKNOWN finding, never silence. `kinds` are the resource kinds hidden by it."""

    region: str
    kinds: tuple[str, ...]
    why: str
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All that discovery found in one environment, and all that it could not see."""

    environment: str
    taken_at: datetime
    resources: tuple[Resource, ...]
    gaps: tuple[Gap, ...] = ()
