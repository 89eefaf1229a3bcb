"""One run of one job: look, judge, render, then commit findings, messages and the run's end in one transaction.

A job only reads and returns. A crash before the commit has told nobody; after it nothing is lost, because telling is
the outbox's work. `--dry-run` is the same without the commit, `--estimate` stops where the first metric would be asked.
"""

from __future__ import annotations

from opsbot.runner.estimate import estimate
from opsbot.runner.execute import execute, tell_given_up
from opsbot.runner.keep import sweep
from opsbot.runner.request import Request, Result, by_hand, new_id

__all__ = ["Request", "Result", "by_hand", "estimate", "execute", "new_id", "sweep", "tell_given_up"]
