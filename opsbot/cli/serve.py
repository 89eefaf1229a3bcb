"""`opsbot serve`: be the daemon."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.daemon.learn import Lesson
    from opsbot.home import Home


@click.command(short_help="Be the daemon: scheduler, runs, delivery, web.")
@click.pass_obj
def serve(options: Options) -> int:
    """Run every job on its schedule, deliver what they say, and show how it stands on a web page, until told to stop.

    SIGTERM or Ctrl-C: no new run begins, those at work may finish (daemon.drain), a second one stops at once. SIGHUP
    reads the configuration again, as does saving it. SIGUSR1 writes to the log what runs and where it stands.

    \b
    Examples:
      opsbot serve
      opsbot --home /etc/opsbot --log-format json serve
    \b
    Exit codes: 0 stopped as told; 2 the configuration is wrong; 3 it cannot begin, such as without its database;
    70 it found itself hanging and ended, so that whoever watches it starts it again.
    """
    from concurrent.futures import ThreadPoolExecutor

    from opsbot import home, log
    from opsbot.daemon.learn import learn

    place = home.find(options.home_option, os.environ, Path.cwd())
    with ThreadPoolExecutor(1) as pool:
        # A child reads the home while this process imports what it will need.
        lesson = pool.submit(learn, place)
        log.configure(options.log_format, verbose=options.verbose)
        logging.getLogger("opsbot").setLevel(logging.DEBUG if options.verbose else logging.INFO)
        from opsbot.cli.run import give_memory_back
        from opsbot.daemon.serve import serve as be_the_daemon

    give_memory_back()
    if code := _refused(lesson.result(), place):
        return code
    silent = options.log_format == "json"
    told = lambda line: None if silent else click.echo(line, err=True)  # noqa: E731
    return be_the_daemon(place, lesson.result(), told, options.log_format)


def _refused(lesson: Lesson, place: Home) -> int:
    """Every problem of the configuration; 2 if there is any."""
    problems = lesson.orders.problems
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        noun = "problem" if len(problems) == 1 else "problems"
        click.echo(f"{len(problems)} {noun} in {place.path}; nothing was started", err=True)
    return 2 if problems else 0
