"""`opsbot reports`: what was said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.app import App
    from opsbot.model.run import Run
    from opsbot.ports import Store


def _house(options: Options) -> App:
    from opsbot import app

    return app.load(options.home_option, log_format=options.log_format, verbose=options.verbose)


@click.group(short_help="List and show the reports kept in the archive.")
def reports() -> None:
    """The archive: every report that a run made, as it was shown."""


@reports.command("list")
@click.option("--job", metavar="NAME", help="Only this job's.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.pass_obj
def list_reports(options: Options, job: str | None, limit: int) -> None:
    """The newest reports first.

    \b
    Example:
      opsbot reports list --job daily_health
    """
    house = _house(options)
    runs = house.store().runs(job=job, limit=limit)
    if not runs:
        click.echo("no report yet; make one with: opsbot run daily_health", err=True)
    for run in runs:
        click.echo(_line(run, house.config.timezone))


def _line(run: Run, zone: str) -> str:
    from opsbot.render.format import clean, moment

    return f"{run.id}  {moment(run.at, zone)}  {run.job:<16} {run.verdict or run.state:<10} {clean(run.headline)}"


@reports.command("show")
@click.argument("run_id", metavar="RUN")
@click.option("--format", "format_", type=click.Choice(["text", "html", "json"]), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@click.pass_obj
def show_report(options: Options, run_id: str, format_: str, output: Path | None) -> None:
    """The report of one run, as it was made. RUN is its id, an unambiguous beginning of it, or "last".

    \b
    Example:
      opsbot reports show last --format html --output report.html
    """
    from opsbot.cli.show import put

    store = _house(options).store()
    run = _find(store, run_id)
    body = next((artifact.body for artifact in store.artifacts(run.id) if artifact.format == format_), None)
    if body is None:
        raise click.UsageError(f"the run {run.id} has no report as {format_}")
    put(body.decode(), output)


def _find(store: Store, run_id: str) -> Run:
    run = next(iter(store.runs(limit=1)), None) if run_id == "last" else store.run(run_id.upper())
    if run is None:
        raise click.UsageError(f'there is no run "{run_id}"; see: opsbot reports list')
    return run
