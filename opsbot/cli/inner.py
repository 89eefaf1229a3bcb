"""What the daemon starts as processes of their own: reading the home, and the metric that proves it alive."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import click

from opsbot.cli import Options


@click.command(hidden=True)
@click.pass_obj
def orders(options: Options) -> int:
    """Read the home and print what the daemon must know of it, as one line of JSON.

    \b
    Example:
      opsbot --home ~/ops _orders
    """
    # Job files are run to be read, and may print: the last line of stdout is the answer.
    with contextlib.redirect_stdout(sys.stderr):
        from opsbot import app, home
        from opsbot.daemon.draw_up import draw_up
        from opsbot.daemon.orders import write

        found = home.find(options.home_option, os.environ, Path.cwd())
        told = write(draw_up(found, app.now(), app.secret))
    click.echo(told)
    return 0


@click.command(hidden=True)
@click.argument("metric")
def alive(metric: str) -> int:
    """Put a 1 to a CloudWatch metric, named as NAMESPACE/NAME.

    \b
    Example:
      opsbot _alive Opsbot/Alive
    """
    from opsbot.aws.alive import put

    put(metric)
    return 0
