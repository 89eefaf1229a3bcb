"""What a home says about telling: its routes, what mutes them, and how much patience there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from opsbot.alerting.advance import Patience, is_trouble
from opsbot.alerting.muting import Dependency
from opsbot.alerting.routing import Route, routes_of, sample
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.maintenance import Maintenance
from opsbot.model.status import Priority, Status

ACK_FOR: Mapping[Priority, timedelta] = {Priority.P0: timedelta(minutes=30), Priority.P1: timedelta(hours=2)}
"""How long somebody may have an alert in hand before the others hear of it again; what is milder waits for its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`channels` are those there are. `storm` is how many alerts may begin to fire within a minute for one tenant before
    they go into one message; 0 is never. `jobs` are those there are, where that is known: nobody looks any more at what
    another one found."""

    routes: tuple[Route, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    channels: frozenset[str] = frozenset()
    patience: Patience = field(default_factory=Patience)
    storm: int = 20
    ack_for: Mapping[Priority, timedelta] = field(default_factory=lambda: ACK_FOR)
    jobs: frozenset[str] | None = None


def carried(finding: Finding, place: Environment | None, policy: Policy) -> bool:
    """Whether a route carries it, as the trouble it is; what is well again, as the trouble that it was."""
    trouble = finding if is_trouble(finding, policy.patience) else replace(finding, status=Status.CRITICAL)
    routes = routes_of(sample(trouble, place, finding.at), policy.routes)
    return any(channel in policy.channels for route in routes for channel in route.channels)
