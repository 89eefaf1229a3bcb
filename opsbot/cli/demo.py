"""`opsbot demo` and `opsbot aws-replica`: the whole path on loopback, without an account, a key or a network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from opsbot.cli import Options, demo_probes

_NEEDS = "the demo needs its extra packages; install them with: pip install 'opsbot[demo]'"


@click.command(short_help="See it work: embedded AWS, Slack and mail on loopback.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-output"), show_default=True)
@click.option("--at", metavar="TIME", help="Play it as if it were then. Default: now.")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another world than the shipped one.",
)
@click.option("--serve", is_flag=True, help="Then keep the daemon and its web page up, until Ctrl-C.")
def demo(out: Path, at: str | None, scenario: Path | None, serve: bool) -> int:
    """Start an embedded AWS, a Slack and a mail server on loopback, run the shipped jobs against them, tell both,
    and write every report to a folder. Ends by itself, unless it is told to serve.

    \b
    Examples:
      opsbot demo
      opsbot demo --serve
      opsbot demo --at 2026-11-20T07:00:00Z --out /tmp/demo
    """
    if serve and at:
        raise click.UsageError("--serve lives in the present: leave --at out")
    place = Stage(out=out.resolve(), at=_moment(at), scenario=scenario)
    place.clear()
    with place.peers() as peers:
        place.write_home(peers, page=_free_port(8080) if serve else None)
        with place.probing(peers) as probed:
            jobs = place.jobs()
            verdicts = [place.play(job, peers) for job in jobs if job != demo_probes.JOB]
            probed()
            verdicts += [place.play(job, peers) for job in jobs if job == demo_probes.JOB]
        _tell(place, verdicts)
        return place.serve(peers) if serve else 0


def _tell(place: Stage, verdicts: list[str]) -> None:
    click.echo()
    for line in verdicts:
        click.echo(line)
    click.echo(f"\nEvery report is in {_short(place.out)}:")
    for path in sorted(p for p in place.out.iterdir() if p.is_file()):
        click.echo(
            f"  {path.name:<28} {_PURPOSE.get(''.join(path.suffixes[-2:]) or path.suffix, _PURPOSE.get(path.suffix, ''))}"
        )
    click.echo(
        f"\nOpen {_short(place.out)}/weekly_report.html in a browser. The home that was used is {_short(place.out)}/home."
    )


_PURPOSE = {
    ".html": "the report as one file, light and dark",
    ".txt": "what a terminal shows",
    ".json": "for scripts: the contract's object",
    ".slack.json": "what Slack got",
    ".pagerduty.json": "the incidents that PagerDuty has open",
    ".eml": "the e-mail as it arrived",
    ".log": "what the embedded AWS said",
}


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _free_port(wanted: int) -> int:
    """This one, or another if somebody listens there already."""
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", wanted))
        except OSError:
            door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def _moment(text: str | None) -> datetime | None:
    from opsbot import app
    from opsbot.cli.moment import moment

    return moment(text, now=app.now(), zone="UTC", option="--at") if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Who opsbot talks to in the demo."""

    aws: str
    slack: Any
    mail: Any
    pager: Any
    targets: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The folder the demo plays in."""

    out: Path
    at: datetime | None
    scenario: Path | None

    @property
    def home(self) -> Path:
        return self.out / "home"

    def clear(self) -> None:
        """Start from nothing, so that what lies there afterwards is this demo's; only what a demo made is removed."""
        if (self.home / "config.toml").exists():
            shutil.rmtree(self.home)
        self.out.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def peers(self) -> Iterator[Peers]:
        from opsbot import app

        try:
            from opsbot.replica import mail, pagerduty, slack, targets
        except ImportError as error:
            raise click.ClickException(f"{_NEEDS} ({error.name} is missing)") from error
        with ExitStack() as stack:
            aws = stack.enter_context(_embedded_aws(self.scenario, self.at, self.out / "embedded-aws.log"))
            click.echo(f"embedded AWS   {aws}")
            chat = stack.enter_context(slack.serve())
            click.echo(f"Slack          {chat.url}")
            post = stack.enter_context(mail.serve())
            click.echo(f"mail           127.0.0.1:{post.port}")
            pager = stack.enter_context(pagerduty.serve())
            click.echo(f"PagerDuty      {pager.url}")
            # Probes live in the present: nobody can ask a target how it was then.
            sites = None if self.at else stack.enter_context(targets.serve(self._own_folder(), app.now()))
            if sites:
                click.echo(f"to be probed   {sites.plain}, {sites.secure}")
            yield Peers(aws=aws, slack=chat, mail=post, pager=pager, targets=sites)

    def _own_folder(self) -> Path:
        self.home.mkdir(parents=True, exist_ok=True)
        return self.home

    def jobs(self) -> list[str]:
        """Those that tell somebody: the others look at what the demo does not have, such as probes."""
        from opsbot import home

        found = home.find(self.home, {}, Path.cwd())
        told = found.config.read_text(encoding="utf-8")
        return [file.name for file in found.jobs() if f"[jobs.{file.name}]" in told]

    def serve(self, peers: Peers) -> int:
        """Be the daemon in the demo's home until somebody stops it; Ctrl-C reaches it by itself."""
        words = [sys.executable, "-m", "opsbot", "--home", str(self.home), "serve"]
        daemon = subprocess.Popen(words, env=self._environment(peers))
        signal.signal(signal.SIGTERM, lambda number, frame: daemon.terminate())
        while True:
            with suppress(KeyboardInterrupt):
                return daemon.wait()

    def write_home(self, peers: Peers, page: int | None = None) -> None:
        from opsbot.replica import scenario

        world = scenario.load(self.scenario or scenario.SHIPPED)
        self.home.mkdir(parents=True, exist_ok=True)
        text = scenario.opsbot_config(world) + _TELLING.format(
            slack=peers.slack.url, port=peers.mail.port, pager=peers.pager.url
        )
        text += demo_probes.tables(peers.targets, world.environments[0].name) if peers.targets else ""
        text += _SERVING.format(port=page) if page else ""
        (self.home / "config.toml").write_text(text, encoding="utf-8")
        resources = sum(len(found) for kinds in world.inventory.values() for found in kinds.values())
        click.echo(f"               {len(world.environments)} environments, {resources} resources")

    @contextmanager
    def probing(self, peers: Peers) -> Iterator[Callable[[], object]]:
        """Probe for a few seconds beside the other jobs; what is given waits for it."""
        from opsbot import home

        if not peers.targets:
            yield lambda: None
            return
        place = home.find(self.home, {}, Path.cwd())
        with ThreadPoolExecutor(1) as pool:
            yield pool.submit(demo_probes.probe, place).result

    def play(self, job: str, peers: Peers) -> str:
        """Run one job as its user would and keep what everybody got; the line that tells its verdict."""
        before, called = len(peers.slack.messages), len(peers.pager.pagerduty.events)
        told = self._opsbot(peers, "run", job, "--deliver", "--format", "json", *self._at())
        if not told.stdout:
            raise click.ClickException(f"{job} gave no answer (exit {told.returncode}): {told.stderr.strip()}")
        answer = json.loads(told.stdout)
        (self.out / f"{job}.json").write_text(told.stdout, encoding="utf-8")
        for format_, name in (("html", f"{job}.html"), ("text", f"{job}.txt")):
            self._opsbot(
                peers, "reports", "show", answer["run_id"], "--format", format_, "--output", str(self.out / name)
            )
        self._keep(job, peers, before)
        if len(peers.pager.pagerduty.events) > called:
            open_ = [{"key": one.key, "status": one.status, **one.payload} for one in peers.pager.pagerduty.open]
            shown = json.dumps(open_, indent=1, ensure_ascii=False)
            (self.out / f"{job}.pagerduty.json").write_text(shown + "\n", encoding="utf-8")
        return self._verdict(job, answer)

    def _opsbot(self, peers: Peers, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "opsbot", "--home", str(self.home), *words]
        return subprocess.run(command, env=self._environment(peers), capture_output=True, text=True)

    def _environment(self, peers: Peers) -> dict[str, str]:
        return os.environ | _CREDENTIALS | {"AWS_ENDPOINT_URL": peers.aws}

    def _at(self) -> tuple[str, ...]:
        return ("--at", self.at.isoformat()) if self.at else ()

    def _keep(self, job: str, peers: Peers, before: int) -> None:
        text = json.dumps(list(peers.slack.messages)[before:], indent=1, ensure_ascii=False)
        (self.out / f"{job}.slack.json").write_text(text + "\n", encoding="utf-8")
        for letter in peers.mail.messages[-1:]:
            (self.out / f"{job}.eml").write_bytes(letter.content)

    def _verdict(self, job: str, answer: dict[str, Any]) -> str:
        coverage, aws = answer["coverage"], answer["aws"]
        sent = ", ".join(f"{d['channel']} {d['state']}" for d in _channels(answer["deliveries"]))
        return (
            f"{job}: {answer['verdict'].upper()}  {answer['headline']}\n"
            f"  {coverage['evaluated']:,} of {coverage['expected']:,} checks evaluated; "
            f"{sum(aws['calls'].values())} AWS calls, {aws['metrics_requested']:,} metrics, ${aws['usd']:.4f}; told: {sent}"
        )


