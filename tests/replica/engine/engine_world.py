"""A tiny world by hand, whose every value can be worked out on paper."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import boto3
import numpy as np
from botocore.config import Config

from opsbot.replica.codec import Handler
from opsbot.replica.limits import Limits
from opsbot.replica.server import Running, serve
from opsbot.replica.state import State
from opsbot.replica.world import AlarmSpec, Buckets, Floats, Role, SeriesId, World

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
CALLER, TENANT, REGION = "111111111111", "222222222222", "eu-central-1"
ROLE = f"arn:aws:iam::{TENANT}:role/opsbot"
OPEN_ROLE = f"arn:aws:iam::{TENANT}:role/open"
OFF = "us-east-1"
SETTLE = 600
# One for all: it keeps the service models, which take longer to load than a test to run.
BOTO = boto3.Session()


@dataclass(frozen=True)
class Hours:
    """The mean of each sample is the hour of the day (UTC), five samples in 300 s, or as given."""

    count: float = 5.0
    spread: float = 0.0
    times: float = 1.0

    def buckets(self, start: int, n: int, step: int) -> Buckets:
        hours = (np.arange(start, start + n * step, step) // 3600 % 24).astype(float)
        return Buckets(
            count=np.full(n, self.count * step / 300), mean=hours * self.times, spread=np.full(n, self.spread)
        )


@dataclass(frozen=True)
class Marks:
    """One sample in each 300 s: `X` 100, `0` 1, `-` nothing; the last mark is the newest settled step before NOW."""

    marks: str

    def buckets(self, start: int, n: int, step: int) -> Buckets:
        last = int(NOW.timestamp()) - SETTLE - 300
        places = (np.arange(start, start + n * step, step) // 300 * 300 - last) // 300 + len(self.marks) - 1
        inside = (places >= 0) & (places < len(self.marks))
        marks = np.array([self.marks[p] if ok else "-" for p, ok in zip(places, inside, strict=True)])
        mean: Floats = np.where(marks == "X", 100.0, 1.0)
        return Buckets(count=(marks != "-").astype(float), mean=mean, spread=np.zeros(n))


def lambda_series(name: str, function: str) -> SeriesId:
    return SeriesId("AWS/Lambda", name, (("FunctionName", function),))


def marks_series(name: str) -> SeriesId:
    return SeriesId("Test/Marks", name, ())


SERIES = {
    lambda_series("Invocations", "hours"): Hours(),
    lambda_series("Duration", "hours"): Hours(count=1000, spread=0.5, times=10),
    lambda_series("Duration", "twin"): Hours(count=1000, spread=0.5, times=20),
    SeriesId("AWS/Lambda", "ConcurrentExecutions", ()): Hours(),
    SeriesId("AWS/Usage", "ResourceCount", (("Resource", "ConcurrentExecutions"), ("Service", "Lambda"))): Hours(),
    SeriesId("CWAgent", "disk_used_percent", (("InstanceId", "i-1"), ("path", "/"))): Hours(),
    marks_series("gaps"): Marks("0X-X0"),
    marks_series("silent"): Marks("-"),
}
ALARMS = (
    AlarmSpec(name="high", series=marks_series("up"), threshold=50, description="it is high"),
    AlarmSpec(name="low", series=marks_series("down"), threshold=50),
    AlarmSpec(name="dark", series=marks_series("silent"), threshold=50),
    AlarmSpec(name="tail", series=lambda_series("Duration", "hours"), statistic="p99", threshold=1e6),
    AlarmSpec(name="both", kind="composite", rule='ALARM("high") AND NOT ALARM(low)'),
)
ALARM_SERIES = {marks_series("up"): Marks("0" * 400 + "000X"), marks_series("down"): Marks("0" * 400 + "XXX0")}


def tiny_world() -> World:
    here = (TENANT, REGION)
    roles = (
        Role(arn=ROLE, account=TENANT, external_id="opsbot-demo"),
        Role(arn=OPEN_ROLE, account=TENANT, external_id=None),
    )
    return World(
        seed=1,
        caller_account=CALLER,
        environments=(),
        signals={(CALLER, REGION): SERIES, here: {**SERIES, **ALARM_SERIES}},
        inventory={},
        alarm_specs={here: ALARMS},
        roles={role.arn: role for role in roles},
        incidents=(),
        decoys=(),
        settle_delays={"AWS/Lambda": SETTLE, "Test/Marks": SETTLE, "CWAgent": 0},
        regions_off=frozenset({(CALLER, OFF)}),
    )


def many_series(count: int) -> World:
    """The tiny world with as many more series in the caller's account."""
    more = {lambda_series("Invocations", f"fn-{n:05d}"): Hours() for n in range(count)}
    return replace(tiny_world(), signals={(CALLER, REGION): {**SERIES, **more}})


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


MOTO = frozenset({("sqs", "CreateQueue"), ("sqs", "ListQueues"), ("s3", "CreateBucket"), ("s3", "PutObject")})


@dataclass
class Aws:
    """A running embedded AWS and clients for it that do not retry."""

    running: Running
    clock: Clock
    _clients: dict[tuple[str, str, str, int], Any] = field(default_factory=dict)
    _tenant_key: str = ""

    def client(self, service: str, *, key: str = "demo", region: str = REGION, attempts: int = 1) -> Any:
        wanted = (service, key, region, attempts)
        if wanted not in self._clients:
            self._clients[wanted] = self._new_client(*wanted)
        return self._clients[wanted]

    def _new_client(self, service: str, key: str, region: str, attempts: int) -> Any:
        return BOTO.client(
            service,
            endpoint_url=self.running.url,
            config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}, parameter_validation=False),
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key="secret",
            aws_session_token="token" if key.startswith("ASIA") else None,
        )

    def heal(self) -> None:
        """Back to the beginning: no faults, quotas or published data, nothing counted, the clock at NOW."""
        fresh = State()
        for part in ("published", "faults", "tally"):
            setattr(self.running.state, part, getattr(fresh, part))
        self.running.state.limits = Limits(enabled=False)
        self.clock.at = NOW

    def tenant_client(self, service: str) -> Any:
        """A client with the credentials of the tenant's open role."""
        if not self._tenant_key:
            issued = self.client("sts").assume_role(RoleArn=OPEN_ROLE, RoleSessionName="tests")["Credentials"]
            self._tenant_key = issued["AccessKeyId"]
        return self.client(service, key=self._tenant_key)


def start(world: World, handlers: dict[tuple[str, str], Handler] | None = None) -> Aws:
    clock = Clock()
    running = serve(world, now=clock, handlers=handlers or {}, moto_operations=MOTO)
    running.state.limits.enabled = False
    return Aws(running, clock)
