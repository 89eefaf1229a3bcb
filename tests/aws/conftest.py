"""One embedded AWS for all tests of the adapter, and a scripted CloudWatch for answers no AWS would give on request."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from opsbot.aws import Aws
from opsbot.model.environment import Environment
from opsbot.replica import scenario
from opsbot.replica.server import Running, serve
from opsbot.replica.world import EnvironmentSpec, World

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def world() -> World:
    return scenario.load(scenario.SHIPPED)


@pytest.fixture(scope="session")
def replica(world: World) -> Iterator[Running]:
    with serve(world, now=lambda: NOW) as running:
        yield running


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@dataclass(frozen=True)
class Cloud:
    """The embedded AWS, without the faults that the test before asked for."""

    url: str
    running: Running

    def fails(self, *rules: dict[str, Any]) -> None:
        self._control("POST", "faults", list(rules))

    def heal(self) -> None:
        self._control("DELETE", "faults", None)

    def _control(self, method: str, what: str, document: object) -> None:
        body = None if document is None else json.dumps(document).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/_control/{what}", data=body, method=method)).close()


@pytest.fixture
def cloud(replica: Running, signed_in: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", replica.url)
    known = len(replica.unknown)
    cloud = Cloud(replica.url, replica)
    yield cloud
    cloud.heal()
    assert replica.unknown[known:] == []


@pytest.fixture
def aws() -> Iterator[Aws]:
    with Aws(secrets=lambda reference: "opsbot-demo", attempts=2) as aws:
        yield aws


def environment(spec: EnvironmentSpec) -> Environment:
    """An environment of the scenario as a configuration would name it."""
    return Environment(
        name=spec.name,
        regions=spec.regions,
        account_id=spec.account,
        tenant=spec.tenant,
        tier=spec.tier,
        role_arn=f"arn:aws:iam::{spec.account}:role/opsbot",
        external_id="env:EXTERNAL_ID" if spec.external_id else None,
    )


@pytest.fixture
def environments(world: World) -> dict[str, Environment]:
    return {spec.name: environment(spec) for spec in world.environments}


Answer = tuple[int, bytes]


@dataclass
class Script:
    """A CloudWatch that answers GetMetricData as told: `answers` in turn, the last one for ever; or by a function."""

    url: str = ""
    answers: list[Answer | Callable[[dict[str, Any]], Answer]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, request: dict[str, Any]) -> Answer:
        with self.lock:
            self.asked.append(request)
            told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return told(request) if callable(told) else told


@pytest.fixture
def script(signed_in: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = script.answer(request)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The test's output stays its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", script.url)
    yield script
    server.shutdown()
    server.server_close()
    thread.join()
