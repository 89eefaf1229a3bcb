"""`opsbot _exec RUN_ID ATTEMPT`: one run of the ledger to its end, in a process of its own.

Its exit code says what the code of `opsbot.executors.child` means; its stdout and stderr are the run's log.
"""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options
from opsbot.executors import child

if TYPE_CHECKING:
    from opsbot.app import App
    from opsbot.model.run import Run, RunState
    from opsbot.ports import Store

# Behind the supervisor's own deadline and its grace.
SPARE_SECONDS = 20.0
GIVEN_UP = ("failed", "timed_out", "lost")

log = logging.getLogger(__name__)


@click.command(hidden=True)
@click.argument("run_id")
@click.argument("attempt", type=int)
@click.option("--given-up", type=click.Choice(GIVEN_UP), help="Do not run it: tell that it ended so.")
@click.option("--why", default="", help="The reason, in words.")
@click.pass_obj
def execute(options: Options, run_id: str, attempt: int, given_up: str | None, why: str) -> int:
    """Run a run that was claimed, or tell that one was given up.

    \b
    Example:
      opsbot _exec 01K9ZJ4Q6M8V3T5R7W9XABCDEF 1
    """
    from opsbot.cli.run import give_memory_back
    from opsbot.errors import Fenced, OpsbotError

    child.tell(committed="")
    child.watch_the_clock(SPARE_SECONDS)
    give_memory_back()
    # As in `opsbot run`: a short process with hardly a ring among millions of values.
    gc.disable()
    try:
        _take(options, run_id, attempt, given_up, why)
    except Fenced as error:
        return _ended(child.FENCED, "run is somebody else's", run_id, error)
    except OpsbotError as error:
        return _ended(child.FAILED, "run failed", run_id, error)
    child.tell(committed="yes")
    return child.COMMITTED


def _ended(code: int, event: str, run_id: str, error: Exception) -> int:
    from opsbot.errors import JobError, OpsbotError

    said = error.message if isinstance(error, OpsbotError) else str(error)
    hint = error.hint if isinstance(error, OpsbotError) else ""
    child.tell(error=f"{said}; {hint}" if hint else said)
    log.error(event, extra={"run": run_id, "error": (error.trace if isinstance(error, JobError) else "") or said})
    return code


def _take(options: Options, run_id: str, attempt: int, given_up: str | None, why: str) -> None:
    import structlog

    from opsbot import app
    from opsbot.model.run import RunState

    structlog.contextvars.bind_contextvars(run=run_id, attempt=attempt)
    house = app.load_for_run(options.home_option, log_format=options.log_format, verbose=options.verbose)
    logging.getLogger("opsbot").setLevel(logging.DEBUG if options.verbose else logging.INFO)
    run = _claimed(house.store(), run_id, attempt)
    if given_up is None:
        _run(house, run)
    else:
        _tell(house, run, RunState(given_up), why)


def _claimed(store: Store, run_id: str, attempt: int) -> Run:
    from opsbot.errors import Fenced
    from opsbot.model.run import RunState

    run = store.run(run_id)
    if run is None or run.id != run_id:
        raise Fenced(f"run {run_id}: the ledger does not know it")
    if run.state is not RunState.RUNNING or run.attempt != attempt:
        raise Fenced(f"run {run_id}: expected it running at attempt {attempt}, found it {run.state} at {run.attempt}")
    return run


def _run(house: App, run: Run) -> None:
    from opsbot import app, runner

    request = house.request_for(run)
    with app.world(house, channels=request.channels, beside=house.channel_names, sending=False) as world:
        runner.execute(request, world, run=run, again=_another_try(house, run))


def _another_try(house: App, run: Run) -> bool:
    """Whether a failure is tried again: the same rule by which the daemon decides once this process has ended."""
    from dataclasses import replace

    from opsbot import app
    from opsbot.model.run import RunState
    from opsbot.timetable import why_given_up

    timetable = house.timetable(run.job)
    return timetable is not None and not why_given_up(timetable, replace(run, state=RunState.FAILED), app.now())


def _tell(house: App, run: Run, state: RunState, why: str) -> None:
    from opsbot import app, runner

    request = house.request_without_job(run)
    with app.world(house, channels=request.channels, beside=house.channel_names, sending=False) as world:
        runner.tell_given_up(request, world, run, state, why)
