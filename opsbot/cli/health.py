"""`opsbot health`: for a container's HEALTHCHECK, so it imports next to nothing and asks nobody."""

from __future__ import annotations

import os
from pathlib import Path

import click

from opsbot.cli import Options


@click.command(short_help="Say whether the daemon here is well.")
@click.pass_obj
def health(options: Options) -> int:
    """Say whether the daemon of this home is well: it lives, all its loops go, and it takes runs.

    Reads the file in which the daemon leaves its heartbeat; the network is not asked.

    \b
    Examples:
      opsbot health
      opsbot --home ~/ops health && echo well
    \b
    Exit codes: 0 well; 3 not well, or no daemon.
    """
    from opsbot.daemon import heartbeat

    state = _state(options)
    try:
        told = heartbeat.read(state)
    except (OSError, ValueError, KeyError, TypeError):
        click.echo(f"no daemon: {state / heartbeat.FILE} is not there; start one with: opsbot serve", err=True)
        return 3
    why = _why_not(told["age"], bool(told.get("alive")), bool(told.get("ready")), bool(told.get("draining")))
    for trouble in told.get("troubles", ()):
        click.echo(f"trouble: {trouble}", err=True)
    click.echo(f"{told.get('worker', 'the daemon')} {why or 'is well'}", err=bool(why))
    return 3 if why else 0


def _why_not(age: float, alive: bool, ready: bool, draining: bool) -> str:
    from opsbot.daemon import heartbeat

    if not 0 <= age <= heartbeat.FRESH:
        return "stands still or is gone: no heartbeat for " + (
            f"{age:.0f} s" if age >= 0 else "as long as this machine is up"
        )
    if not alive:
        return "hangs: one of its loops does not come round"
    if draining:
        return "is stopping"
    return "" if ready else "takes no runs; its log and its page say why"


def _state(options: Options) -> Path:
    """As `opsbot.home` finds it, without reading the home: this must be quick, and right when the home is not."""
    if named := os.environ.get("OPSBOT_STATE"):
        return Path(named).absolute()
    home = options.home_option or Path(os.environ.get("OPSBOT_HOME") or ".")
    return home.expanduser().absolute()
