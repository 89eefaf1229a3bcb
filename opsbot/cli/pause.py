"""`opsbot pause` and `opsbot resume`: a job stays off its schedule for a while; by hand it always runs."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.app import App

# As far as a store can say "until somebody resumes it".
FOR_GOOD = datetime(9999, 1, 1, tzinfo=UTC)


@click.command(short_help="Keep a job from running on its schedule for a while.")
@click.argument("job", metavar="JOB")
@click.option("--until", metavar="TIME", help="When it runs again by itself: ISO 8601, or +2h, +3d. Default: never.")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown wherever a run was skipped for it.")
@click.pass_obj
def pause(options: Options, job: str, until: str | None, reason: str) -> int:
    """Keep JOB from running on its schedule. Its fires are recorded as skipped, and are not made up for.

    \b
    Examples:
      opsbot pause daily_health --until +2h --reason "migration"
      opsbot pause cost_anomalies --until 2026-12-27T08:00 --reason "year-end"
      opsbot resume daily_health
    """
    from opsbot import app

    place = app.load_for_run(options.home_option, log_format=options.log_format, verbose=options.verbose)
    name, now = _job(place, job), app.now()
    end = _end(until, now, place.config.timezone)
    place.store().ledger().pause(name, end, _who(), reason, now, app.actor())
    shown = f"until {_shown(end, place.config.timezone)}" if end < FOR_GOOD else f"until: opsbot resume {name}"
    click.echo(f"{name} is paused {shown}")
    return 0


@click.command(short_help="Let a paused job run on its schedule again.")
@click.argument("job", metavar="JOB")
@click.pass_obj
def resume(options: Options, job: str) -> int:
    """Let JOB run on its schedule again, from its next fire on.

    \b
    Examples:
      opsbot resume daily_health
    """
    from opsbot import app

    place = app.load_for_run(options.home_option, log_format=options.log_format, verbose=options.verbose)
    name, now = _job(place, job), app.now()
    ledger = place.store().ledger()
    known = ledger.clockworks().get(name)
    if known is None or known.paused_until is None or known.paused_until <= now:
        click.echo(f"{name} is not paused")
        return 0
    ledger.pause(name, None, _who(), "", now, app.actor())
    click.echo(f"{name} runs on its schedule again")
    return 0


def _job(place: App, text: str) -> str:
    from opsbot.config.problems import nearest

    name = text.replace("-", "_")
    if name not in place.job_names:
        raise click.UsageError(f'there is no job "{text}"{nearest(name, place.job_names)}')
    return name


def _end(text: str | None, now: datetime, zone: str) -> datetime:
    from opsbot.cli.moment import moment
    from opsbot.model.period import parse_duration

    if text is None:
        return FOR_GOOD
    if text.startswith("+"):
        try:
            return now + parse_duration(text[1:])
        except (ValueError, OverflowError):
            raise click.UsageError(f"--until: expected a duration such as +2h or +3d, got {text!r}") from None
    end = moment(text, now=now, zone=zone, option="--until")
    if end <= now:
        raise click.UsageError(f"--until: expected a time to come, got {_shown(end, zone)}")
    return end


def _shown(moment: datetime, zone: str) -> str:
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M %Z")


def _who() -> str:
    """Whoever is at the keyboard, as far as the system knows; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
