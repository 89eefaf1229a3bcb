"""One run of one job: look, judge, render, then commit findings, messages and the run's end in one transaction.

A job only reads and returns. A crash before the commit has told nobody; after it nothing is lost, because telling is
the outbox's work. `--dry-run` is the same without the commit, `--estimate` stops where the first metric would be asked.
"""

from __future__ import annotations

import logging
import secrets
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jinja2 import BaseLoader

from opsbot import __version__, timetable
from opsbot.compose import compose, with_templates
from opsbot.errors import CloudError, JobError
from opsbot.job import Context, Job, Outcome, Settings
from opsbot.model.check import Check
from opsbot.model.environment import Environment
from opsbot.model.finding import Coverage, Finding
from opsbot.model.message import Delivery, Message
from opsbot.model.period import Period
from opsbot.model.report import About, Prose, Report, Section
from opsbot.model.resource import Inventory
from opsbot.model.run import Cause, Run, RunState, Usage
from opsbot.model.status import Status, Verdict, worst
from opsbot.model.units import Unit
from opsbot.model.uptime import Flip
from opsbot.ports import Artifact, Ask, Cloud, CustomMetric, Estimate, Looking, Progress, Reading, World, quiet
from opsbot.render import headline, html, text
from opsbot.render import json as as_json
from opsbot.secrets import redact

log = logging.getLogger(__name__)

# How long a process by hand may stand still before its run is called lost.
BY_HAND_SPARE = timedelta(minutes=1)
# Less than a day, so that a job that runs daily at seven and fails is told of daily at seven.
TOLD_FOR = timedelta(hours=20)
FAILURES_LOOKED_AT = 100
LATE = timedelta(minutes=5)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that decides what a run says.

    `at` is the moment judged; `channels` are names, all of them known. Of `templates` the first that works is used: a
    broken template of a home's own costs its looks, not its report.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to. `messages` wait in the outbox unless it was a dry run."""

    run: Run
    report: Report
    about: About
    findings: tuple[Finding, ...]
    window: Period
    scheduled_for: datetime | None
    messages: tuple[Message, ...]
    trusted: bool

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


def execute(
    request: Request,
    world: World,
    *,
    run: Run | None = None,
    owner: str = "",
    again: bool = False,
    dry_run: bool = False,
    progress: Progress = quiet,
) -> Result:
    """Run a job to its end. A job that raises is a finding and a failed run, not an exception.

    `run` was claimed in the ledger; without it one by hand is begun, whose process is `owner`. With `again` there is
    another attempt to come: a job that raises then raises JobError, nothing is kept and nobody is told. Raises Fenced
    when the run is somebody else's by the time it has an answer.
    """
    mine = run or by_hand(request, world.now(), owner)
    if run is None and not dry_run:
        world.store.begin(mine)
    clock = time.perf_counter()
    # Only a run that was called for them tells of flips: neither the morning's report nor one that a person asks for.
    flips = world.uptime.untold() if world.uptime and run is not None and run.scheduled_for is None else ()
    outcome, error = _run(request, world, dry_run, progress, flips)
    if error and again:
        raise error
    result = _finish(request, world, mine, outcome, error.trace if error else "", time.perf_counter() - clock)
    if not dry_run:
        _keep(request, world, result)
        if world.uptime and outcome.flips:
            # After the commit: what is told twice is better than what is never told.
            world.uptime.told(outcome.flips)
    _log_end(result)
    return result


def tell_given_up(request: Request, world: World, run: Run, state: RunState, why: str) -> Result:
    """End a run that will never answer as `state`, with a finding and messages: down the path that every answer takes.

    `run` is RUNNING in the ledger, whoever has it; raises Fenced if it is not any more.
    """
    outcome = _failed(request, why)
    result = _finish(request, world, replace(run, reason=why), outcome, run.error or why, 0.0, state)
    _keep(request, world, result)
    _log_end(result)
    return result


