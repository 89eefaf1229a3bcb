"""What `opsbot serve` may be told: how jobs are scheduled, how the daemon behaves, where its web page listens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from opsbot.config.types import Length, Name, Names, Schedule, Table, Text, Url
from opsbot.secrets import Secret

Count = Annotated[int, Field(ge=0, le=100)]
Globs = Annotated[tuple[Text, ...], Field(strict=False)]


class JobTable(Table):
    """What every job has; further keys are the job's own settings and are checked against its file."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    schedule: Schedule | None = Field(
        default=None,
        description="Five cron fields, weekdays by name, in `timezone`. Without it the job file's own.",
        examples=["0 7 * * MON-FRI"],
    )
    enabled: bool = Field(
        default=True, description="Whether it runs on its schedule; by hand it always can.", examples=[True]
    )
    channels: Names = Field(
        default=(), description="Who is told: names of `[channels.<name>]`.", examples=[["ops-slack"]]
    )
    timeout: Length | None = Field(
        default=None, description="How long a run may take before it is ended. Without it the job file's own.",
        examples=["10m"],
    )  # fmt: skip
    catch_up: Literal["skip", "latest", "all"] = Field(
        default="latest",
        description="What becomes of fires that passed while no daemon ran. Those not run are recorded with the reason.",
        examples=["latest"],
    )
    catch_up_max: Count = Field(
        default=5, description="At most so many fires are made up for with `all`; the newest.", examples=[5]
    )
    catch_up_window: Length = Field(
        default=timedelta(days=7), description="A fire older than this is never made up for.", examples=["7d"]
    )
    overlap: Literal["skip", "queue", "cancel", "allow"] = Field(
        default="skip",
        description="What becomes of a fire while the run before it is still at work: `skip` it, `queue` one, `cancel` "
        "the one at work, or `allow` both.",
        examples=["skip"],
    )
    retries: Annotated[int, Field(ge=0, le=10)] = Field(
        default=1, description="Further attempts after one that failed, timed out or was lost.", examples=[1]
    )
    retry_after: Length = Field(
        default=timedelta(minutes=1), description="The wait before the second attempt; doubled with each.",
        examples=["1m"],
    )  # fmt: skip
    jitter: Length | None = Field(
        default=None,
        description="Each fire is late by a part of this, the same every time, so that many homes do not ask AWS at once.",
        examples=["2m"],
    )
    business_days: bool = Field(
        default=False, description="Monday to Friday only, without `holidays`.", examples=[True]
    )
    holidays: Text | None = Field(
        default=None,
        description="The public holidays of a country, or of a part of it, on which it does not run.",
        examples=["DE-BW"],
    )


class BlackoutTable(Table):
    """A span in which nothing runs on its schedule; what fell into it is recorded as skipped."""

    start: datetime = Field(description="With its offset from UTC.", examples=["2026-12-24T00:00:00+01:00"])
    end: datetime = Field(description="With its offset from UTC.", examples=["2026-12-27T00:00:00+01:00"])
    reason: Text = Field(description="Shown wherever a run was skipped for it.", examples=["year-end freeze"])
    jobs: Globs = Field(default=(), description="Names or globs; without it every job.", examples=[["cost_*"]])


class DaemonTable(Table):
    """How `opsbot serve` behaves."""

    parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="At most so many runs at once in one daemon.", examples=[2]
    )
    drain: Length = Field(
        default=timedelta(seconds=25),
        description="How long runs may go on after SIGTERM before they are ended and handed back. Below the grace of "
        "what runs the container: 30 s on ECS and Kubernetes.",
        examples=["25s"],
    )
    heartbeat_url: Secret | Url | None = Field(
        default=None,
        description="A dead-man's switch: asked with GET after each full cycle that went well.",
        examples=["env:OPSBOT_HEARTBEAT_URL"],
    )
    heartbeat_metric: Text | None = Field(
        default=None, description="A CloudWatch metric that gets a 1 every minute, as `Namespace/Name`.",
        examples=["Opsbot/Alive"],
    )  # fmt: skip
    executor: Literal["local", "celery"] = Field(
        default="local", description="Who runs the runs: this daemon, or workers of a task queue.", examples=["local"]
    )
    broker: Secret | None = Field(
        default=None,
        description="Reference to the broker's address, for `celery`: `sqs://`, `redis://` or `amqp://`.",
        examples=["env:OPSBOT_BROKER_URL"],
    )
    logs_group: Text | None = Field(
        default=None, description="A CloudWatch Logs group that also gets the log.", examples=["/opsbot/daemon"]
    )


class WebTable(Table):
    """The daemon's own web page: status, runs, reports, outbox."""

    listen: Text = Field(
        default="127.0.0.1:8080",
        description='Address and port; "" switches it off. Anything but loopback needs `token` or `proxy_header`.',
        examples=["127.0.0.1:8080"],
    )
    token: Secret | None = Field(
        default=None,
        description="Reference to the token that visitors sign in with.",
        examples=["env:OPSBOT_WEB_TOKEN"],
    )
    proxy_header: Name | None = Field(
        default=None,
        description="The header in which a proxy in front names who signed in; only with `trusted_proxies`.",
        examples=["X-Forwarded-User"],
    )
    trusted_proxies: Globs = Field(default=(), description="Networks of that proxy.", examples=[["10.0.0.0/8"]])
