"""What a run and the process that watches it agree on: exit codes, and the line on which the run says more than a code can.

Exit codes of `opsbot _exec`, in this one place:

    0   the run's end is committed: findings, messages and state are in the ledger, whatever the state is
    75  it failed and told nobody: whoever started it decides whether it is tried again or given up
    76  fenced: the run is somebody else's by now, or ended; nothing was kept

Anything else, or a signal, is a crash: like 75, in fewer words.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import time
from collections.abc import Mapping

COMMITTED = 0
FAILED = 75
FENCED = 76

LINE = "OPSBOT_WARDEN_FD"
DEADLINE = "OPSBOT_RUN_DEADLINE"
# Time that goes on while the machine is suspended, as a lease in the ledger does.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def tell(environ: Mapping[str, str] = os.environ, **words: str) -> None:
    """Say something to the warden, if there is one.

    `error` is the failure in a sentence, `mask` a value that no log may show; `committed` is "" at first and "yes" once
    the run's end is in the ledger, so that a job which calls `os._exit(0)` is not taken for one that answered.
    """
    fd = environ.get(LINE, "")
    if not fd.isdecimal():
        return
    try:
        os.write(int(fd), json.dumps(words).encode() + b"\n")
    except OSError:
        # Nobody listens any more; the warden that is gone takes this process with it.
        return


def clock() -> float:
    """Seconds on the clock that a warden and its run share."""
    return time.clock_gettime(_CLOCK)


def watch_the_clock(spare: float, environ: Mapping[str, str] = os.environ) -> None:
    """The run's own deadline, for the case that nobody outside enforces it.

    Shortly before the deadline every thread's stack goes to the log, so that a person sees where it hangs; `spare`
    seconds after it the kernel ends the process, also one that is stuck in C code.
    """
    try:
        left = max(float(environ.get(DEADLINE, "")) - clock(), 0.1)
    except ValueError:
        return
    faulthandler.dump_traceback_later(max(left - max(1.0, left / 50), 0.1))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, left + spare)
