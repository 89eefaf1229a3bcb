"""Everything impure, as protocols; one conformance suite per port in `tests/contracts/`, run for every adapter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from opsbot.model.environment import Environment, Labels
from opsbot.model.finding import Finding
from opsbot.model.message import Delivery, Format, Intervention, Message, Outage, Try
from opsbot.model.period import Period
from opsbot.model.resource import Inventory
from opsbot.model.run import Attempt, Run, RunState, Usage
from opsbot.model.status import Status
from opsbot.model.timetable import Clockwork, Overlap, Worker
from opsbot.model.uptime import Bucket, Certified, Flip, Sample, Standing
from opsbot.probing import Probe

if TYPE_CHECKING:
    # The daemon imports this module and must not pay for numpy.
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

    @property
    def pace(self) -> float:
        """Least seconds between two messages; 0 is as fast as it goes."""

    @property
    def patience(self) -> float:
        """Seconds for which one request may be under way: so long an answer may still come."""

    @property
    def readable(self) -> bool:
        """Whether `find` can tell what arrived, its rights permitting."""

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
        """Note that a run by hand has started; those of the ledger are begun by `Ledger.claim`."""

    def commit(
        self, run: Run, findings: Sequence[Finding], messages: Sequence[Message], artifacts: Sequence[Artifact]
    ) -> None:
        """The run's end, its findings, what must be told and what was rendered: all of it or nothing.

        Raises Fenced when the run is no longer RUNNING at this attempt: somebody else has it, or it was given up."""

    def claim(
        self, now: datetime, lease_seconds: float, *, run_id: str | None = None, without: Collection[str] = ()
    ) -> Message | None:
        """The next message due, marked SENDING under a lease; only the oldest unsent of a channel and key, of this run,
        and of channels that are not in `without` and take something. The worst leaves first. A message whose lease ran
        out comes back with `attempts` already counted, so that its sender looks before it sends again."""

    def claim_of(
        self, channel: str, now: datetime, lease_seconds: float, *, pace: float = 0.0, limit: int = 1
    ) -> tuple[Message, ...]:
        """The next messages of one channel, all of different lines; with a `pace` one, and none before so many seconds
        have passed, whoever asks."""

    def renew(self, held: Mapping[str, int], now: datetime, lease_seconds: float) -> frozenset[str]:
        """Hold these messages (id -> attempts) for longer; the ids of those that are somebody else's by now."""

    def release(self, messages: Sequence[Message]) -> None:
        """Give back what was claimed and not begun, as if it had never been claimed."""

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
        outage: Outage | None = None,
        body: bytes | None = None,
    ) -> None:
        """How the attempt ended; QUEUED or HELD with `not_before` to try again later, and with `hold_channel` nothing of that
        channel before then. `also` are messages to be queued in the same transaction, `body` is sent from now on. With an
        `outage` the channel is asked again at its `opens_at`; SENT ends one. Changes nothing for whoever lost the lease,
        unless it was SENT: that is a fact whoever says it."""

    def settle_sent(self, sent: Sequence[tuple[Message, str]], *, now: datetime) -> None:
        """Several at once, each with its provider id."""

    def note_outage(self, outage: Outage) -> None:
        """A channel was asked without a message and takes nothing."""

    def outages(self) -> tuple[Outage, ...]:
        """The channels that take nothing at the moment, the longest first."""

    def tell_outage(self, channel: str, notices: Sequence[Message], now: datetime) -> bool:
        """Queue notices of a channel's outage, unless that was done before: once until it takes something again, which
        also takes back the notice that has not left."""

    def is_late(self, channel: str, since: datetime) -> bool:
        """Whether first messages of a channel wait since before then, for an outage or because nobody sent."""

    def bundle(self, channel: str, late_since: datetime, cover: Callable[[Sequence[Message]], Message]) -> str:
        """Put those messages, oldest first, and their threads into one thread under a cover; the cover's id or ""."""

    def messages_due(self) -> Mapping[str, datetime]:
        """By channel: when the next message may be tried. The outbox is empty if there is none."""

    def retry(self, ids: Sequence[str], who: str, now: datetime, reason: str = "") -> tuple[str, ...]:
        """A person wants these tried at once, those given up on too; the ids of those that were not sent or superseded."""

    def drop(self, ids: Sequence[str], who: str, reason: str, now: datetime) -> tuple[str, ...]:
        """A person says that these need not be told; the ids of those that were waiting or given up on."""

    def reopen(self, channels: Collection[str]) -> None:
        """Ask these channels again at once, unless they themselves said when."""

    def messages(
        self,
        *,
        run_id: str | None = None,
        states: Sequence[Delivery] = (),
        channel: str | None = None,
        key: str | None = None,
        limit: int | None = None,
    ) -> tuple[Message, ...]:
        """Oldest first."""

    def message(self, id: str) -> Message | None: ...

    def tries(self, message_id: str) -> tuple[Try, ...]: ...

    def interventions(self, message_id: str) -> tuple[Intervention, ...]: ...

    def runs(self, *, job: str | None = None, limit: int = 50) -> tuple[Run, ...]: ...

    def run(self, id: str) -> Run | None:
        """By id or by an unambiguous beginning of it."""

    def artifacts(self, run_id: str) -> tuple[Artifact, ...]: ...

    def findings(self, run_id: str) -> tuple[Finding, ...]: ...

    def ok_findings(self, run_id: str) -> int:
        """How many findings of a run were OK: those are counted, not kept."""

    def history(self) -> History: ...

    def ledger(self) -> Ledger: ...


