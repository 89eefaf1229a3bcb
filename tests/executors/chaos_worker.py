"""A real worker for chaos: `opsbot worker`'s own hands, on light children, with a short lease.

python -m tests.executors.chaos_worker STORE_URL BROKER FOLDER LEASE JOB...
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsbot.cli.worker import Hands
from opsbot.daemon.duty import Duty
from opsbot.daemon.orders import Orders
from opsbot.executors.local import Supervisor
from opsbot.model.timetable import Timetable, Worker
from opsbot.store import open_store


def timetables(jobs: list[str]) -> tuple[Timetable, ...]:
    return tuple(
        Timetable(job=job, cron="0 7 * * *", zone="UTC", timeout=timedelta(seconds=30), retries=9,
                  retry_after=timedelta(seconds=1))
        for job in jobs
    )  # fmt: skip


def main(url: str, broker: str, folder: str, lease: str, *jobs: str) -> int:
    logging.basicConfig(level=logging.WARNING)
    orders = Orders(store_url=url, executor="celery", broker=broker, timetables=timetables(list(jobs)))
    at = datetime.now(UTC)
    me = Worker(id=f"worker-{os.getpid()}", host="here", pid=os.getpid(), version="0", started_at=at, beat=at)
    duty = Duty(worker=me, orders=orders, copy=Path(folder), now=lambda: datetime.now(UTC))
    child = [sys.executable, "-m", "tests.executors.chaos_run", url, folder]
    children = Supervisor(child, Path(folder) / "logs", grace=timedelta(seconds=0.5))
    return Hands(duty, open_store(url), children, 2, timedelta(seconds=float(lease))).work()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
