"""`opsbot _probe`: the process that asks the targets; the daemon keeps one alive and talks to it through pipes."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

import click

from opsbot.cli import Options


@click.command(hidden=True)
@click.pass_obj
def probing(options: Options) -> int:
    """Probe what comes as a line of JSON on stdin, and say each second on stdout what was found.

    \b
    Example:
      cat orders.json - | opsbot _probe
    """
    import gc
    import os
    import signal
    import stat
    from types import FrameType

    from opsbot.prober.child import Prober
    from opsbot.prober.wire import widen

    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        raise click.UsageError(
            "expected a pipe on stdin: the daemon starts this and talks to it; to probe by hand: opsbot probe NAME"
        )
    _log(options.log_format)
    # Whatever prints must not end up among the results.
    told = os.dup(1)
    os.dup2(2, 1)
    widen(told)
    prober = Prober(0, told, now=_now)

    def stop(number: int, frame: FrameType | None) -> None:
        prober.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What was imported stays for ever: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    prober.run()
    return 0


def _now() -> datetime:
    # A process of its own, without opsbot.app, which brings the whole configuration along.
    return datetime.now(UTC)  # noqa: TID251  the prober's clock, for the reason above


def _log(format: str) -> None:
    """The daemon's shapes of a line, without the library that costs a prober a fifth of its memory."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(format))
    logger = logging.getLogger("opsbot")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO if format == "json" else logging.WARNING)


class _Lines(logging.Formatter):
    def __init__(self, format: str) -> None:
        super().__init__()
        self._json = format == "json"

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        fields = {name: value for name, value in vars(record).items() if name in ("probes", "error")}
        level = record.levelname.lower()
        if self._json:
            return json.dumps({**fields, "event": record.getMessage(), "level": level, "timestamp": at})
        pairs = " ".join(f"{name}={value}" for name, value in sorted(fields.items()))
        return f"{at} {level:<7} {record.getMessage()} {pairs}".rstrip()
