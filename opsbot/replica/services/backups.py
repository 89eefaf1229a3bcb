"""AWS Backup: plans, and last night's jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from opsbot.replica.codec import Handler, Params, Request, Result
from opsbot.replica.population import EPOCH, hexadecimal
from opsbot.replica.services.lookup import Paging, page
from opsbot.replica.world import EnvironmentSpec

PAGES = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=1000, most=1000,
    error="InvalidParameterValueException",
)  # fmt: skip
_HOUR = 2
"""When the nightly window opens, UTC."""
_WHY = "Insufficient privileges to perform this action."


def list_plans(request: Request, params: Params) -> Result:
    there = request.world.posture(request.account).backups is not None and _home(request) is not None
    code = hexadecimal(request.world.seed, 32, request.account, "plan")
    plan = {
        "BackupPlanId": code,
        "BackupPlanArn": f"arn:aws:backup:{request.region}:{request.account}:backup-plan:{code}",
        "BackupPlanName": "nightly",
        "CreationDate": EPOCH,
        "VersionId": code[:12],
    }
    return {"BackupPlansList": [plan] if there else []}


def _home(request: Request) -> EnvironmentSpec | None:
    """The environment whose home this is: backups are made where an account's resources are."""
    mine = (one for one in request.world.environments if one.account == request.account)
    return next((one for one in mine if one.regions[0] == request.region), None)


def list_jobs(request: Request, params: Params) -> Result:
    since, until = params.get("ByCompleteAfter"), params.get("ByCompleteBefore") or request.now
    wanted = params.get("ByState")
    jobs = [
        job
        for job in _jobs(request)
        if (since is None or job["CompletionDate"] >= since)
        and job["CompletionDate"] <= until
        and wanted in (None, job["State"])
    ]
    found, token = page(sorted(jobs, key=lambda job: job["CompletionDate"], reverse=True), params, PAGES)
    return {"BackupJobs": found, **token}


def _jobs(request: Request) -> Iterator[dict[str, Any]]:
    """Three nights of jobs, none that would end after now."""
    backups = request.world.posture(request.account).backups
    if backups is None or backups.stopped or _home(request) is None:
        return
    opens = request.now.replace(hour=_HOUR, minute=0, second=0, microsecond=0)
    for night in range(3):
        for number in range(backups.jobs):
            yield from _job(request, opens - timedelta(days=night), number, f"database-{number + 1}", failed=False)
        for number, name in enumerate(backups.failed):
            yield from _job(request, opens - timedelta(days=night), number, name, failed=True)


def _job(request: Request, opens: datetime, number: int, name: str, *, failed: bool) -> Iterator[dict[str, Any]]:
    ended = opens + timedelta(minutes=20 + 9 * number)
    if ended > request.now:
        return
    yield {
        "AccountId": request.account,
        "BackupJobId": hexadecimal(request.world.seed, 32, request.account, name, str(opens.date())),
        "BackupVaultName": "main",
        "CreationDate": opens,
        "CompletionDate": ended,
        "State": "FAILED" if failed else "COMPLETED",
        "PercentDone": "0.0" if failed else "100.0",
        "ResourceArn": f"arn:aws:rds:{request.region}:{request.account}:db:{name}",
        "ResourceName": name,
        "ResourceType": "RDS",
        **({"StatusMessage": _WHY} if failed else {"BackupSizeInBytes": 40 * 2**30}),
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("backup", "ListBackupPlans"): list_plans,
    ("backup", "ListBackupJobs"): list_jobs,
}
