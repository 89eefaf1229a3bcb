"""How fast and how dearly opsbot reads CloudWatch: the product's own reader against a CloudWatch stand-in on loopback.

Every case runs in a process of its own. CPU and memory are the client's alone; CPU is the figure to trust on a busy
machine. The floor is the fewest calls AWS's limits allow: max(queries / 500, points / 100,800).

    python benchmarks/collect.py [--stub PATH] [--case NAME]...
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsbot.aws import Aws
    from opsbot.ports import Reading

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT.parent / "shared" / "bench" / "collect" / "stub_server.py"
POINTS = 288


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`metrics` x 24 h x 5 min against a stand-in started with `stub`; the rest are targets, None where none is."""

    name: str
    metrics: int
    stub: tuple[str, ...]
    wall: float | None = None
    cpu: float | None = None
    rss: float | None = None
    calls: float | None = None
    throttled: float | None = None

    @property
    def floor(self) -> int:
        return max(-(-self.metrics // 500), -(-self.metrics * POINTS // 100_800))


CASES = (
    Case(name="5k", metrics=5_000, stub=("--latency-ms", "300"), wall=2.0, cpu=0.6, calls=1.02, throttled=0.01),
    Case(
        name="50k-limits",
        metrics=50_000,
        stub=("--latency-ms", "300", "--tps", "50", "--dps", "396000"),
        wall=42.0,
        cpu=6.0,
        rss=300.0,
        calls=1.02,
        throttled=0.01,
    ),
    Case(name="5k-limits", metrics=5_000, stub=("--latency-ms", "300", "--tps", "50", "--dps", "396000")),
    Case(name="5k-throttled", metrics=5_000, stub=("--latency-ms", "100", "--tps", "50", "--dps", "120000")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one case took: seconds, MB, and what the stand-in counted."""

    wall: float
    cpu: float
    start: float
    rss: float
    rows: int
    gaps: int
    points: int
    calls: int
    throttled: int


def consume(aws: Aws, metrics: int) -> list[Reading]:
    from opsbot.model.environment import Environment
    from opsbot.model.period import last
    from opsbot.ports import Ask, MetricQuery

    environment = Environment(name="bench", regions=("eu-central-1",))
    window = last(hours=24, now=datetime(2026, 11, 20, 7, tzinfo=UTC))
    queries = tuple(
        MetricQuery("AWS/Lambda", "Duration", (("FunctionName", f"fn-{number:06d}"),), "Average", 300)
        for number in range(metrics)
    )
    asks = [Ask(environment=environment, region="eu-central-1", window=window, queries=queries)]
    return [reading for part in aws.read(asks) for reading in part]


def measure(case: Case, url: str) -> Measured:
    """Runs in the case's own process."""
    start = time.process_time()
    from opsbot.aws import Aws

    with Aws() as aws:
        # The first metric pays for imports, credentials and the client: the start, told apart from collecting.
        consume(aws, 1)
        urllib.request.urlopen(f"{url}/reset").close()
        start = time.process_time() - start
        wall, cpu = time.perf_counter(), time.process_time()
        readings = consume(aws, case.metrics)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    with urllib.request.urlopen(f"{url}/stats") as answer:
        stats = json.load(answer)
    return Measured(
        wall=wall,
        cpu=cpu,
        start=start,
        rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        rows=sum(len(reading.rows) for reading in readings),
        gaps=sum(len(reading.gaps) for reading in readings),
        points=stats["points"],
        calls=stats["calls"],
        throttled=stats["throttled"],
    )


@contextmanager
def serving(stub: Path, arguments: tuple[str, ...]) -> Iterator[str]:
    server = subprocess.Popen([sys.executable, str(stub), *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split()[-1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def run(case: Case, stub: Path) -> Measured:
    with serving(stub, case.stub) as url:
        surroundings = {
            **os.environ,
            "AWS_ENDPOINT_URL_CLOUDWATCH": url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, __file__, "--child", case.name, "--url", url]
        done = subprocess.run(command, env=surroundings, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout))


def rows(case: Case, got: Measured) -> Iterator[tuple[str, str, str, str]]:
    """(what, target, measured, verdict)."""
    lost = case.metrics - got.rows - got.gaps
    per_100k = got.cpu / max(1, got.points) * 1e8
    yield _row("wall", case.wall, got.wall, "s")
    yield _row("CPU, collection", case.cpu, got.cpu, "s")
    yield "CPU of the start, before it", "", f"{got.start:.2f} s", ""
    yield _row("CPU per 100,000 points", 40.0, per_100k, "ms")
    yield _row("memory, peak", case.rss, got.rss, "MB")
    yield _row(f"calls / floor ({got.calls} / {case.floor})", case.calls, got.calls / case.floor, "x")
    yield _row(f"throttled ({got.throttled})", case.throttled, got.throttled / got.calls, "of calls")
    yield _row("metrics without data, told", 0.0, float(got.gaps), "")
    yield _row("metrics lost silently", 0.0, float(lost), "")


def _row(what: str, target: float | None, value: float, unit: str) -> tuple[str, str, str, str]:
    shown = f"{value:.2f} {unit}".strip()
    if target is None:
        return what, "", shown, ""
    return what, f"<= {target:g} {unit}".strip(), shown, "ok" if value <= target else "MISSED"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stub", type=Path, default=STUB, help="the stand-in's stub_server.py")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="only these")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        case = next(case for case in CASES if case.name == options.child)
        print(json.dumps(asdict(measure(case, options.url))))
        return 0
    if not options.stub.is_file():
        print(f"collect: no stand-in at {options.stub}; give its path with --stub", file=sys.stderr)
        return 2
    return report([case for case in CASES if not options.case or case.name in options.case], options.stub)


def report(cases: list[Case], stub: Path) -> int:
    missed = False
    print(f"{'case':14} {'figure':32} {'target':>14} {'measured':>18}")
    for case in cases:
        for what, target, measured, verdict in rows(case, run(case, stub)):
            missed |= verdict == "MISSED"
            print(f"{case.name:14} {what:32} {target:>14} {measured:>18}  {verdict}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
