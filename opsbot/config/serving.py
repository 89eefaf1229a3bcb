"""What `opsbot serve` may be told: how jobs are scheduled, how the daemon behaves, where its web page listens."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema

from opsbot.config.types import Length, Name, Names, Schedule, Table, Text
from opsbot.model.period import show_duration
from opsbot.secrets import Secret, is_reference

_LISTEN = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(?P<port>[0-9]{1,5})", re.ASCII)
_SIZE = re.compile(r"(?P<number>[0-9]{1,6})\s*(?P<unit>MB|GB)", re.ASCII)
SMALLEST, LARGEST = 1_000_000_000, 1_000_000_000_000
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39}", re.ASCII)
_METRIC = re.compile(r"(?!AWS/)[A-Za-z0-9.#:_-]+(?:/[A-Za-z0-9.#:_-]+)+", re.ASCII)


def _at_most(limit: timedelta) -> Callable[[timedelta], timedelta]:
    def check(length: timedelta) -> timedelta:
        if length > limit:
            raise ValueError(f"expected at most {show_duration(limit)}, got {show_duration(length)}")
        return length

    return check


def _with_offset(value: object) -> datetime:
    with suppress(ValueError):
        # People put times into quotes as they do everywhere else.
        value = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(value, datetime) or value.tzinfo is None:
        shown = value.isoformat() if isinstance(value, date) else repr(value)
        raise ValueError(f"expected a time with its offset such as 2026-12-24T00:00:00+01:00, got {shown}")
    return value


def _size(value: object) -> int:
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'expected a size such as "4GB" or "1500MB", got {value!r}')
    size = int(found["number"]) * (1_000_000_000 if found["unit"] == "GB" else 1_000_000)
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f'expected between "1GB", which a run of many environments needs, and "1000GB", got {value!r}')
    return size


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(f'expected a name without a port such as "ops.example.org", got {text!r}')
    return text.lower()


def _listen(text: str) -> str:
    found = _LISTEN.fullmatch(text)
    if text and not (found and int(found["port"]) < 65536):
        raise ValueError(f'expected an address and a port such as "127.0.0.1:8080", or "" for no page, got {text!r}')
    return text


def split_listen(text: str) -> tuple[str, int]:
    """Host and port of an address that was checked; an IPv6 address without its brackets."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(f'expected a network such as "10.0.0.0/8" or one address, got {text!r}') from None


def _reference_or_address(text: str) -> str:
    if not (is_reference(text) or re.fullmatch(r"https?://[^\s<>\"']+", text)):
        raise ValueError(
            f'expected an address such as "https://hc-ping.com/..." or a reference such as "env:NAME", got {text!r}'
        )
    return text


def _metric(text: str) -> str:
    if not _METRIC.fullmatch(text):
        raise ValueError(
            f'expected a metric as Namespace/Name such as "Opsbot/Alive", not in AWS\'s own namespaces, got {text!r}'
        )
    return text


Size = Annotated[
    int, BeforeValidator(_size), WithJsonSchema({"type": "string", "pattern": r"^\s*\d{1,6}\s*(MB|GB)\s*$"})
]
Hosts = Annotated[tuple[Annotated[Text, AfterValidator(_host)], ...], Field(strict=False)]
Count = Annotated[int, Field(ge=0, le=100)]
Globs = Annotated[tuple[Text, ...], Field(strict=False)]
Networks = Annotated[tuple[Annotated[Text, AfterValidator(_network)], ...], Field(strict=False)]
Minutes = Annotated[Length, AfterValidator(_at_most(timedelta(hours=1)))]
Hours = Annotated[Length, AfterValidator(_at_most(timedelta(days=1)))]
Days = Annotated[Length, AfterValidator(_at_most(timedelta(days=366)))]
Moment = Annotated[
    datetime, BeforeValidator(_with_offset), WithJsonSchema({"type": "string", "format": "date-time"})
]  # fmt: skip


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
    timeout: Hours | None = Field(
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
    catch_up_window: Days = Field(
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
    retry_after: Hours = Field(
        default=timedelta(minutes=1), description="The wait before the second attempt; doubled with each.",
        examples=["1m"],
    )  # fmt: skip
    jitter: Hours | None = Field(
        default=None,
        description="Each fire is late by a part of this, the same every time, so that many homes do not ask AWS at once.",
        examples=["2m"],
    )
    publish: bool = Field(
        default=False,
        description="Whether how its runs ended becomes CloudWatch metrics, which cost: succeeded, duration, findings.",
        examples=[True],
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

    start: Moment = Field(description="With its offset from UTC.", examples=["2026-12-24T00:00:00+01:00"])
    end: Moment = Field(description="With its offset from UTC.", examples=["2026-12-27T00:00:00+01:00"])
    reason: Text = Field(description="Shown wherever a run was skipped for it.", examples=["year-end freeze"])
    jobs: Globs = Field(default=(), description="Names or globs; without it every job.", examples=[["cost_*"]])


class DaemonTable(Table):
    """How `opsbot serve` behaves."""

    parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="At most so many runs at once in one daemon.", examples=[2]
    )
    memory: Size | None = Field(
        default=None,
        description="How much address space one run may take, from 1GB on: two to three times what it uses, because "
        "threads and libraries reserve more than they touch. Beyond it that run fails, and the daemon goes on.",
        examples=["4GB"],
    )
    drain: Minutes = Field(
        default=timedelta(seconds=25),
        description="How long runs may go on after SIGTERM before they are ended and handed back. Below the grace of "
        "what runs the container: 30 s on ECS and Kubernetes.",
        examples=["25s"],
    )
    heartbeat_url: Annotated[Text, AfterValidator(_reference_or_address)] | None = Field(
        default=None,
        description="A dead-man's switch: asked with GET every minute in which all went well. An address, or a "
        "reference to it.",
        examples=["env:OPSBOT_HEARTBEAT_URL"],
    )
    heartbeat_metric: Annotated[Text, AfterValidator(_metric)] | None = Field(
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

    listen: Annotated[str, AfterValidator(_listen)] = Field(
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
    trusted_proxies: Networks = Field(default=(), description="Networks of that proxy.", examples=[["10.0.0.0/8"]])
    hosts: Hosts = Field(
        default=(),
        description="The names that the page may be asked by, besides loopback's own. Without it any name where a sign-in "
        "guards the page, and loopback's alone where none does.",
        examples=[["ops.example.org"]],
    )
    public_status: bool = Field(
        default=False,
        description="Show `/uptime` (names, times and figures only) and badges to everybody, without a sign-in.",
        examples=[True],
    )


class RunbooksTable(Table):
    """What runbooks may do beyond what two people agree on."""

    break_glass: bool = Field(
        default=False,
        description="Whether `opsbot runbook apply --override-approval` carries out a plan without a second person, for "
        "an incident of P0 and loudly.",
        examples=[True],
    )
