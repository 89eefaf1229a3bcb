"""`opsbot _send`: what the daemon starts when something is due; works off the outbox and ends when it is idle."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.outbox import Sender


@click.command(hidden=True)
@click.pass_obj
def send(options: Options) -> int:
    """Work off the outbox until nothing has come due for a minute.

    \b
    Example:
      opsbot --home ~/ops _send
    """
    from opsbot import app, home, log
    from opsbot.outbox import Sender

    log.configure(options.log_format, verbose=options.verbose)
    store, channels = app.reach(home.find(options.home_option, os.environ, Path.cwd()))
    sender = Sender(store, channels, now=app.now)
    _heed_signals(sender)
    sender.run()
    return 0


def _heed_signals(sender: Sender) -> None:
    """The first drains, the second ends at once; what is not through then stays queued either way."""
    asked = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            sender.stop()
        else:
            sender.stop(timedelta(0))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