def _channels(deliveries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a channel: a Slack thread is several messages."""
    return list({delivery["channel"]: delivery for delivery in reversed(deliveries)}.values())[::-1]


_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "OPSBOT_DEMO_EXTERNAL_ID": "opsbot-demo",
    "OPSBOT_DEMO_SLACK_TOKEN": "xoxb-loopback",
    "OPSBOT_DEMO_PAGERDUTY_KEY": "0" * 32,
}

# Every five minutes, so that a visitor sees it happen.
_SERVING = """
[web]
listen = "127.0.0.1:{port}"
"""

_TELLING = """
[jobs.daily_health]
schedule = "*/5 * * * *"
channels = ["ops-slack", "managers"]

[jobs.capacity_trends]
channels = ["ops-slack", "managers"]
days = 200

[jobs.cost_anomalies]
channels = ["ops-slack", "managers"]

[jobs.weekly_report]
channels = ["ops-slack", "managers"]

[channels.ops-slack]
kind = "slack"
token = "env:OPSBOT_DEMO_SLACK_TOKEN"
channel = "C0OPS"
base_url = "{slack}/api/"

[channels.managers]
kind = "email"
via = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
from = "opsbot@example.org"
to = ["ops@example.org"]

[channels.on-call]
kind = "pagerduty"
routing_key = "env:OPSBOT_DEMO_PAGERDUTY_KEY"
url = "{pager}"
max_per_minute = 0

[[routes]]
name = "page"
match = {{ status = "critical", tier = "production", job = "daily_health" }}
priority = "P1"
channels = ["on-call"]
"""


@contextmanager
def _embedded_aws(scenario: Path | None, at: datetime | None, log: Path) -> Iterator[str]:
    """The embedded AWS as a process of its own: its first line says where it listens."""
    words = [sys.executable, "-m", "opsbot", "aws-replica", "--port", "0"]
    words += ["--scenario", str(scenario)] if scenario else []
    words += ["--at", at.isoformat()] if at else []
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        first = process.stdout.readline() if process.stdout else ""
        if "http" not in first:
            raise click.ClickException(f"the embedded AWS did not start; see {log}")
        yield first.split()[-1]
    finally:
        process.terminate()
        process.wait(10)


@click.command(short_help="Start the embedded AWS alone.")
@click.option("--port", type=click.IntRange(0, 65535), default=4566, show_default=True, help="0 picks a free one.")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Default: the shipped lecture platform.",
)
@click.option("--at", metavar="TIME", help="Stop its clock there: ISO 8601, or -24h.")
@click.pass_obj
def aws_replica(options: Options, port: int, scenario: Path | None, at: str | None) -> None:
    """Start the embedded AWS on 127.0.0.1 and keep it until it is stopped.

    \b
    Examples:
      opsbot aws-replica --port 4566
      AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo aws sts get-caller-identity
    """
    try:
        from opsbot.replica import scenario as scenarios
        from opsbot.replica import server
    except ImportError as error:
        raise click.ClickException(f"{_NEEDS} ({error.name} is missing)") from error
    server.main(port, scenario or scenarios.SHIPPED, _moment(at))
