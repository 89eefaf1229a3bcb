"""All ports in one place, and the part of them that a job may look through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from opsbot.model.budget import OwnBudget
from opsbot.model.environment import Environment
from opsbot.model.maintenance import Maintenance
from opsbot.model.status import Status
from opsbot.ports.alerts import Alerts
from opsbot.ports.channel import Channel
from opsbot.ports.cloud import Cloud
from opsbot.ports.incidents import Incidents
from opsbot.ports.logs import Logs
from opsbot.ports.store import Store
from opsbot.ports.uptime import Uptime
from opsbot.probing import Probe

if TYPE_CHECKING:
    # The daemon imports this module and must not pay for numpy.
    from opsbot.evaluate.costdata.ports import Bills, Costs
    from opsbot.evaluate.trend.ports import Trends


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything impure in one place: tests build one, `app` builds the real one."""

    cloud: Cloud
    channels: Mapping[str, Channel]
    store: Store
    now: Callable[[], datetime]
    uptime: Uptime | None = None
    probes: tuple[Probe, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    bills: Bills | None = None
    costs: Costs | None = None
    trends: Trends | None = None
    budgets: tuple[OwnBudget, ...] = ()
    everywhere: tuple[Environment, ...] = ()
    logs: Logs | None = None
    incidents: Incidents | None = None


Progress = Callable[[str, int, int], None]


def quiet(label: str, done: int, total: int) -> None:
    """Progress for nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What `observe`, `probed`, `billed` and `forecast` need of the outside: a job's Context is built around one. `probes`
    are those of the environments that were asked for, `uptime` what they said, `maintenance` the work that is planned.
    `bills` are what payers are charged now, `costs` what they were shown before, `trends` the settled past of what may run
    full, `logs` the lines that are counted, `alerts` and `incidents` what became of troubles. None where nothing is kept.
    `everywhere` are all environments there are, whichever the run is about."""

    cloud: Cloud
    history: Mapping[str, Status] = field(default_factory=dict)
    progress: Progress = quiet
    uptime: Uptime | None = None
    probes: tuple[Probe, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    bills: Bills | None = None
    costs: Costs | None = None
    trends: Trends | None = None
    budgets: tuple[OwnBudget, ...] = ()
    everywhere: tuple[Environment, ...] = ()
    logs: Logs | None = None
    alerts: Alerts | None = None
    incidents: Incidents | None = None
