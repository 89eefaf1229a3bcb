"""daily_health as its user runs it, on 50 environments x 400 resources, over HTTP.

    python benchmarks/health.py [--environments 50] [--resources 400] [--live]

The answers are the embedded AWS's; they are played back from memory (benchmarks/replay.py), because AWS's own work is
not opsbot's and this machine has two cores. `--live` asks the embedded AWS itself. Wall time, CPU and peak memory are
the opsbot process's own, from start to exit. Targets: 15 s wall, 400 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVE = """
import signal, sys
from opsbot.replica import scenario
from opsbot.replica.server import serve
world = scenario.big({environments}, {resources})
open({config!r}, "w").write(scenario.opsbot_config(world))
from datetime import UTC, datetime
with serve(world, now=lambda: datetime(2026, 11, 20, 7, tzinfo=UTC)) as running:
    print(running.url, flush=True)
    signal.sigwait([signal.SIGTERM])
"""
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_EC2_METADATA_DISABLED": "true",
               "AWS_DEFAULT_REGION": "eu-central-1", "OPSBOT_DEMO_EXTERNAL_ID": "opsbot-demo"}  # fmt: skip


AT = "2026-11-20T07:00:00Z"


def measure(environments: int, resources: int, *, live: bool) -> dict[str, object]:
    """One run in a fresh home; the answer's own figures beside the process's."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        code = SERVE.format(environments=environments, resources=resources, config=str(home / "config.toml"))
        with started("-c", code) as upstream:
            if live:
                return _run(home, upstream)
            with started(str(ROOT / "benchmarks" / "replay.py"), upstream) as url:
                _run(home, url)
                shutil.rmtree(home / "var")
                return _run(home, url)


@contextmanager
def started(*words: str) -> Iterator[str]:
    """A server of ours in a process of its own; its first line is its address."""
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def _run(home: Path, url: str) -> dict[str, object]:
    out = home / "answer.json"
    words = [sys.executable, "-m", "opsbot", "--home", str(home), "run", "daily_health", "--at", AT]
    words += ["--format", "json", "--output", str(out)]
    env = os.environ | CREDENTIALS | {"AWS_ENDPOINT_URL": url}
    clock = time.perf_counter()
    process = subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - clock
    answer = json.loads(out.read_text())
    return {
        "wall_s": round(wall, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "rss_mb": usage.ru_maxrss // 1024,
        "exit": os.waitstatus_to_exitcode(status),
        "metrics": answer["aws"]["metrics_requested"],
        "calls": sum(answer["aws"]["calls"].values()),
        "usd": answer["aws"]["usd"],
        "expected": answer["coverage"]["expected"],
        "evaluated": answer["coverage"]["evaluated"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=int, default=50)
    parser.add_argument("--resources", type=int, default=400)
    parser.add_argument("--live", action="store_true", help="ask the embedded AWS itself")
    asked = parser.parse_args()
    got = measure(asked.environments, asked.resources, live=asked.live)
    source = "live" if asked.live else "replayed"
    print(f"daily_health, {asked.environments} environments x {asked.resources} resources, answers {source}")
    print(f"  wall        {got['wall_s']:>8} s    target <= 15 s")
    print(f"  peak memory {got['rss_mb']:>8} MB   target <= 400 MB")
    print(f"  CPU         {got['cpu_s']:>8} s")
    print(f"  checks      {got['evaluated']:>8} of {got['expected']} evaluated")
    print(f"  AWS         {got['calls']:>8} calls, {got['metrics']} metrics, ${got['usd']}")


if __name__ == "__main__":
    main()