class Ledger(Protocol):
    """Which runs there are and who has them: the one truth for any number of daemons and task-queue workers.

    Every method is one transaction and raises StoreError.
    """

    def clockworks(self) -> Mapping[str, Clockwork]:
        """By job; jobs never planned are absent."""

    def plan(self, clockwork: Clockwork, runs: Sequence[Run]) -> tuple[Run, ...]:
        """Insert these runs (QUEUED or SKIPPED, each with `scheduled_for`), those whose fire is a row already left out,
        and move the job's cursor on, never back. What was inserted."""

    def add(self, run: Run) -> None:
        """Queue a run by hand, for a daemon to take."""

    def claim(
        self,
        worker: str,
        now: datetime,
        lease_seconds: float,
        overlaps: Mapping[str, Overlap],
        *,
        run_id: str | None = None,
        attempt: int | None = None,
    ) -> Run | None:
        """The oldest due QUEUED run of the jobs in `overlaps`, now RUNNING at `attempt` + 1 and owned by `worker`.

        What a job's overlap rule does to runs that meet one at work is done here (`opsbot.timetable.overlapping`):
        skipped ones become rows with the reason, ones to be cancelled show up in `beat`. With `run_id` and `attempt`
        (the one to be made) only that very run, as a message of a task queue asks for it."""

    def beat(self, worker: Worker, runs: Mapping[str, int], lease_seconds: float) -> Mapping[str, str]:
        """Say that `worker` lives and holds these runs (id -> attempt); their leases are renewed. Those it must end, with
        the reason: taken by another, or cancelled."""

    def end(self, run: Run, attempt: Attempt, again: datetime | None = None) -> bool:
        """How an attempt ended: what the process group used, and for one that did not commit its own end, its state and
        reason. With `again` it is QUEUED for then. False, and nothing changed, if the run is held by another by now."""

    def expired(self, now: datetime) -> tuple[Run, ...]:
        """RUNNING runs whose lease ran out: their worker is dead or stands still."""

    def cancel(self, run_id: str, reason: str, now: datetime) -> RunState | None:
        """A queued one is CANCELLED at once; a running one is told at its worker's next beat. The state it had."""

    def pause(self, job: str, until: datetime | None, who: str, reason: str, now: datetime) -> None:
        """No fires of this job become runs before `until`; None resumes at once, and what passed is not replayed."""

    def attempts(self, run_id: str) -> tuple[Attempt, ...]: ...

    def last(self, job: str, limit: int) -> tuple[Run, ...]:
        """The newest ended runs of a job that were begun, newest first."""

    def workers(self, since: datetime) -> tuple[Worker, ...]:
        """Those that have been heard of since then."""

    def due(self, now: datetime) -> datetime | None:
        """When the next queued run may start: `now` or earlier if one waits already."""


class Uptime(Protocol):
    """What probes said over time. Raises StoreError."""

    def record(self, samples: Sequence[Sample], standings: Sequence[Standing], flips: Sequence[Flip]) -> None:
        """A batch of samples with what they changed, in one transaction."""

    def account(self, buckets: Sequence[Bucket]) -> None:
        """Add what was asked and not sampled (`missing`, `excused`) to the finest buckets."""

    def roll_up(self, now: datetime) -> None:
        """Raw samples into 5-minute buckets, those into hours; and forget what is past its retention. Idempotent."""

    def samples(self, probe: str, period: Period) -> tuple[Sample, ...]: ...

    def buckets(
        self, period: Period, length: timedelta, probes: Collection[str] | None = None
    ) -> Mapping[str, tuple[Bucket, ...]]:
        """By probe, oldest first; `length` is 5 minutes, an hour or a day. Today's not yet rolled up are included."""

    def standings(self) -> Mapping[str, Standing]: ...

    def untold(self) -> tuple[Flip, ...]:
        """Flips that no run has taken up yet, oldest first."""

    def told(self, flips: Sequence[Flip]) -> None:
        """These were taken up."""

    def certify(self, shown: Sequence[Certified]) -> None:
        """Keep the certificate that each of these probes was shown last; the newest of a probe wins."""

    def certificates(self) -> Mapping[str, Certified]:
        """By probe; those that were never shown one are absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything impure in one place: tests build one, `app` builds the real one."""

    cloud: Cloud
    channels: Mapping[str, Channel]
    store: Store
    now: Callable[[], datetime]
    uptime: Uptime | None = None
    probes: tuple[Probe, ...] = ()


Progress = Callable[[str, int, int], None]


def quiet(label: str, done: int, total: int) -> None:
    """Progress for nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """What `observe` and `probed` need of the outside: a job's Context is built around one. `probes` are those of the
    environments that were asked for, `uptime` what they said; None where nothing is kept."""

    cloud: Cloud
    history: Mapping[str, Status] = field(default_factory=dict)
    progress: Progress = quiet
    uptime: Uptime | None = None
    probes: tuple[Probe, ...] = ()
