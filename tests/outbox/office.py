"""An office for the stories of the outbox: a store, a Slack and a mailbox that misbehave on request, and a clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from opsbot.model.message import Message
from opsbot.outbox import deliver, troubles
from opsbot.ports import Channel
from opsbot.replica import mail, slack
from opsbot.store.sql import SqlStore
from tests.outbox.world import Clock

HOUR = timedelta(hours=1)


@dataclass
class Office:
    """A store, a Slack and a mailbox, and a clock that the outbox waits on."""

    store: SqlStore
    slack: slack.Running
    mail: mail.Running
    channels: dict[str, Channel]
    clock: Clock

    def drain(self, wait: timedelta | None = HOUR, only_run: str | None = None) -> dict[str, str]:
        """What became of the messages tried, waiting for as long as `wait`."""
        until = None if wait is None else self.clock.now() + wait
        told = deliver(
            self.store, self.channels, now=self.clock.now, wait=self.clock.wait, until=until, only_run=only_run
        )
        return {tried.id: str(tried.state) for tried in told}

    def get(self, id: str) -> Message:
        found = self.store.message(id)
        assert found is not None
        return found

    @property
    def troubles(self) -> tuple[str, ...]:
        return troubles(self.store, self.clock.now())

    @property
    def posted(self) -> list[str]:
        return [post.outbox_id for post in self.slack.slack.posts]

    @property
    def mailed(self) -> list[tuple[str, ...]]:
        return [letter.recipients for letter in self.mail.messages]
