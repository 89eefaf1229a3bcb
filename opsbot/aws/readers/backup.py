"""AWS Backup: which jobs ended, and how. A region without a plan has nothing that could be late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, tail
from opsbot.aws.words import clipped
from opsbot.model.resource import Resource

WINDOW = timedelta(hours=26)
"""A day, and room for a night that took longer than the one before."""
MOST_PAGES = 20
FAILED = frozenset({"ABORTED", "EXPIRED", "FAILED", "PARTIAL"})


def backups(look: Look) -> Iterator[Found]:
    plans = sum(1 for _ in look.each("backup", "list_backup_plans", "BackupPlansList"))
    jobs = list(_ended(look)) if plans else []
    failed = [job for job in jobs if job.get("State") in FAILED and look.within_a_day(job["CompletionDate"])]
    done = [job for job in jobs if job.get("State") == "COMPLETED"]
    yield Resource(
        kind="backup",
        name="AWS Backup",
        region=look.region,
        facts=facts(
            plans=float(plans),
            failed_24h=float(len(failed)),
            completed_26h=float(len(done)),
            last_failure=_told(failed) if failed else None,
        ),
    )


def _ended(look: Look) -> Iterator[Mapping[str, Any]]:
    asked = {"ByCompleteAfter": look.now - WINDOW, "ByCompleteBefore": look.now}
    for page in islice(look.pages("backup", "list_backup_jobs", **asked), MOST_PAGES):
        yield from (job for job in page.get("BackupJobs") or () if job.get("CompletionDate"))


def _told(failed: Sequence[Mapping[str, Any]]) -> str:
    latest = max(failed, key=lambda job: job["CompletionDate"].timestamp())
    what = latest.get("ResourceName") or tail(str(latest.get("ResourceArn", "")))
    why = latest.get("StatusMessage") or str(latest.get("State", "")).lower()
    return clipped(f"{latest.get('ResourceType', 'backup')} {what}: {why}")


READERS = {
    "backup": Reader(kinds=("backup",), actions=("backup:ListBackupJobs", "backup:ListBackupPlans"), read=backups)
}
