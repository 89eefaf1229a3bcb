"""`opsbot runbook approve|apply|rollback|replay|lint`: changing things, by two people and with a record of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.cli.runbook_stage import Stage
    from opsbot.model.runbook import RunbookRun, StepState
    from opsbot.runbooks.hand import Hand

_COLUMNS = 120
_FORMAT = click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.command("approve")
@click.argument("run", metavar="RUN")
@_FORMAT
@click.pass_obj
def approve_run(options: Options, run: str, format_: str) -> int:
    """Approve what a runbook planned, word for word as it is printed. Never one's own plan; the approval is good once, for
    minutes, and void as soon as anything has changed. Exit 3 if it is refused.

    \b
    Example:
      opsbot runbook approve R-12
    """
    from opsbot import app
    from opsbot.cli.runbook_lines import plan
    from opsbot.cli.runbook_stage import kept, stage
    from opsbot.cli.runbook_timeline import tidings
    from opsbot.runbooks import approving

    there = stage(options)
    found, actor = kept(there.store, run), app.actor()
    told = tidings(there.store, app.on_paper(there.config), actor)
    journal, audit = there.store.journal(), there.store.audit()
    approved = approving.approve(journal, audit, found, actor, app.now(), told)
    if format_ == "json":
        return _json(there, approved, 0)
    for line in plan(approved):
        click.echo(line)
    click.echo(f"\napproved; now, by anybody: opsbot runbook apply {approved.id}")
    return 0


@click.command("apply")
@click.argument("run", metavar="RUN")
@click.option(
    "--override-approval",
    "by_force",
    is_flag=True,
    help="Break-glass: without an approval, for a P0, if config allows it.",
)
@click.option("--reason", default="", metavar="TEXT", help="Why nobody could approve it; told to everybody.")
@_FORMAT
@click.pass_obj
def apply_run(options: Options, run: str, by_force: bool, reason: str, format_: str) -> int:
    """Carry out an approved plan: under a lock, each change once, and looked at until it has worked. A run that ended in
    the middle is looked at instead, and nothing is made again. Exit 3 if it was refused or did not work.

    With --override-approval nobody else has to approve it: for an incident of P0, where config.toml has
    `[runbooks] break_glass = true`. Every channel that was told of the incident is told of that, too.

    \b
    Examples:
      opsbot runbook apply R-12
      opsbot runbook apply R-12 --override-approval --reason "users are locked out, nobody else answers"
    """
    from opsbot.cli.runbook_stage import kept, page_of, stage
    from opsbot.model.runbook import RunState
    from opsbot.runbooks import applying

    if reason and not by_force:
        raise click.UsageError("--reason is for --override-approval; an approved plan needs none")
    there = stage(options)
    found = kept(there.store, run)
    found = _by_force(there, found, reason) if by_force else found
    with _hand(there, found, aside=format_ == "json") as hand:
        ended = applying.apply(hand, found, lambda: page_of(there.home, found))
    return _ended(there, ended, ended.state is RunState.APPLIED, format_)


def _by_force(there: Stage, run: RunbookRun, reason: str) -> RunbookRun:
    from opsbot import app
    from opsbot.cli.runbook_timeline import tidings
    from opsbot.runbooks import approving

    actor = app.actor()
    approved = approving.override(
        there.store.journal(), there.store.audit(), run, actor, app.now(), reason=reason,
        incident=there.store.incidents().incident(run.incident) if run.incident else None,
        allowed=there.config.break_glass, tidings=tidings(there.store, app.on_paper(there.config), actor),
    )  # fmt: skip
    click.echo(f"{run.id}: without an approval; everybody who was told of INC-{run.incident} is told of that", err=True)
    return approved


@click.command("rollback")
@click.argument("run", metavar="RUN")
@click.option("--yes", is_flag=True, help="Do it; without this it is only told.")
@_FORMAT
@click.pass_obj
def rollback_run(options: Options, run: str, yes: bool, format_: str) -> int:
    """Take back what a run did, the last change first, as its plan said. Refused where somebody has changed it since.
    Exit 3 if it could not be taken back.

    \b
    Examples:
      opsbot runbook rollback R-12
      opsbot runbook rollback R-12 --yes
    """
    from opsbot.cli.runbook_lines import way_back
    from opsbot.cli.runbook_stage import kept, stage
    from opsbot.model.runbook import RunState
    from opsbot.runbooks import undoing

    there = stage(options)
    found = kept(there.store, run)
    if not yes:
        lines, possible = way_back(found, there.store.journal().changes(found.number))
        if format_ == "json":
            return _json(there, found, 0 if possible else 3)
        click.echo("\n".join(lines))
        return 0 if possible else 3
    with _hand(there, found, aside=format_ == "json") as hand:
        ended = undoing.rollback(hand, found)
    return _ended(there, ended, ended.state is RunState.ROLLED_BACK, format_)


@click.command("replay")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def replay_run(options: Options, run: str | None, format_: str) -> int:
    """Print a run again as it was: needs nothing but the store. Without RUN, list the newest.

    \b
    Examples:
      opsbot runbook replay
      opsbot runbook replay R-12 --format json
    """
    from opsbot.cli.runbook_lines import as_json, runs_json, whole
    from opsbot.cli.runbook_stage import kept, stage
    from opsbot.cli.show import colour
    from opsbot.render.format import clean, utc

    there = stage(options)
    if run is None:
        found_all = there.store.journal().runs()
        if format_ == "json":
            click.echo(json.dumps(runs_json(found_all), indent=1, ensure_ascii=False))
            return 0
        for one in found_all:
            click.echo(
                f"{one.id:<7} {utc(one.at)}  {one.state:<11} {one.environment}  {one.runbook}  {clean(one.actor.short)}"
            )
        if not found_all:
            click.echo("no runbook was run yet; see: opsbot runbook list", err=True)
        return 0
    found = kept(there.store, run)
    changes = there.store.journal().changes(found.number)
    if format_ == "json":
        click.echo(json.dumps(as_json(found, 0, changes), indent=1, ensure_ascii=False))
        return 0
    painted = colour(options, to_file=False)
    columns = max(min(shutil.get_terminal_size().columns, 140), 80)
    for line in whole(found, changes, columns, colour=painted):
        click.echo(line, color=painted)
    return 0


@click.command("lint")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_FORMAT
@click.pass_obj
def lint_runbooks(options: Options, names: tuple[str, ...], format_: str) -> int:
    """Tell all that is wrong with runbooks: exit 2. What is only doubtful, such as one that nobody has read through for
    half a year, is told too.

    \b
    Examples:
      opsbot runbook lint
      opsbot runbook lint high-error-rate
    """
    from opsbot import app
    from opsbot.cli.runbook import home_of
    from opsbot.cli.runbook_stage import draft
    from opsbot.runbooks import lint

    place = home_of(options)
    chosen = names or tuple(file.name for file in place.runbooks())
    drafts = [draft(place, name) for name in chosen]
    problems = [str(problem) for one in drafts for problem in one.problems]
    doubts = [str(doubt) for one in drafts for doubt in lint.stale(one, app.now().date())]
    wrong = len(problems)
    if format_ == "json":
        shown = {"schema": "opsbot.runbook-lint/1", "runbooks": len(drafts), "wrong": problems, "doubtful": doubts}
        click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return 2 if wrong else 0
    for told in [*(f"wrong     {one}" for one in problems), *(f"doubtful  {one}" for one in doubts)]:
        click.echo(told)
    click.echo(f"{len(drafts)} runbooks, {sum(len(one.steps) for one in drafts)} steps, {wrong} wrong", err=True)
    return 2 if wrong else 0


@contextmanager
def _hand(there: Stage, run: RunbookRun, *, aside: bool) -> Iterator[Hand]:
    """Whatever ends it in the middle, the next command need not wait, and is told. `aside`: what is done meanwhile goes to
    stderr, because stdout is one object."""
    from functools import partial
    from time import sleep

    from opsbot import app
    from opsbot.cli.runbook_stage import hand

    try:
        with _ended_by_signals(), hand(there, run, app.actor(), sleep, partial(_say, err=aside)) as made:
            yield made
    except (KeyboardInterrupt, SystemExit):
        click.echo("\nstopped in the middle; this looks what came of it, and makes nothing twice:", err=True)
        click.echo(f"  opsbot runbook apply {run.id}", err=True)
        raise


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM, and a terminal that was closed, end it as Ctrl-C does; with their own exit codes."""
    import signal
    import sys

    ends = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda number, _: sys.exit(128 + number)) for number in ends]
    try:
        yield
    finally:
        for number, handler in zip(ends, before, strict=True):
            signal.signal(number, handler)


def _say(line: str, state: StepState | None, *, err: bool) -> None:
    from opsbot.model.runbook import StepState
    from opsbot.render.format import clean

    mark = "…" if state is None else "✓" if state is StepState.DONE else "✗"
    click.echo(f"  {mark} {clean(line)}", err=err)


def _json(there: Stage, run: RunbookRun, code: int) -> int:
    from opsbot.cli.runbook_lines import as_json

    shown = as_json(run, code, there.store.journal().changes(run.number))
    click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
    return code


def _ended(there: Stage, run: RunbookRun, well: bool, format_: str) -> int:
    from opsbot.cli.runbook_lines import next_step
    from opsbot.render.format import clean

    if format_ == "json":
        return _json(there, run, 0 if well else 3)
    click.echo(f"{run.id} {run.state}" + (f": {clean(run.why)}" if run.why else ""))
    for line in next_step(run, there.store.journal().changes(run.number)):
        click.echo(line, err=not well)
    return 0 if well else 3
