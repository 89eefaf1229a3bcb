"""Every benchmark, one after the other, each in its own process: `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FILES = (
    "startup.py",
    "evaluate.py",
    "report.py",
    "weekly.py",
    "collect.py",
    "health.py",
    "store.py",
    "outbox.py",
    "alerts.py",
    "runbooks.py",
    "daemon.py",
    "web.py",
    "probes.py",
)


def main() -> None:
    for name in FILES:
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, str(Path(__file__).with_name(name))], check=False)


if __name__ == "__main__":
    main()
