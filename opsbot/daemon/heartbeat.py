"""The file in which the daemon leaves its heartbeat, for `opsbot health`: read a thousand times a day, so it imports nothing."""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

FILE = "var/daemon.json"
# Written every few seconds; older than this the daemon stands still or is gone.
FRESH = 30.0


def write(state: Path, told: Mapping[str, Any]) -> None:
    """Leave the heartbeat where `opsbot health` looks for it. Raises OSError."""
    path = state / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({"monotonic": time.monotonic(), "pid": os.getpid(), **told}), encoding="utf-8")
    draft.replace(path)


def read(state: Path) -> Mapping[str, Any]:
    """What the daemon last said of itself, with its `age` in seconds. Raises OSError or ValueError if there is nothing."""
    told = json.loads((state / FILE).read_text(encoding="utf-8"))
    # Of the machine, not of the process: a clock that was set says nothing about the daemon, and after a reboot it is negative.
    return {**told, "age": time.monotonic() - float(told["monotonic"])}


def remove(state: Path) -> None:
    """The daemon has ended as it should: there is none to be well or not."""
    (state / FILE).unlink(missing_ok=True)
