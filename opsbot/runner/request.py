"""What a run is asked, what it comes to, and what its job may look through."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jinja2 import BaseLoader

from opsbot.alerting import Policy
from opsbot.job import Context, Job, Settings
from opsbot.model.check import Check
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.message import Delivery, Message, Standing
from opsbot.model.period import Period
from opsbot.model.report import About, Report
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.status import Status
from opsbot.model.uptime import Flip
from opsbot.ports import Cloud, Looking, Progress, World
from opsbot.render import json as as_json

# How long a process by hand may stand still before its run is called lost.
BY_HAND_SPARE = timedelta(minutes=1)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that decides what a run says.

    `at` is the moment judged; `channels` are names, all of them known. Of `templates` the first that works is used: a
    broken template of a home's own costs its looks, not its report. With a `policy` the run moves alerts on and tells of
    them; without one it leaves them alone, such as a look at the past. `whole`: it looks at every environment.
    """

    name: str
    job: Job[Settings]
    settings: Settings
    at: datetime
    window: Period
    environments: tuple[Environment, ...]
    checks: Mapping[str, tuple[Check, ...]]
    zone: str
    command: str
    templates: tuple[BaseLoader, ...]
    channels: tuple[str, ...] = ()
    coverage_min: float = 0.8
    timeout: timedelta = timedelta(minutes=10)
    scheduled_for: datetime | None = None
    url_base: str = ""
    policy: Policy | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to. `messages` wait in the outbox unless it was a dry run, with what changes on `cards`."""

    run: Run
    report: Report
    about: About
    findings: tuple[Finding, ...]
    window: Period
    scheduled_for: datetime | None
    messages: tuple[Message, ...]
    trusted: bool
    cards: tuple[Standing, ...] = ()

    def exit_code(self, fail_on: str = "action", messages: Sequence[Message] = ()) -> int:
        """The contract's: 3 no trustworthy answer, 4 a delivery failed for good, 1 `fail_on` was reached, else 0."""
        if not self.trusted:
            return 3
        if any(message.state in (Delivery.DEAD, Delivery.HELD) for message in messages):
            return 4
        reached = {"attention": ("attention", "action"), "action": ("action",), "never": ()}[fail_on]
        return 1 if self.run.verdict in reached else 0

    def json(
        self, *, exit_code: int, paths: Sequence[tuple[str, str]], messages: Sequence[Message], verbose: bool
    ) -> str:
        """The contract's object; `messages` as they stand now, `paths` of the files that were written."""
        return as_json.render(
            self.report,
            self.about,
            self.findings,
            window=self.window,
            scheduled_for=self.scheduled_for,
            exit_code=exit_code,
            artifacts=paths,
            deliveries=messages,
            verbose=verbose,
        )


def new_id(now: datetime) -> str:
    """26 characters that sort by time: 10 for the millisecond, 16 of chance."""
    number = int(now.timestamp() * 1000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def by_hand(request: Request, now: datetime, owner: str) -> Run:
    """A run that a person starts and this process keeps to its end; `owner` says which process that is."""
    return Run(
        id=new_id(now), job=request.name, queued_at=now, started_at=now, at=request.at, state=RunState.RUNNING,
        cause=Cause.MANUAL, scheduled_for=request.scheduled_for, owner=owner,
        lease_until=now + request.timeout + BY_HAND_SPARE,
    )  # fmt: skip


def context_of(
    request: Request,
    world: World,
    cloud: Cloud,
    known: Mapping[str, Status],
    progress: Progress,
    flips: tuple[Flip, ...] = (),
) -> Context:
    names = {"", *(environment.name for environment in request.environments)}
    probes = tuple(probe for probe in world.probes if probe.environment in names)
    return Context(
        now=request.at,
        window=request.window,
        environments=request.environments,
        checks=dict(request.checks),
        looking=Looking(
            cloud=cloud,
            history=known,
            progress=progress,
            uptime=world.uptime,
            probes=probes,
            maintenance=world.maintenance,
            bills=world.bills,
            costs=world.costs,
            trends=world.trends,
            budgets=world.budgets,
            everywhere=world.everywhere,
            logs=world.logs,
            alerts=world.store.alerts(),
            incidents=world.incidents,
        ),
        flips=flips,
        zone=request.zone,
    )
