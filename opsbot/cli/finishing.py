"""`opsbot _finish`: what the daemon starts when a run of a runbook ended in the middle, or a change was for a time that is
over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.cli.runbook_stage import Stage
    from opsbot.model.runbook import Begun, RunbookRun, StepState
    from opsbot.runbooks.hand import Hand

log = logging.getLogger(__name__)

_LATER = timedelta(minutes=1)


@click.command(hidden=True)
@click.pass_obj
def finish(options: Options) -> int:
    """Look what came of runs that ended in the middle, and take back what was for a time. Nothing else is changed.

    \b
    Example:
      opsbot --home ~/ops _finish
    """
    from opsbot import app
    from opsbot.cli.runbook_stage import stage
    from opsbot.daemon.changes import PATIENCE
    from opsbot.runbooks import finishing

    there = stage(options)
    journal = there.store.journal()
    try:
        for run in journal.stranded(app.now() - PATIENCE):
            _attempt(there, run, lambda hand, run=run: finishing.finish(hand, run))  # type: ignore[misc]
        for run, begun in journal.due(app.now()):
            _expire(there, run, begun)
    finally:
        there.store.close()
    return 0


def _expire(there: Stage, run: RunbookRun, begun: Begun) -> None:
    from opsbot import app
    from opsbot.runbooks import undoing

    if not _attempt(there, run, lambda hand: undoing.expire(hand, run, begun)):
        journal = there.store.journal()
        if any(one.step == begun.step and one.back_at == begun.back_at for one in journal.changes(run.number)):
            journal.put_off(run.number, begun.step, app.now() + _LATER)


def _attempt(there: Stage, run: RunbookRun, do: Callable[[Hand], object]) -> bool:
    """One that fails keeps no other from its turn; it is tried again."""
    from opsbot.errors import OpsbotError

    try:
        with _hand(there, run) as hand:
            return bool(do(hand))
    except (OpsbotError, click.UsageError) as error:
        log.warning("runbook run not finished", extra={"run": run.id, "why": error.message})
    return False


def _hand(there: Stage, run: RunbookRun) -> AbstractContextManager[Hand]:
    from opsbot.cli.runbook_stage import hand
    from opsbot.incidents import OPSBOT

    def tell(line: str, state: StepState | None) -> None:
        log.info("runbook run", extra={"run": run.id, "said": line})

    return hand(there, run, OPSBOT, time.sleep, tell)