def _keep(request: Request, world: World, result: Result) -> None:
    world.store.commit(result.run, result.findings, result.messages, tuple(_artifacts(request, result)))


def _log_end(result: Result) -> None:
    run, about = result.run, result.about
    fields: dict[str, object] = {"run": run.id, "job": run.job, "state": str(run.state), "verdict": run.verdict}
    fields |= {"seconds": round(about.seconds, 1), "findings": len(result.findings), "usd": round(run.usage.usd, 6)}
    log.info("run finished", extra=fields)
    if run.error:
        log.error("run failed", extra={"run": run.id, "job": run.job, "error": run.error})


def estimate(request: Request, world: World, *, progress: Progress = quiet) -> Estimate:
    """What the run would ask of AWS. Describe calls are made: only they tell how many metrics there are, and they are free."""
    priced = _Priced(world.cloud)
    try:
        request.job.run(_context(request, world, priced, {}, progress), request.settings)
    except _Estimated as stop:
        return _with_discovery(stop.estimate, world.cloud.usage())
    return _with_discovery(world.cloud.estimate(()), world.cloud.usage())


def _with_discovery(plan: Estimate, discovery: Usage) -> Estimate:
    """The whole run's price: the discovery that was made to know the plan is made again in the run itself."""
    calls = Counter(dict(discovery.calls)) + Counter(dict(plan.calls))
    return replace(plan, calls=tuple(sorted(calls.items())), usd=plan.usd + discovery.usd)


def _run(
    request: Request, world: World, dry_run: bool, progress: Progress, flips: tuple[Flip, ...]
) -> tuple[Outcome, JobError | None]:
    known = {} if dry_run else world.store.history().statuses(request.name)
    context = _context(request, world, world.cloud, known, progress, flips)
    try:
        return request.job.run(context, request.settings), None
    except CloudError as error:
        failure = _failure(f"{error.message}; {error.hint}" if error.hint else error.message, error.message)
    except MemoryError:
        failure = _failure("memory ran out", traceback.format_exc())
    except (Exception, SystemExit) as error:  # noqa: BLE001  a user's job may raise anything: its run fails, the daemon and the other jobs go on
        failure = _failure(f"{type(error).__name__}: {error}", traceback.format_exc())
    return _failed(request, failure.message), failure


def _failure(said: str, trace: str) -> JobError:
    # An exception repeats what it was given, such as an address with a password in it.
    return JobError(redact(said), trace=redact(trace))


def _context(
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
        looking=Looking(cloud=cloud, history=known, progress=progress, uptime=world.uptime, probes=probes),
        flips=flips,
        zone=request.zone,
    )


def _failed(request: Request, why: str) -> Outcome:
    finding = Finding(
        check="job-failed",
        environment="opsbot",
        resource=request.name,
        status=Status.UNKNOWN,
        at=request.at,
        unit=Unit.COUNT,
        title=f"Job {request.name}",
        area="opsbot",
        summary=f"the run failed: {why}",
        means="Nothing was judged in this run; the state of the environments is not known.",
        runbook="job-failed",
    )
    section = Section(id="failed", title="The run failed", status=Status.UNKNOWN, blocks=(Prose(text=finding.summary),))
    report = Report(title=request.name.replace("_", " ").capitalize(), period=request.window, sections=(section,),
                    headline=f"No answer: {request.name} failed", status=Status.UNKNOWN)  # fmt: skip
    return Outcome(findings=(finding,), report=report)


