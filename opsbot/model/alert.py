"""What opsbot keeps of a trouble from its first sign to its end, and what it has told of it to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from opsbot.model.finding import Finding
from opsbot.model.message import Action
from opsbot.model.status import Priority, Status


class AlertState(StrEnum):
    """PENDING: too young to be told. RECOVERING: it looks well, and is not believed yet; to people it still fires."""

    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    RESOLVED = "resolved"


class ChangeKind(StrEnum):
    """What became of an alert. FLAPPING: it comes and goes so often that its coming and going is not told any more."""

    FIRED = "fired"
    WORSENED = "worsened"
    EASED = "eased"
    FLAPPING = "flapping"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of an alert, with the reason in words."""

    kind: ChangeKind
    reason: str
    before: AlertState | None
    after: AlertState


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Somebody has it in hand. It ends with the episode, or when the trouble becomes worse."""

    who: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One trouble: its key is its finding's, so severity is no part of it.

    `since` begins the unbroken breach, `seen_at` is the moment last judged, `changed_at` that of the last change of state.
    `episode` counts how often it began to fire. `streak` counts breaches in a row while it is pending. `recent` are the
    last judgements, oldest first: when, and whether it was a breach. While `flapping` it is held firing; `well` is what
    it last was in truth. `muted` says in words why nobody is told, "" if they are. `storm` names the storm it fired in.
    `job` is whose findings it comes from. `called` is the last episode in which it called for an incident.
    """

    finding: Finding
    state: AlertState
    since: datetime
    seen_at: datetime
    changed_at: datetime
    job: str = ""
    tenant: str = ""
    tier: str = ""
    episode: int = 0
    streak: int = 0
    fired_at: datetime | None = None
    recent: tuple[tuple[datetime, bool], ...] = ()
    flapping: bool = False
    well: bool = False
    ack: Ack | None = None
    muted: str = ""
    storm: str = ""
    called: int = 0

    @property
    def key(self) -> str:
        return self.finding.key

    @property
    def status(self) -> Status:
        return self.finding.status

    @property
    def fires(self) -> bool:
        """Whether people are to know of it."""
        return self.state in (AlertState.FIRING, AlertState.RECOVERING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nobody is told of new trouble that `match` fits, until `ends_at`; what was told before is closed out all the same.

    `match` are pairs of a name (environment, check, resource, tenant, tier, area, status, key, label.NAME) and a glob;
    all of them must fit. With `until_resolved` it ends with the last alert that fits. `ended_at`: it is over.
    """

    id: str
    match: tuple[tuple[str, str], ...]
    owner: str
    reason: str
    starts_at: datetime
    ends_at: datetime
    until_resolved: bool = False
    met: bool = False
    ended_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.ended_at is None and self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """More began to fire for one tenant than people can read; until it is over they go into one message a channel."""

    id: str
    tenant: str
    since: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """How one alert was told: as what, and in which of its episodes."""

    key: str
    episode: int
    status: Status
    flapping: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one channel was told of one group, named by its dedup key; `shared` is what its alerts have in common.

    `mentions` are in its last message, of the moment `at`. `before` and `before_at` are of the last one that left: those
    count while the last one waits still. Without `mentions` the last message is the close-out, and what it closes is
    remembered until it has left: what fires again meanwhile must not make it forgotten. `acked`: the channel knows that it
    is in hand; `before_acked`: the last message that left said so.
    """

    key: str
    channel: str
    tenant: str
    at: datetime
    opened_at: datetime
    message_id: str
    priority: Priority
    shared: tuple[tuple[str, str], ...] = ()
    repeat: timedelta | None = None
    mentions: tuple[Mention, ...] = ()
    before: tuple[Mention, ...] = ()
    before_at: datetime | None = None
    acked: bool = False
    before_acked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one channel is to be told of one group of alerts, and why just now.

    `key` is the same for all that is told of the group: the message's own key, a dedup key for systems that keep one.
    `group` are the pairs that its alerts share. `firing` and `over` are worst first and cut to what anybody reads;
    `fires` and `ended` count them all. `fresh` are keys that this notice is about. `not_before`: it may wait so long for
    more of its kind. `edits` is the id of the last notice of the same trouble: where a channel can, this one takes its place.
    `loud`: it is to be noticed even where it only takes a place. `anew`: whoever took the trouble in hand took less in hand,
    and is to be called as for a new one.
    """

    id: str
    key: str
    channel: str
    action: Action
    priority: Priority
    reason: str
    at: datetime
    status: Status
    group: tuple[tuple[str, str], ...] = ()
    tenant: str = ""
    storm: bool = False
    opened_at: datetime | None = None
    firing: tuple[Alert, ...] = ()
    over: tuple[Alert, ...] = ()
    fires: int = 0
    ended: int = 0
    counts: tuple[tuple[str, int], ...] = ()
    fresh: frozenset[str] = field(default_factory=frozenset)
    ack: Ack | None = None
    not_before: datetime | None = None
    edits: str | None = None
    loud: bool = False
    anew: bool = False
