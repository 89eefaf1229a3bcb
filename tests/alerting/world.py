"""A night on call: runs find things, time passes, people act, the outbox delivers; the clock moves when the story says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsbot.alerting import Book, Looked, Patience, Policy, Route, turn
from opsbot.compose import compose_notice
from opsbot.model.alert import Alert, Silence
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.message import Action, Delivery, Message
from opsbot.model.status import Priority, Status
from opsbot.model.units import Unit
from opsbot.ports import Channel, Step
from opsbot.store.sql import SqlStore
from tests.outbox.world import file, fresh

START = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
SHOP = Environment(name="shop-prod", regions=("eu-central-1",), tenant="shop", tier="production")
CHECKS = frozenset(("ecs-cpu", "rds-down", "disk"))
PAGE = Route(name="page", match=(("status", ("critical",)),), priority=Priority.P1, channels=("pager", "chat"))
CHAT = Route(name="chat", priority=Priority.P2, channels=("chat",))


def finding(status: Status | str, resource: str = "backend", **more: object) -> Finding:
    told: dict[str, object] = {
        "check": "ecs-cpu", "environment": "shop-prod", "title": "ECS CPU", "area": "ecs", "summary": f"{resource} at 93 %",
        "at": START, "unit": Unit.PERCENT,
    }  # fmt: skip
    return Finding(resource=resource, status=Status(status), **{**told, **more})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Heard:
    """One message that arrived."""

    channel: str
    action: Action
    subject: str
    key: str
    body: str
    status: Status

    @property
    def short(self) -> str:
        return f"{self.channel} {self.action}"


@dataclass
class Night:
    """`heard` collects what arrived; a story asserts on what came since the last look at it."""

    folder: Path
    routes: tuple[Route, ...] = (PAGE, CHAT)
    more: dict[str, object] = field(default_factory=dict)
    now: datetime = START
    heard: list[Heard] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        self.store: SqlStore = fresh()
        self.channels: dict[str, Channel] = {name: file(self.folder / name) for name in ("pager", "chat", "mail")}
        settings: dict[str, object] = {"routes": self.routes, "channels": frozenset(self.channels), **self.more}
        self.policy = Policy(**settings)  # type: ignore[arg-type]

    def look(self, *found: Finding, job: str = "health", whole: bool = False, checks: frozenset[str] = CHECKS) -> Step:
        """A run finds this, now."""
        seen = tuple(one if one.at != START else replace(one, at=self.now) for one in found)
        looked = Looked(
            job=job,
            at=self.now,
            findings=seen,
            environments={"shop-prod": SHOP},
            checks={"shop-prod": checks},
            whole=whole,
        )
        return self.store.alerts().turn(lambda book: self.step(book, looked))

    def sees(self, **resources: str) -> list[str]:
        """A run sees each resource so; everything due is delivered; what arrived."""
        self.look(*(finding(status, name) for name, status in resources.items()))
        return self.arrived()

    def passes(self, **length: float) -> list[str]:
        """Time goes by, and the daemon notices what is due; what arrived."""
        self.now += timedelta(**length)
        due = self.store.alerts().due()
        if due is not None and due <= self.now:
            self.store.alerts().turn(lambda book: self.step(book, None))
        return self.arrived()

    def step(self, book: Book, looked: Looked | None) -> Step:
        turned = turn(book, self.policy, self.now, self.new_id, looked)
        told = (compose_notice(one, self.channels[one.channel], "UTC") for one in turned.notices)
        return Step(turned=turned, messages=tuple(told))

    def new_id(self) -> str:
        self.number += 1
        return f"m{self.number:06}"

    def arrived(self) -> list[str]:
        """Deliver what is due; `channel action` of each, by channel, because each has its own order."""
        found = []
        while (message := self.store.claim(self.now, 60)) is not None:
            self.store.settle(message, Delivery.SENT, now=self.now)
            found.append(heard(message))
        found.sort(key=lambda one: ("pager", "chat", "mail").index(one.channel))
        self.heard += found
        return [one.short for one in found]

    @property
    def last(self) -> Heard:
        return self.heard[-1]

    @property
    def reasons(self) -> list[str]:
        """Why each message was sent, as it says itself."""
        return [one.body.partition("Why now: ")[2].partition(".\n")[0].partition(".\r")[0] for one in self.heard]

    def alerts(self) -> Sequence[Alert]:
        return self.store.alerts().all()

    def alert(self, resource: str = "backend") -> Alert:
        return next(one for one in self.alerts() if one.finding.resource == resource)

    def ack(self, resource: str = "backend", who: str = "ana") -> list[str]:
        self.store.alerts().acknowledge((f"shop-prod/ecs-cpu/{resource}",), who, "looking", self.now)
        return self.passes()

    def silence(self, hours: float = 2, until_resolved: bool = False, **match: str) -> str:
        made = Silence(
            id=f"sil-{self.new_id()}", match=tuple(match.items()), owner="ana", reason="restore", starts_at=self.now,
            ends_at=self.now + timedelta(hours=hours), until_resolved=until_resolved,
        )  # fmt: skip
        self.store.alerts().silence(made)
        self.passes()
        return made.id


def heard(message: Message) -> Heard:
    from email import message_from_bytes, policy

    body = message_from_bytes(message.body, policy=policy.SMTP).get_content()
    return Heard(
        channel=message.channel, action=message.action, subject=message.subject, key=message.key, body=body,
        status=message.status,
    )  # fmt: skip


def patient(**changes: object) -> Patience:
    return Patience(**changes)  # type: ignore[arg-type]
