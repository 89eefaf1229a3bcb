"""Log lines, counted where they lie: what is asked of Logs Insights, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.ports.cloud import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroup:
    """One group as the region names it. `stored_bytes` and `kept_seconds` (retention, or its age where that is shorter)
    say how much a window of it may hold; None where AWS told neither."""

    name: str
    stored_bytes: float | None = None
    kept_seconds: float | None = None

    def bytes_in(self, seconds: float) -> float:
        """What a scan of so many seconds reads, if its lines come evenly: a guess, and 0 where nothing is known."""
        if self.stored_bytes is None:
            return 0.0
        return self.stored_bytes * min(1.0, seconds / self.kept_seconds) if self.kept_seconds else self.stored_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """One Logs Insights query over groups of one region. `text` is in its language; at most `limit` rows come back."""

    environment: Environment
    region: str
    window: Period
    groups: tuple[LogGroup, ...]
    text: str
    limit: int = 10_000

    @property
    def bytes(self) -> float:
        """What it is expected to scan."""
        return sum(group.bytes_in(self.window.length.total_seconds()) for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAnswer:
    """`rows` are untrusted text by column; `gaps` say of groups why they were not read; `bytes` is what was scanned."""

    query: LogQuery
    rows: tuple[Mapping[str, str], ...] = ()
    gaps: Mapping[str, str] = field(default_factory=dict)
    bytes: float = 0.0


class Logs(Protocol):
    """Logs Insights, billed by what it scans. A group that fails never stops another: it comes back as a gap."""

    def estimate_logs(self, asks: Sequence[LogQuery]) -> Estimate:
        """The price of `ask_logs(asks)`, from what the groups store: pure, asks AWS nothing."""

    def ask_logs(self, asks: Sequence[LogQuery]) -> Iterator[LogAnswer]:
        """One answer for each query, as they are ready. What would cost more than is allowed is not asked: the dearest
        queries come back as gaps that say so."""
