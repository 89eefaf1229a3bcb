"""`opsbot runs`: what ran, how it ended, what it took, and what it printed; ending one that is at work."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.app import App
    from opsbot.model.run import Run
    from opsbot.ports import Store

STATES = ("queued", "running", "succeeded", "failed", "timed_out", "lost", "cancelled", "skipped")
_LOOKED_THROUGH = 10_000


@click.group(short_help="List and show runs: state, duration, calls, cost, log.")
def runs() -> None:
    """Every run there was or will be: on its schedule, made up for, or by hand; skipped ones with the reason."""


@runs.command("list")
@click.option("--job", metavar="NAME", help="Only this job's.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only in this state; may repeat.")
@click.option("--since", metavar="TIME", help="Only those queued since: ISO 8601, or -24h, -7d.")
@click.option("--limit", type=click.IntRange(1, _LOOKED_THROUGH), default=20, show_default=True)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def list_runs(
    options: Options, job: str | None, states: tuple[str, ...], since: str | None, limit: int, format_: str
) -> None:
    """The newest runs first.

    \b
    Examples:
      opsbot runs list --job daily_health --since -7d
      opsbot runs list --state failed --state lost --format json
    """
    from opsbot.cli.run_lines import line, plain

    house = _house(options)
    store = house.store()
    found = list(islice(_matching(house, store, job, states, since), limit))
    if format_ == "json":
        shown = {"schema": "opsbot.runs/1", "runs": [plain(run) for run in found]}
        return click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
    for run in found:
        click.echo(line(run, house.config.timezone, house.now()))
    if not found:
        click.echo("no such run; opsbot serve makes them, or: opsbot run daily_health", err=True)
    return None


def _matching(house: App, store: Store, job: str | None, states: Sequence[str], since: str | None) -> Iterator[Run]:
    from opsbot.cli.moment import moment

    start = moment(since, now=house.now(), zone=house.config.timezone, option="--since") if since else None
    for run in store.runs(job=job.replace("-", "_") if job else None, limit=_LOOKED_THROUGH):
        if start and run.queued_at < start:
            return
        if not states or run.state in states:
            yield run


@runs.command("show")
@click.argument("run_id", metavar="RUN")
@click.option("--lines", type=click.IntRange(0, 10_000), default=10, show_default=True, help="So many of its log.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def show_run(options: Options, run_id: str, lines: int, format_: str) -> None:
    """One run: attempts, findings, AWS calls and cost, deliveries, the end of its log. RUN is its id, an unambiguous
    beginning of it, or "last".

    \b
    Examples:
      opsbot runs show last
      opsbot runs show 01K9ZJ --format json
    """
    from opsbot.cli.run_lines import told, whole

    house = _house(options)
    store = house.store()
    run = find(store, run_id)
    log = list(_log(house, run, None, lines))
    if format_ == "json":
        return click.echo(json.dumps(whole(store, run, log), indent=1, ensure_ascii=False))
    for row in told(store, run, house.config.timezone, house.now(), log):
        click.echo(row)
    return None


@runs.command("log")
@click.argument("run_id", metavar="RUN")
@click.option("--attempt", type=click.IntRange(1), help="Of this attempt; without it the last.")
@click.option("--tail", type=click.IntRange(1), help="Only the last lines.")
@click.pass_obj
def show_log(options: Options, run_id: str, attempt: int | None, tail: int | None) -> None:
    """What a run printed and logged, as far as it is. Logs are kept for 30 days, on the machine that ran it.

    \b
    Example:
      opsbot runs log last --tail 50
    """
    house = _house(options)
    run = find(house.store(), run_id)
    found = False
    for row in _log(house, run, attempt, tail):
        found = True
        click.echo(row)
    if not found:
        click.echo(f"no log of the run {run.id} here: {_why_no_log(run)}", err=True)


def _why_no_log(run: Run) -> str:
    if run.started_at is None:
        return "it has not begun"
    return "runs by hand print to their terminal, and logs are kept for 30 days where the run was"


@runs.command("cancel")
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="", metavar="TEXT", help="Kept with the run.")
@click.pass_obj
def cancel_run(options: Options, run_id: str, reason: str) -> int:
    """End a run that is queued or at work. One at work hears of it within ten seconds.

    \b
    Example:
      opsbot runs cancel 01K9ZJ --reason "wrong account"
    """
    house = _house(options)
    store = house.store()
    run = find(store, run_id)
    why = f"cancelled by {getpass.getuser()}" + (f": {reason}" if reason else "")
    state = store.ledger().cancel(run.id, why, house.now())
    if state is None or state.ended:
        raise click.UsageError(f"the run {run.id} has ended already: {state or 'gone'}")
    ends = "is cancelled" if state == "queued" else "is told to end"
    click.echo(f"{run.id} {ends}")
    return 0


def find(store: Store, run_id: str) -> Run:
    """By id, a beginning of it, or "last", which is the last one that began."""
    if run_id == "last":
        begun = (run for run in store.runs(limit=_LOOKED_THROUGH) if run.started_at is not None)
        run = next(begun, None)
    else:
        run = store.run(run_id.upper())
    if run is None:
        raise click.UsageError(f'there is no run "{run_id}"; see: opsbot runs list')
    return run


def _log(house: App, run: Run, attempt: int | None, last: int | None) -> Iterator[str]:
    """Cleaned: what a job printed may hold anything, and a terminal obeys."""
    from opsbot.executors import runlog
    from opsbot.render.format import clean

    if last == 0:
        return
    name = runlog.name(run.job, run.id, attempt or run.attempt)
    for row in runlog.lines(house.logs / name, last):
        yield row[: len(row) - len(row.lstrip(" "))] + clean(row)


def _house(options: Options) -> App:
    from opsbot import app

    return app.load_for_run(options.home_option, log_format=options.log_format, verbose=options.verbose)
