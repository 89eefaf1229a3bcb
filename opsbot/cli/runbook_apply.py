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
    from opsbot.runbooks.applying import Hand

_COLUMNS = 120


@click.command("approve")
@click.argument("run", metavar="RUN")
@click.pass_obj
def approve_run(options: Options, run: str) -> int:
    """Approve what a runbook planned, word for word as it is printed. Never one's own plan; the approval is good once, for
    minutes, and void as soon as anything has changed. Exit 3 if it is refused.

    \b
    Example:
      opsbot runbook approve R-12
    """
    from opsbot import app
    from opsbot.cli.runbook_lines import plan
    from opsbot.cli.runbook_stage import kept, stage
    from opsbot.runbooks import approving

    there = stage(options)
    found = kept(there.store, run)
    approved = approving.approve(there.store.journal(), there.store.audit(), found, app.actor(), app.now())
    for line in plan(approved):
        click.echo(line)
    _tell(there, approved, f"{approved.id} was approved")
    click.echo(f"\nnow: opsbot runbook apply {approved.id}")
    return 0


@click.command("apply")
@click.argument("run", metavar="RUN")
@click.pass_obj
def apply_run(options: Options, run: str) -> int:
    """Carry out an approved plan: under a lock, each change once, and looked at until it has worked. A run that ended in
    the middle is looked at instead, and nothing is made again. Exit 3 if it was refused or did not work.

    \b
    Example:
      opsbot runbook apply R-12
    """
    from opsbot.cli.runbook_stage import book, kept, stage
    from opsbot.model.runbook import RunState
    from opsbot.runbooks import applying

    there = stage(options)
    found = kept(there.store, run)
    with _hand(there, found) as hand:
        ended = applying.apply(hand, found, book(there.home, found.runbook))
    return _ended(there, ended, ended.state is RunState.APPLIED)


@click.command("rollback")
@click.argument("run", metavar="RUN")
@click.option("--yes", is_flag=True, help="Do it; without this it is only told.")
@click.pass_obj
def rollback_run(options: Options, run: str, yes: bool) -> int:
    """Take back what a run did, the last change first, as its plan said. Refused where somebody has changed it since.
    Exit 3 if it could not be taken back.

    \b
    Examples:
      opsbot runbook rollback R-12
      opsbot runbook rollback R-12 --yes
    """
    from opsbot.cli.runbook_stage import kept, stage
    from opsbot.model.runbook import RunState
    from opsbot.runbooks import applying

    there = stage(options)
    found = kept(there.store, run)
    if not yes:
        for write in reversed(found.writes):
            click.echo(f"{write.step}: {write.undo_says or 'cannot be taken back'}")
        click.echo(f"\nnothing was changed; do it with: opsbot runbook rollback {found.id} --yes")
        return 0
    with _hand(there, found) as hand:
        ended = applying.rollback(hand, found)
    return _ended(there, ended, ended.state is RunState.ROLLED_BACK)


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
    from opsbot.cli.runbook_lines import as_json, whole
    from opsbot.cli.runbook_stage import kept, stage
    from opsbot.cli.show import colour
    from opsbot.render.format import clean, utc

    there = stage(options)
    if run is None:
        for one in there.store.journal().runs():
            click.echo(
                f"{one.id:<7} {utc(one.at)}  {one.state:<11} {one.environment}  {one.runbook}  {clean(one.actor.short)}"
            )
        return 0
    found = kept(there.store, run)
    if format_ == "json":
        click.echo(json.dumps(as_json(found, 0), indent=1, ensure_ascii=False))
        return 0
    painted = colour(options, to_file=False)
    columns = max(min(shutil.get_terminal_size().columns, 140), 80)
    for line in whole(found, there.store.journal().changes(found.number), columns, colour=painted):
        click.echo(line, color=painted)
    return 0


@click.command("lint")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.pass_obj
def lint_runbooks(options: Options, names: tuple[str, ...]) -> int:
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
    for one in drafts:
        for problem in one.problems:
            click.echo(f"wrong     {problem}")
        for doubt in lint.stale(one, app.now().date()):
            click.echo(f"doubtful  {doubt}")
    wrong = sum(len(one.problems) for one in drafts)
    click.echo(f"{len(drafts)} runbooks, {sum(len(one.steps) for one in drafts)} steps, {wrong} wrong", err=True)
    return 2 if wrong else 0


@contextmanager
def _hand(there: Stage, run: RunbookRun) -> Iterator[Hand]:
    from time import sleep

    from opsbot import app
    from opsbot.aws.inspecting import Hands
    from opsbot.runbooks.applying import Hand

    environment = there.environment(run.environment)
    with there.bench(environment, run.region, app.now()) as bench:
        yield Hand(
            journal=there.store.journal(), audit=there.store.audit(), actuator=Hands(app.secret), bench=bench,
            actor=app.actor(), now=app.now, pause=sleep, tell=_say,
        )  # fmt: skip


def _say(line: str, state: StepState | None) -> None:
    from opsbot.model.runbook import StepState
    from opsbot.render.format import clean

    mark = "…" if state is None else "✗" if state in (StepState.FAILED, StepState.UNKNOWN) else "✓"
    click.echo(f"  {mark} {clean(line)}")


def _ended(there: Stage, run: RunbookRun, well: bool) -> int:
    from opsbot.render.format import clean

    why = f": {clean(run.why)}" if run.why else ""
    click.echo(f"{run.id} {run.state}{why}")
    _tell(there, run, f"{run.id} {run.state}{why}")
    if not well:
        click.echo(f"take back what was done with: opsbot runbook rollback {run.id} --yes", err=True)
    return 0 if well else 3


def _tell(there: Stage, run: RunbookRun, said: str) -> None:
    from opsbot import app
    from opsbot.cli.runbook_timeline import add
    from opsbot.model.incident import EntryKind

    changes = [
        f"{step}: {state}" + (f": {why}" if why else "")
        for step, state, why in there.store.journal().changes(run.number)
    ]
    add(there.store, run, EntryKind.CHANGE, said, changes, app.actor(), app.now())
