"""What the daemon's page costs: bytes and milliseconds at 500 rows, the metrics, and the memory the web adds.

    python benchmarks/web.py

Targets: the status page <= 60 KiB and <= 20 ms with 500 environments in trouble, over real HTTP on loopback.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from opsbot.model.status import Status  # noqa: E402
from opsbot.store.sql import SqlStore  # noqa: E402
from opsbot.web.app import build  # noqa: E402
from opsbot.web.server import start  # noqa: E402
from tests.outbox.world import fresh  # noqa: E402
from tests.web import world  # noqa: E402

PLACES = 500
TIMES = 200
_MEMORY = """
import sys
def rss():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) / 1024
import apscheduler.schedulers.background, structlog, cronsim
from opsbot.store import open_store
import opsbot.timetable, opsbot.render.format
store = open_store("sqlite:///" + sys.argv[1])
# What the test's world loads (channels, and with them pydantic) is none of the page's cost.
import tests.outbox.world
before = rss()
from opsbot.web.app import build
from opsbot.web.server import start
from tests.web import world
server = start(build(world.inside(store)), "127.0.0.1", 0)
for path in ("/", "/runs", "/reports", "/outbox", "/jobs", "/metrics", "/healthz") * 20:
    assert world.ask(server.port, path).status == 200
print(before, rss())
"""


def fill(store: SqlStore) -> list[str]:
    """A bad morning: three findings in each of 500 environments, and forty days of runs before it."""
    names = [f"customer-{n:03}-production" for n in range(PLACES)]
    for job in world.SCHEDULES:
        for n in range(40):
            world.keep(store, world.ended(f"{job[:4]}{n:03}", job, world.NOW - (n + 1) * world.DAY))
    findings = [
        world.finding(name, status, f"service-{n}", check=f"ecs-cpu-{n}")
        for name in names
        for n, status in enumerate((Status.CRITICAL, Status.WARNING, Status.UNKNOWN))
    ]
    world.keep(store, world.ended("NOW", "daily_health", world.NOW, verdict="action"), *findings)
    return names


def timed(port: int, path: str) -> tuple[int, list[float]]:
    """Bytes, and milliseconds of each answer on one connection, fastest first."""
    taken, size = [], 0
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as peer:
        for _ in range(TIMES):
            clock = time.perf_counter()
            peer.request("GET", path)
            size = len(peer.getresponse().read())
            taken.append((time.perf_counter() - clock) * 1000)
    return size, sorted(taken)


def cpu(work: Callable[[], object]) -> float:
    """Milliseconds of CPU for one, over many."""
    work()
    clock = time.process_time()
    for _ in range(TIMES // 4):
        work()
    return (time.process_time() - clock) / (TIMES // 4) * 1000


def memory(database: Path) -> float:
    """MiB that importing and serving add to a daemon that has its store and its clock."""
    told = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(database)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    before, after = map(float, told.stdout.split())
    return after - before


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "opsbot.db"
        store = fresh(database)
        names = tuple(fill(store))
        server = start(build(world.inside(store, environments=lambda: names)), "127.0.0.1", 0)
        print(f"web page, {PLACES} environments in trouble, {TIMES} requests on one connection")
        for path, target in (
            ("/", "<= 60 KiB, <= 20 ms"),
            ("/runs", ""),
            ("/reports", ""),
            ("/metrics", ""),
            ("/healthz", ""),
        ):
            size, taken = timed(server.port, path)
            p50, p99 = taken[len(taken) // 2], taken[int(len(taken) * 0.99)]
            spent = cpu(lambda path=path: world.ask(server.port, path))  # type: ignore[misc]
            told = f"{path:<9} {size / 1024:6.1f} KiB   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   CPU {spent:5.1f} ms"
            print(f"  {told}   {f'target {target}' if target else ''}".rstrip())
        server.stop()
        store.close()
        print(f"  memory added by the web: {memory(database):.1f} MiB   (daemon target <= 60 MB in all)")


if __name__ == "__main__":
    main()
