"""One run of one job: look, judge, render, then commit findings, messages and the run's end in one transaction."""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import replace
from datetime import timedelta

from opsbot import __version__, timetable
from opsbot.errors import CloudError, JobError
from opsbot.job import Outcome
from opsbot.model.finding import Coverage, Finding
from opsbot.model.report import About, Prose, Report, Section
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.status import Status, Verdict, worst
from opsbot.model.units import Unit
from opsbot.model.uptime import Flip
from opsbot.ports import Progress, World, quiet
from opsbot.render import headline
from opsbot.runner.keep import cards, keep, messages
from opsbot.runner.request import Request, Result, by_hand, context_of
from opsbot.secrets import redact

log = logging.getLogger(__name__)

# Less than a day, so that a job that runs daily at seven and fails is told of daily at seven.
TOLD_FOR = timedelta(hours=20)
FAILURES_LOOKED_AT = 100
LATE = timedelta(minutes=5)


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
        keep(request, world, result, outcome)
        if world.uptime and outcome.flips:
            # After the commit: what is told twice is better than what is never told.
            world.uptime.told(outcome.flips)
        if world.trends and outcome.forecasts:
            world.trends.note(outcome.forecasts)
    _log_end(result)
    return result


def tell_given_up(request: Request, world: World, run: Run, state: RunState, why: str) -> Result:
    """End a run that will never answer as `state`, with a finding and messages: down the path that every answer takes.

    `run` is RUNNING in the ledger, whoever has it; raises Fenced if it is not any more.
    """
    outcome = _failed(request, why)
    result = _finish(request, world, replace(run, reason=why), outcome, run.error or why, 0.0, state)
    keep(request, world, result, outcome)
    _log_end(result)
    return result


def _log_end(result: Result) -> None:
    run, about = result.run, result.about
    fields: dict[str, object] = {"run": run.id, "job": run.job, "state": str(run.state), "verdict": run.verdict}
    fields |= {"seconds": round(about.seconds, 1), "findings": len(result.findings), "usd": round(run.usage.usd, 6)}
    log.info("run finished", extra=fields)
    if run.error:
        log.error("run failed", extra={"run": run.id, "job": run.job, "error": run.error})


def _run(
    request: Request, world: World, dry_run: bool, progress: Progress, flips: tuple[Flip, ...]
) -> tuple[Outcome, JobError | None]:
    known = {} if dry_run else world.store.history().statuses(request.name)
    context = context_of(request, world, world.cloud, known, progress, flips)
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
    told = tuple(messages(request, world, result, outcome))
    return replace(result, messages=told, cards=tuple(cards(request, world, result)))


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
