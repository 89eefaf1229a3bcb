"""A process that takes runs until there are none: what a replica does, without the runs. Arguments: URL, name, rule."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsbot.model.run import Cause, Run, RunState
from opsbot.model.timetable import Clockwork, Overlap
from opsbot.store import open_store

FIRES = 25
JOBS = ("health", "costs")
START = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


def fires(job: str) -> tuple[Run, ...]:
    when = [START + timedelta(minutes=n) for n in range(FIRES)]
    told = {"state": RunState.QUEUED, "cause": Cause.CATCH_UP, "attempt": 0}
    return tuple(
        Run(id=f"{job}-{n}", job=job, queued_at=at, at=at, scheduled_for=at, **told)  # type: ignore[arg-type]
        for n, at in enumerate(when)
    )


def main(url: str, name: str, rule: Overlap, folder: Path) -> None:
    store = open_store(url)
    ledger = store.ledger()
    now = START + timedelta(days=1)
    print("ready", flush=True)
    sys.stdin.readline()
    planned = sum(len(ledger.plan(Clockwork(job=job, cursor=now, cron="* * * * *"), fires(job))) for job in JOBS)
    claimed, overlapped, blocked = [], 0, 0
    while ledger.due(now) is not None:
        run = ledger.claim(name, now, 30, dict.fromkeys(JOBS, rule))
        if run is None:
            blocked += 1
            continue
        # One file a job at work: who cannot make it met another run of the job.
        at_work = folder / run.job
        try:
            os.close(os.open(at_work, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            overlapped += 1
        claimed.append(run.id)
        at_work.unlink(missing_ok=True)
        store.commit(replace(run, state=RunState.SUCCEEDED, finished_at=now), (), (), ())
    print(json.dumps({"planned": planned, "claimed": claimed, "overlapped": overlapped}), flush=True)
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Overlap(sys.argv[3]), Path(sys.argv[4]))
