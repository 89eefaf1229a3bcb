"""Everything impure, as protocols; one conformance suite per port in `tests/contracts/`, run for every adapter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from opsbot.model.environment import Environment, Labels
from opsbot.model.finding import Finding
from opsbot.model.message import Delivery, Format, Message
from opsbot.model.period import Period
from opsbot.model.resource import Inventory
from opsbot.model.run import Run, Usage
from opsbot.model.status import Status
from opsbot.samples import Grid


class MetricQuery(NamedTuple):
    """One CloudWatch series: equal queries are asked once, however many checks want them. `period` in seconds.

    A tuple, because a plan of 50 accounts hashes these a million times.
    """

    namespace: str
    name: str
    dimensions: Labels
    statistic: str
    period: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Series wanted from one region of one environment over one window. Queries may repeat; they are asked once."""

    environment: Environment
    region: str
    window: Period
    queries: tuple[MetricQuery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The answer to one Ask for one period length: `rows` says where a query stands in `grid`, `gaps` why it could not be read.

    Every query of that period is in exactly one of the two. A series that exists but had no points is a row of NaN.
    """

    ask: Ask
    grid: Grid
    rows: Mapping[MetricQuery, int]
    gaps: Mapping[MetricQuery, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a plan will cost before it runs. `calls` by `service:Operation`; `metrics` as CloudWatch bills them."""

    calls: tuple[tuple[str, int], ...]
    metrics: int
    datapoints: int
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomMetric:
    """A metric whose dimensions cannot be derived from a describe call: found by listing its namespace."""

    namespace: str
    name: str
    dimensions: tuple[str, ...]


class Cloud(Protocol):
    """AWS, read only. One failing account, region or service never stops another: it comes back as a Gap."""

    def inventory(
        self, environments: Sequence[Environment], kinds: frozenset[str], custom: frozenset[CustomMetric], now: datetime
    ) -> Iterator[Inventory]:
        """What these environments hold, one Inventory each, as they are ready. `kinds` are resource kinds; `custom` metrics
        to be listed (their resources have the kind `metric:<namespace>/<name>`). Never raises CloudError for one environment."""

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        """The price of `read(asks)`: pure, asks AWS nothing."""

    def read(self, asks: Sequence[Ask]) -> Iterator[tuple[Reading, ...]]:
        """One tuple of Readings (one per period length) for each Ask, as they are ready. Raises PlanTooDear before the first call."""

    def usage(self) -> Usage:
        """What this object has asked so far."""


class History(Protocol):
    """What was found before."""

    def statuses(self, job: str) -> Mapping[str, Status]:
        """The last known status by finding key; absent means OK or never seen."""


class Channel(Protocol):
    """A way to reach people. Makes one attempt; retries are the outbox's business."""

    @property
    def format(self) -> Format: ...

    @property
    def to(self) -> str:
        """Whom it reaches, for people: `#ops`, `ops@example.org`."""

    @property
    def sender(self) -> str:
        """The address its letters come from; "" where there is none."""

    def send(self, message: Message, thread: str) -> str:
        """Hand over the bytes; what the peer calls it (may be ""). `thread` is the provider id to reply under, or "".
        Raises DeliveryError."""

    def check(self) -> None:
        """Ask the peer whether it would take a message, without sending one. Raises DeliveryError."""

    def find(self, message: Message) -> str | None:
        """Look whether it arrived, after an attempt that may have: the provider id, "" if it did not, None if nobody can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A rendered report kept in the archive: `format` is json, text, html, slack or email."""

    run_id: str
    format: str
    body: bytes


class Store(Protocol):
    """Runs, findings, messages and reports; one transaction a run."""

    def begin(self, run: Run) -> None:
        """Note that a run has started."""

    def commit(
        self, run: Run, findings: Sequence[Finding], messages: Sequence[Message], artifacts: Sequence[Artifact]
    ) -> None:
        """The run's end, its findings, what must be told and what was rendered: all of it or nothing."""

    def claim(
        self, now: datetime, lease_seconds: float, *, run_id: str | None = None, without: Collection[str] = ()
    ) -> Message | None:
        """The next message due, marked SENDING under a lease; only the oldest unsent of a channel and key, of this run,
        and of channels not in `without`. A message whose lease ran out comes back with `attempts` already counted, so
        that its sender looks before it sends again."""

    def settle(
        self,
        message: Message,
        state: Delivery,
        *,
        now: datetime,
        provider_id: str = "",
        error: str = "",
        not_before: datetime | None = None,
        also: Sequence[Message] = (),
        hold_channel: bool = False,
    ) -> None:
        """How the attempt ended; QUEUED with `not_before` to try again later, and with `hold_channel` nothing of that channel
        before then. `also` are messages to be queued in the same transaction."""

    def messages(self, *, run_id: str | None = None, states: Sequence[Delivery] = ()) -> tuple[Message, ...]: ...

    def message(self, id: str) -> Message | None: ...

    def runs(self, *, job: str | None = None, limit: int = 50) -> tuple[Run, ...]: ...

    def run(self, id: str) -> Run | None:
        """By id or by an unambiguous beginning of it."""

    def artifacts(self, run_id: str) -> tuple[Artifact, ...]: ...

    def findings(self, run_id: str) -> tuple[Finding, ...]: ...

    def history(self) -> History: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything impure in one place: tests build one, `app` builds the real one."""

    cloud: Cloud
    channels: Mapping[str, Channel]
    store: Store
    now: Callable[[], datetime]


Progress = Callable[[str, int, int], None]


def quiet(label: str, done: int, total: int) -> None:
    """Progress for nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What `observe` needs of the outside: a job's Context is built around one."""

    cloud: Cloud
    history: Mapping[str, Status] = field(default_factory=dict)
    progress: Progress = quiet
