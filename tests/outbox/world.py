"""What the outbox's tests share: messages, a clock that only waiting moves, and channels to loopback peers."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path

from opsbot import channels
from opsbot.aws.notify import Sns
from opsbot.model.message import Format, Message
from opsbot.model.run import Run, RunState
from opsbot.ports import Channel, Store
from opsbot.probes import guard
from opsbot.replica import pagerduty as pager
from opsbot.store import open_store
from opsbot.store.engine import connect
from opsbot.store.sql import SqlStore

START = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Moves only when somebody waits, and remembers for how long."""

    moment: datetime = START
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.moment += timedelta(seconds=seconds)


@cache
def _empty() -> bytes:
    """A migrated, empty database, made once: migrating costs a test more than all the rest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        open_store(f"sqlite:///{path}").close()
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode=DELETE")
        return path.read_bytes()


def fresh(path: Path | None = None) -> SqlStore:
    """An empty store in memory, or in a file."""
    if path is not None:
        path.write_bytes(_empty())
        return open_store(f"sqlite:///{path}")
    engine = connect("sqlite://")
    driver = engine.raw_connection().driver_connection
    assert driver is not None
    driver.deserialize(_empty())
    return SqlStore(engine)


def body(format_: Format, id: str, text: str = "hello") -> bytes:
    if format_ is Format.EVENT:
        payload = {"summary": text, "source": "shop-prod", "severity": "error"}
        return json.dumps({"event_action": "trigger", "dedup_key": id, "payload": payload}).encode()
    if format_ is Format.TEXT:
        return json.dumps({"default": text, "sms": text}).encode()
    if format_ is Format.JSON:
        return json.dumps({"schema": "opsbot.words/1", "text": text}).encode()
    if format_ is Format.SLACK:
        return json.dumps(
            {"text": text, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]}
        ).encode()
    letter = EmailMessage(policy=policy.SMTP)
    letter["Subject"], letter["From"], letter["To"] = text, "opsbot@example.org", "ops@example.org"
    letter["Message-ID"] = f"<{id}@example.org>"
    letter.set_content(text)
    return letter.as_bytes()


def message(id: str, channel: str, format_: Format = Format.SLACK, **changes: object) -> Message:
    told: dict[str, object] = {"key": id, "to": "", "subject": f"about {id}", "created_at": START, "run_id": "run-1"}
    return Message(id=id, channel=channel, body=body(format_, id), **told | changes)  # type: ignore[arg-type]


def run(id: str = "run-1", **changes: object) -> Run:
    told: dict[str, object] = {
        "job": "daily_health",
        "queued_at": START,
        "started_at": START,
        "at": START,
        "state": RunState.SUCCEEDED,
    }
    return Run(id=id, **told | changes)  # type: ignore[arg-type]


def queue(store: Store, *messages: Message, run_id: str = "run-1") -> None:
    store.commit(run(run_id), (), messages, ())


def slack(url: str, **changes: object) -> Channel:
    table = {"kind": "slack", "token": "env:TOKEN", "channel": "C0123456", "name": "#ops", "base_url": f"{url}/api/"}
    return _channel("slack", {**table, **changes}, "xoxb-loopback")


def email(port: int, to: Sequence[str] = ("ops@example.org",), secret: str = "", **changes: object) -> Channel:
    table = {"kind": "email", "from": "opsbot@example.org", "to": list(to), "host": "127.0.0.1", "port": port}
    return _channel("email", {**table, "tls": "none", **changes}, secret)


def file(folder: object, format_: str = "email") -> Channel:
    return _channel("file", {"kind": "file", "folder": str(folder), "format": format_}, "")


def pagerduty(url: str, key: str = pager.KEY, **changes: object) -> Channel:
    table = {"kind": "pagerduty", "routing_key": "env:KEY", "name": "ops service", "url": url, "max_per_minute": 0}
    return _channel("pagerduty", {**table, **changes}, key)


def webhook(
    url: str, secret: str = "shared", now: Callable[[], datetime] = lambda: START, **changes: object
) -> Channel:
    table = {"kind": "webhook", "url": url, "secret": "env:SECRET", "allow_private": True}
    return _channel("webhook", {**table, **changes}, secret, now)


def sns(publisher: Sns | None = None, **table: object) -> Channel:
    given = {"kind": "sns", "max_per_minute": 0, **table}
    named = given if "phone" in given else {"topic": TOPIC, **given}
    settings, problems = channels.decode("sns", named)
    assert settings is not None, problems
    return channels.build("sns", settings, str, sns=publisher or Sns())


TOPIC = "arn:aws:sns:eu-central-1:123456789012:ops"


def _channel(name: str, table: dict[str, object], secret: str, now: Callable[[], datetime] = lambda: START) -> Channel:
    settings, problems = channels.decode(name, table)
    assert settings is not None, problems
    return channels.build(name, settings, lambda _reference: secret, guard=guard.verdict, now=now)
