"""A light run for chaos: holds its job's lock while it works, and commits its end if the run is still its own.

python -m tests.executors.chaos_run STORE_URL FOLDER RUN_ID ATTEMPT
"""

from __future__ import annotations

import fcntl
import random
import sys
import threading
from pathlib import Path

import psycopg

# One statement: what is finished is written down with the end itself, whatever is killed when.
END = """
WITH mine AS (
  UPDATE run SET state = 'succeeded', lease_until = NULL WHERE id = %s AND attempt = %s AND state = 'running' RETURNING id
)
INSERT INTO finished SELECT id FROM mine RETURNING run_id
"""


def main(url: str, folder: str, run_id: str, attempt: str) -> int:
    trace = Path(folder) / "trace"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        row = db.execute("SELECT job FROM run WHERE id = %s", [run_id]).fetchone()
        assert row is not None
        with (Path(folder) / f"{row[0]}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _note(trace, f"overlap {run_id} {attempt}")
            _note(trace, f"begin {run_id} {attempt}")
            threading.Event().wait(random.uniform(0.1, 0.8))
            mine = db.execute(END, [run_id, int(attempt)]).fetchone()
            _note(trace, f"{'commit' if mine else 'fenced'} {run_id} {attempt}")
    return 0 if mine else 76


def _note(trace: Path, line: str) -> None:
    with trace.open("a") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
