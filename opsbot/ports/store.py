"""What is kept of runs: findings, messages and reports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from opsbot.model.actor import Actor
from opsbot.model.finding import Finding
from opsbot.model.message import Delivery, Intervention, Message, Outage, Standing, Try
from opsbot.model.run import Run
from opsbot.model.status import Priority, Status
from opsbot.ports.alerts import Alerts, Turn
from opsbot.ports.ledger import Ledger


class History(Protocol):
    """What was found before."""

    def statuses(self, job: str) -> Mapping[str, Status]:
        """The last known status by finding key; absent means OK or never seen."""


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
        self,
        run: Run,
        findings: Sequence[Finding],
        messages: Sequence[Message],
        artifacts: Sequence[Artifact],
        turn: Turn | None = None,
        cards: Sequence[Standing] = (),
    ) -> None:
        """The run's end, its findings, what must be told, what was rendered, with `turn` what becomes of the alerts, and
        what changes on `cards`: all of it or nothing.

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

    def stranded(self, waits: Mapping[Priority, timedelta], now: datetime) -> tuple[Message, ...]:
        """Pages that wait for as long as their priority may, because their channel takes nothing, the oldest first; but
        none that `detour` has told."""

    def detour(self, message: Message, notice: Message) -> bool:
        """Queue the notice, whose id is the message's and `.elsewhere`, unless that was done, or the message has left."""

    def is_late(self, channel: str, since: datetime) -> bool:
        """Whether first messages of a channel wait since before then, for an outage or because nobody sent."""

    def bundle(self, channel: str, late_since: datetime, cover: Callable[[Sequence[Message]], Message]) -> str:
        """Put those messages, oldest first, and their threads into one thread under a cover; the cover's id or ""."""

    def messages_due(self, now: datetime) -> Mapping[str, datetime]:
        """By channel: when the next message may be tried. The outbox is empty if there is none. At once for what a sender
        holds whose clock was ahead."""

    def retry(
        self, ids: Sequence[str], who: str, now: datetime, reason: str = "", actor: Actor | None = None
    ) -> tuple[str, ...]:
        """A person wants these tried at once, those given up on too; the ids of those that were not sent or superseded."""

    def drop(
        self, ids: Sequence[str], who: str, reason: str, now: datetime, actor: Actor | None = None
    ) -> tuple[str, ...]:
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

    def alerts(self) -> Alerts: ...

    def ledger(self) -> Ledger: ...