def _finish(
    request: Request,
    world: World,
    run: Run,
    outcome: Outcome,
    error: str,
    seconds: float,
    ended_as: RunState = RunState.FAILED,
) -> Result:
    usage = world.cloud.usage()
    coverage = Coverage.of(outcome.findings)
    report = headline.complete(outcome.report or _bare(request, outcome), coverage, len(request.environments))
    verdict = headline.verdict(report)
    ended = replace(
        run,
        finished_at=world.now(),
        state=ended_as if error else RunState.SUCCEEDED,
        verdict=str(verdict),
        headline=report.headline,
        error=error,
        usage=usage,
    )
    about = About(
        run_id=run.id, job=request.name, at=request.at, zone=request.zone, command=request.command, version=__version__,
        environments=len(request.environments), coverage=coverage, usage=usage, seconds=seconds, late=_late(run),
        url=f"{request.url_base}/{run.id}" if request.url_base else "",
    )  # fmt: skip
    trusted = not error and _is_answer(coverage, verdict, request.coverage_min)
    result = Result(
        run=ended, report=report, about=about, findings=outcome.findings, window=request.window,
        scheduled_for=run.scheduled_for, messages=(), trusted=trusted,
    )  # fmt: skip
    if error and _told_today(world, ended):
        return result
    return replace(result, messages=tuple(_messages(request, world, result)))


def _late(run: Run) -> timedelta:
    """Worth a word only when a person would wonder."""
    late = timetable.late(run)
    return late if late > LATE else timedelta(0)


def _told_today(world: World, run: Run) -> bool:
    """Whether people know already that this job fails: they are told once a day, until it has worked again."""
    if run.cause is Cause.MANUAL:
        return False
    for before in world.store.ledger().last(run.job, FAILURES_LOOKED_AT):
        if before.state is RunState.SUCCEEDED or world.now() - (before.finished_at or before.at) >= TOLD_FOR:
            return False
        if before.id != run.id and before.state is not RunState.CANCELLED and world.store.messages(run_id=before.id):
            return True
    return False


def _is_answer(coverage: Coverage, verdict: Verdict, least: float) -> bool:
    """Whether enough was seen to be believed; a job that expects no findings stands by its report's own verdict."""
    return coverage.share >= least if coverage.expected else verdict is not Verdict.NO_DATA


def _bare(request: Request, outcome: Outcome) -> Report:
    """A job that returns findings and no report still has one: a line a finding."""
    told = [f for f in outcome.findings if f.status is not Status.OK]
    lines = tuple(Prose(text=f"{f.environment}: {f.title} {f.resource}: {f.summary}") for f in told)
    section = Section(id="findings", title="Findings", status=worst(f.status for f in told),
                      blocks=lines or (Prose(text="Nothing to tell."),))  # fmt: skip
    return Report(title=request.name, period=request.window, sections=(section,))


def _messages(request: Request, world: World, result: Result) -> Iterator[Message]:
    for name in request.channels:
        yield from compose(
            result.report, result.about, world.channels[name], name, request.templates,
            now=world.now(), new_id=lambda: new_id(world.now()),
        )  # fmt: skip


def _artifacts(request: Request, result: Result) -> Iterator[Artifact]:
    run_id = result.run.id
    body = result.json(exit_code=result.exit_code(), paths=(), messages=result.messages, verbose=False)
    yield Artifact(run_id=run_id, format="json", body=body.encode())
    plain = text.render(result.report, result.about, colour=False)
    yield Artifact(run_id=run_id, format="text", body=plain.encode())
    page = with_templates(request.templates, lambda templates: html.render(result.report, result.about, templates))
    yield Artifact(run_id=run_id, format="html", body=page.encode())


class _Estimated(BaseException):
    """Carries the estimate out of a job, past any `except Exception` in it."""

    def __init__(self, estimate: Estimate) -> None:
        self.estimate = estimate


class _Priced:
    """A Cloud that looks and prices, and stops where the first metric would be asked."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def inventory(
        self, environments: Sequence[Environment], kinds: frozenset[str], custom: frozenset[CustomMetric], now: datetime
    ) -> Iterator[Inventory]:
        return self._cloud.inventory(environments, kinds, custom, now)

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        return self._cloud.estimate(asks)

    def read(self, asks: Sequence[Ask]) -> Iterator[tuple[Reading, ...]]:
        raise _Estimated(self._cloud.estimate(asks))

    def usage(self) -> Usage:
        return self._cloud.usage()
