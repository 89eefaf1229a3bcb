"""One embedded AWS for all stories, a Slack and a mail server per story, and opsbot as its user runs it: a process.

Most of these processes are forked from one that has imported opsbot; what a story begins with `started` is begun whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsbot.replica import mail, scenario, slack
from opsbot.replica.server import Running, serve
from opsbot.replica.world import World
from tests.recording.suite import surroundings
from tests.stories.opener import Opener, opened

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def world() -> World:
    return scenario.load(scenario.SHIPPED, anchor=NOW)


@pytest.fixture(scope="session")
def aws_process(world: World) -> Iterator[Running]:
    with serve(world, now=lambda: NOW) as running:
        yield running


@pytest.fixture
def aws(aws_process: Running) -> Iterator[Running]:
    """The embedded AWS, without the faults that the story before it asked for; unknown operations fail the story."""
    yield aws_process
    request = urllib.request.Request(f"{aws_process.url}/_control/faults", method="DELETE")
    urllib.request.urlopen(request).read()
    assert aws_process.unknown == []


@pytest.fixture(scope="session")
def opener() -> Iterator[Opener]:
    with opened() as found:
        yield found


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


@dataclass(frozen=True)
class House:
    """A home on disk whose AWS, Slack and mail are on loopback."""

    path: Path
    aws: Running
    opener: Opener

    def opsbot(self, *words: str) -> Told:
        with tempfile.TemporaryDirectory() as folder:
            code = self.opener.run(["--home", str(self.path), *words], self._env, Path(folder))
            out, err = (Path(folder, name).read_text(encoding="utf-8") for name in ("out", "err"))
        assert "Traceback" not in err, err
        return Told(code, out, err)

    def started(self, *words: str) -> Told:
        """The same, without any shortcut."""
        command = [sys.executable, "-m", "opsbot", "--home", str(self.path), *words]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True)
        assert "Traceback" not in done.stderr, done.stderr
        return Told(done.returncode, done.stdout, done.stderr)

    @property
    def _env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "OPSBOT_DEMO_EXTERNAL_ID": "opsbot-demo",
            "SLACK_BOT_TOKEN": "xoxb-loopback",
            **surroundings(),
        }

    def fault(self, **rule: object) -> None:
        """Ask the embedded AWS to misbehave."""
        body = json.dumps([rule]).encode()
        request = urllib.request.Request(f"{self.aws.url}/_control/faults", data=body, method="POST")
        urllib.request.urlopen(request).read()


@pytest.fixture
def house(tmp_path: Path, aws: Running, world: World, opener: Opener) -> House:
    (tmp_path / "config.toml").write_text(scenario.opsbot_config(world), encoding="utf-8")
    return House(path=tmp_path, aws=aws, opener=opener)


@pytest.fixture
def slack_server() -> Iterator[slack.Running]:
    with slack.serve() as running:
        yield running


@pytest.fixture
def mail_server() -> Iterator[mail.Running]:
    with mail.serve() as running:
        yield running


def channels(slack_server: slack.Running, mail_server: mail.Running) -> str:
    """The part of config.toml that makes the health check report to Slack and by mail."""
    return f"""
[jobs.daily_health]
channels = ["ops-slack", "managers"]

[channels.ops-slack]
kind = "slack"
token = "env:SLACK_BOT_TOKEN"
channel = "C0OPS"
base_url = "{slack_server.url}/api/"

[channels.managers]
kind = "email"
via = "smtp"
host = "127.0.0.1"
port = {mail_server.port}
tls = "none"
from = "opsbot@example.org"
to = ["ops@example.org", "lead@example.org"]
"""


@pytest.fixture
def telling(house: House, slack_server: slack.Running, mail_server: mail.Running) -> House:
    """The same home with a Slack and a mail channel that the health check reports to."""
    with (house.path / "config.toml").open("a", encoding="utf-8") as out:
        out.write(channels(slack_server, mail_server))
    return house
