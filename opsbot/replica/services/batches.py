"""AWS Batch and Glue: runs at steady times of the day, of which some fail while an incident is on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.population import hexadecimal
from opsbot.replica.services.lookup import Paging, chosen, here, page, with_arn
from opsbot.replica.signals import DAY, fraction_of
from opsbot.replica.world import Resource

JOBS = Paging(size="maxResults", cursor="nextToken", answer="nextToken", usual=100, most=100, error="ClientException")
RUNS = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=100, most=200, error="InvalidInputException"
)
CRAWLERS = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=100, most=1000, error="InvalidInputException"
)
KEPT = timedelta(days=7)
TAKES = (240, 1500)
"""How long a run takes at least and at most, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One run of a job: when it began and ended, and whether it failed. `ended` None = still running."""

    id: str
    began: datetime
    ended: datetime | None
    failed: bool

    @property
    def state(self) -> str:
        """In the words of both services."""
        if self.ended is None:
            return "RUNNING"
        return "FAILED" if self.failed else "SUCCEEDED"


def _works(request: Request, job: Resource, per_day: int, what: str) -> Iterator[Work]:
    """The runs of the last week, newest first."""
    every = DAY // max(per_day, 1)
    offset = int(fraction_of(request.world.seed, job.arn, "offset") * every)
    now = int(request.now.timestamp())
    newest = now - (now - offset) % every
    for began in range(newest, now - int(KEPT.total_seconds()), -every):
        yield _work(request, job, began, what)


def _work(request: Request, job: Resource, began: int, what: str) -> Work:
    seed, start = request.world.seed, datetime.fromtimestamp(began, UTC)
    trouble = request.world.trouble(job, what, start)
    shortest, longest = TAKES
    end = start + timedelta(seconds=int(shortest + fraction_of(seed, job.arn, str(began)) * (longest - shortest)))
    return Work(
        id=hexadecimal(seed, 32, job.arn, str(began)),
        began=start,
        ended=end if end <= request.now else None,
        failed=trouble is not None and fraction_of(seed, job.arn, str(began), "failed") < trouble.value,
    )


def describe_job_queues(request: Request, params: Params) -> Result:
    wanted = [str(name).rsplit("/", 1)[-1] for name in params.get("jobQueues") or ()]
    queues = [queue for queue in here(request, "batch-queue") if not wanted or queue.name in wanted]
    found, token = page(queues, params, JOBS)
    return {"jobQueues": [_queue(queue) for queue in found], **token}


def _queue(queue: Resource) -> dict[str, Any]:
    environment = f"arn:aws:batch:{queue.region}:{queue.account}:compute-environment/main"
    return {
        "jobQueueName": queue.name,
        "jobQueueArn": queue.arn,
        "state": "ENABLED",
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        "priority": 10,
        "computeEnvironmentOrder": [{"order": 1, "computeEnvironment": environment}],
        "tags": dict(queue.tags),
    }


def list_jobs(request: Request, params: Params) -> Result:
    name = str(params.get("jobQueue")).rsplit("/", 1)[-1]
    missing = Fault("ClientException", f"Job queue {name} does not exist.")
    queue = chosen(here(request, "batch-queue"), name, missing)[0]
    works = [
        work for work in _works(request, queue, queue.number("jobs_per_day"), "FailedJobs") if _asked(work, params)
    ]
    found, token = page(works, params, JOBS)
    return {"jobSummaryList": [_job(queue, work) for work in found], **token}


def _asked(work: Work, params: Params) -> bool:
    """As AWS has it: with a filter the status is not looked at."""
    filters = params.get("filters") or ()
    if not filters:
        return work.state == (params.get("jobStatus") or "RUNNING")
    return all(_passes(work, one) for one in filters)


def _passes(work: Work, one: Params) -> bool:
    value = str((one.get("values") or [""])[0])
    created = int(work.began.timestamp() * 1000)
    match one.get("name"):
        case "AFTER_CREATED_AT":
            return created > int(value)
        case "BEFORE_CREATED_AT":
            return created < int(value)
        case other:
            raise Fault("ClientException", f"embedded AWS: filter {other} is not known")


def _job(queue: Resource, work: Work) -> dict[str, Any]:
    code = "-".join((work.id[:8], work.id[8:12], work.id[12:16], work.id[16:20], work.id[20:32]))
    shown: dict[str, Any] = {
        "jobId": code,
        "jobArn": f"arn:aws:batch:{queue.region}:{queue.account}:job/{code}",
        "jobName": f"{queue.name}-{work.began:%Y%m%d-%H%M}",
        "createdAt": _millis(work.began),
        "startedAt": _millis(work.began + timedelta(seconds=20)),
        "status": work.state,
        "jobDefinition": f"arn:aws:batch:{queue.region}:{queue.account}:job-definition/{queue.name}:7",
    }
    if work.ended is None:
        return shown
    failed = {"statusReason": "Essential container in task exited"} if work.failed else {}
    return {**shown, **failed, "stoppedAt": _millis(work.ended), "container": {"exitCode": int(work.failed)}}


def _millis(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def get_jobs(request: Request, params: Params) -> Result:
    found, token = page(here(request, "glue-job"), params, RUNS)
    return {"Jobs": [_glue_job(job) for job in found], **token}


def _glue_job(job: Resource) -> dict[str, Any]:
    return {
        "Name": job.name,
        "Role": f"arn:aws:iam::{job.account}:role/glue",
        "CreatedOn": job.created,
        "LastModifiedOn": job.created,
        "Command": {"Name": "glueetl", "ScriptLocation": f"s3://{job.account}-scripts/{job.name}.py"},
        "GlueVersion": "5.0",
        "Timeout": 120,
    }


def get_job_runs(request: Request, params: Params) -> Result:
    name = str(params.get("JobName"))
    job = chosen(here(request, "glue-job"), name, Fault("EntityNotFoundException", f"Job {name} not found."))[0]
    works = list(_works(request, job, job.number("runs_per_day"), "JobRunState"))
    found, token = page(works, params, RUNS)
    return {"JobRuns": [_run(job, work) for work in found], **token}


def _run(job: Resource, work: Work) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Id": f"jr_{work.id}",
        "JobName": job.name,
        "Attempt": 0,
        "StartedOn": work.began,
        "LastModifiedOn": work.ended or work.began,
        "JobRunState": work.state,
    }
    if work.ended is None:
        return shown
    told = {"ErrorMessage": "AnalysisException: cannot resolve column given input columns"} if work.failed else {}
    return {**shown, **told, "CompletedOn": work.ended, "ExecutionTime": int((work.ended - work.began).total_seconds())}


def get_crawlers(request: Request, params: Params) -> Result:
    found, token = page(here(request, "glue-crawler"), params, CRAWLERS)
    return {"Crawlers": [_crawler(request, crawler) for crawler in found], **token}


def _crawler(request: Request, crawler: Resource) -> dict[str, Any]:
    hour = crawler.number("hour")
    return {
        "Name": crawler.name,
        "Role": f"arn:aws:iam::{crawler.account}:role/glue",
        "State": "READY",
        "DatabaseName": crawler.name.split("-")[0],
        "Schedule": {"ScheduleExpression": f"cron(0 {hour} * * ? *)", "State": "SCHEDULED"},
        "CreationTime": crawler.created,
        "LastUpdated": crawler.created,
        "LastCrawl": _last_crawl(request, crawler, hour),
    }


def _last_crawl(request: Request, crawler: Resource, hour: int) -> dict[str, Any]:
    began = request.now.replace(hour=hour, minute=0, second=0, microsecond=0)
    began -= timedelta(days=began > request.now)
    group = {"LogGroup": "/aws-glue/crawlers", "LogStream": crawler.name, "StartTime": began}
    if request.world.trouble(crawler, "LastCrawl", began) is None:
        return {**group, "Status": "SUCCEEDED"}
    return {**group, "Status": "FAILED", "ErrorMessage": "Access Denied (Service: Amazon S3; Status Code: 403)"}


def get_glue_tags(request: Request, params: Params) -> Result:
    name = str(params.get("ResourceArn"))
    missing = Fault("EntityNotFoundException", f"{name} not found.")
    known = (*here(request, "glue-job"), *here(request, "glue-crawler"))
    return {"Tags": dict(with_arn(known, name, missing).tags)}


HANDLERS: dict[tuple[str, str], Handler] = {
    ("batch", "DescribeJobQueues"): describe_job_queues,
    ("batch", "ListJobs"): list_jobs,
    ("glue", "GetJobs"): get_jobs,
    ("glue", "GetJobRuns"): get_job_runs,
    ("glue", "GetCrawlers"): get_crawlers,
    ("glue", "GetTags"): get_glue_tags,
}
