"""Things that run and end: Batch queues, Glue jobs and crawlers. CloudWatch has no useful counts of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from opsbot.aws.readers.place import DAY, Found, Look, Reader, facts, tag_map
from opsbot.aws.words import clipped
from opsbot.model.resource import Fact, Resource

FAILED_RUNS = frozenset({"FAILED", "TIMEOUT", "ERROR"})
MOST_PAGES = 50
"""Of one queue's or job's list: 5,000 runs a day are told as that many at least."""


def queues(look: Look) -> Iterator[Found]:
    for queue in look.each("batch", "describe_job_queues", "jobQueues"):
        yield partial(_queue, look, queue)


def _queue(look: Look, queue: Mapping[str, Any]) -> Iterator[Found]:
    failed = _ended(look, queue["jobQueueName"], "FAILED")
    finished = len(failed) + len(_ended(look, queue["jobQueueName"], "SUCCEEDED"))
    latest = max(failed, key=lambda job: int(job["stoppedAt"]), default=None)
    yield Resource(
        kind="batch-queue",
        name=queue["jobQueueName"],
        region=look.region,
        arn=queue.get("jobQueueArn", ""),
        facts=facts(
            failed_24h=float(len(failed)),
            finished_24h=float(finished),
            failure_percent_24h=100.0 * len(failed) / finished if finished else None,
            last_failure=_told(latest.get("jobName"), latest.get("statusReason")) if latest else None,
            last_failure_at=latest["stoppedAt"] / 1000 if latest else None,
        ),
        tags=tag_map(queue.get("tags")),
    )


def _ended(look: Look, queue: str, status: str) -> list[Mapping[str, Any]]:
    """Jobs of a queue that ended within a day. Batch lists newest first and keeps them for a week or longer."""
    found: list[Mapping[str, Any]] = []
    horizon = look.now - 7 * DAY
    for number, page in enumerate(look.pages("batch", "list_jobs", jobQueue=queue, jobStatus=status)):
        jobs = page.get("jobSummaryList") or []
        found += [job for job in jobs if job.get("stoppedAt") and look.within_a_day(_moment(job["stoppedAt"]))]
        # A job may run for days, so only one that was made long ago ends the search.
        if number >= MOST_PAGES or (jobs and all(_moment(job["createdAt"]) < horizon for job in jobs)):
            break
    return found


def _moment(millis: float) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)


def _told(what: Any, why: Any) -> str:
    return clipped(": ".join(str(part) for part in (what, why) if part))


def glue_jobs(look: Look) -> Iterator[Found]:
    for job in look.each("glue", "get_jobs", "Jobs"):
        yield partial(_glue_job, look, job["Name"])


def _glue_job(look: Look, name: str) -> Iterator[Found]:
    ended = _ended_runs(look, name)
    failed = [run for run in ended if run["JobRunState"] in FAILED_RUNS]
    latest = max(failed, key=lambda run: run["CompletedOn"].timestamp(), default=None)
    yield Resource(
        kind="glue-job",
        name=name,
        region=look.region,
        arn=look.arn("glue", f"job/{name}"),
        facts=facts(
            failed_24h=float(len(failed)),
            finished_24h=float(len(ended)),
            last_failure=_told(latest["JobRunState"].lower(), latest.get("ErrorMessage")) if latest else None,
            last_failure_at=latest["CompletedOn"].timestamp() if latest else None,
        ),
    )


def _ended_runs(look: Look, job: str) -> list[Mapping[str, Any]]:
    """Runs that ended within a day; Glue lists the newest first, and a run lasts two days at most."""
    found: list[Mapping[str, Any]] = []
    horizon = look.now - DAY - timedelta(days=2)
    for number, page in enumerate(look.pages("glue", "get_job_runs", JobName=job)):
        runs = page.get("JobRuns") or []
        found += [
            run
            for run in runs
            if run.get("JobRunState") in FAILED_RUNS | {"SUCCEEDED"}
            and run.get("CompletedOn")
            and look.within_a_day(run["CompletedOn"])
        ]
        if number >= MOST_PAGES or (runs and all(run["StartedOn"] < horizon for run in runs)):
            break
    return found


def crawlers(look: Look) -> Iterator[Found]:
    for crawler in look.each("glue", "get_crawlers", "Crawlers"):
        last = crawler.get("LastCrawl") or {}
        failed = last.get("Status") == "FAILED"
        yield Resource(
            kind="glue-crawler",
            name=crawler["Name"],
            region=look.region,
            arn=look.arn("glue", f"crawler/{crawler['Name']}"),
            facts=_crawl_facts(last, failed),
        )


def _crawl_facts(last: Mapping[str, Any], failed: bool) -> tuple[tuple[str, Fact], ...]:
    began = last.get("StartTime")
    return facts(
        failed=1.0 if failed else 0.0,
        last_failure=_told(last.get("ErrorMessage") or "failed", None) if failed else None,
        last_failure_at=began.timestamp() if failed and began else None,
    )


READERS = {
    "batch-queue": Reader(kinds=("batch-queue",), actions=("batch:DescribeJobQueues", "batch:ListJobs"), read=queues),
    "glue-job": Reader(
        kinds=("glue-job",), actions=("glue:GetJobRuns", "glue:GetJobs"), read=glue_jobs, tagged=("glue:job",)
    ),
    "glue-crawler": Reader(
        kinds=("glue-crawler",), actions=("glue:GetCrawlers",), read=crawlers, tagged=("glue:crawler",)
    ),
}
