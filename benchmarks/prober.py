"""What the whole prober costs, beside blackbox_exporter: schedule, probe, judge, standing, history on disk, rolled up.

Two processes of ours are counted: the prober, and whoever keeps its book in SQLite, as the daemon does. The exporter only
probes; what schedules it and keeps its history is not counted. Servers, certificates and the way the exporter is driven
are those of `benchmarks/probes.py`. The exporter is driven as fast as it goes, where its probes are cheapest, and once more at
our own pace: whoever rests between probes pays for waking up. Chains that were verified are remembered, as they are by
the daemon; what each probe verifying costs is in `benchmarks/probes.py`.

    python benchmarks/prober.py [--rounds 2] [--seconds 6] [--only cost|lateness|memory|accuracy|faults] [--probes 20000]

`faults`: so many probes of healthy targets beside black-holed names, servers that never answer, a prober that is stopped
for seconds and a wall clock that jumps by an hour; how many were called down. A million is `--only faults --probes 1000000`.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import probes as bare  # noqa: E402
from opsbot.model.probe import Http, ProbeState, Target, Trust  # noqa: E402
from opsbot.model.uptime import Sample  # noqa: E402
from opsbot.prober import wire  # noqa: E402
from opsbot.prober.book import Book  # noqa: E402
from opsbot.probing import Probe  # noqa: E402
from opsbot.store import open_store  # noqa: E402

PACE = {"http": 1500, "https": 400}
"""Probes a second."""
BUSY = """
import io
import numpy, pandas
from matplotlib.figure import Figure
while True:
    frame = pandas.DataFrame(numpy.random.default_rng(1).normal(size=(20000, 8))).rolling(50).mean()
    figure = Figure(figsize=(8, 3))
    figure.subplots().plot(frame)
    figure.savefig(io.BytesIO(), format="svg")
"""
"""Reports that are made beside the prober, on its processor."""
JUMP = """
import sys, time
from datetime import UTC, datetime, timedelta
sys.path.insert(0, {root!r})
from opsbot.prober.child import Prober
begun = time.monotonic()
def now():
    # An hour forward after five seconds, back after ten, and so on.
    return datetime.now(UTC) + timedelta(hours=int((time.monotonic() - begun) / 5) % 2)
Prober(0, 1, now=now).run()
"""


def now() -> datetime:
    return datetime.now(UTC)


def probe(name: str, url: str, *, every: float, folder: Path | None = None, timeout: float = 5.0, **more: Any) -> Probe:
    trust = Trust(ca_file=str(folder / "bundle.pem")) if folder else Trust()
    target = Target(name=name, spec=Http(url=url, trust=trust), timeout=timeout, allow_private=True)
    told = {
        "check": name,
        "expect": ("status == 200", 'body matches "status": ?"ok"'),
        "retries": 1,
        "retry_after": 0.2,
    }
    return Probe(name=name, target=target, every=every, **told | more)


class Keeper:
    """The prober and its book, as the daemon keeps them."""

    def __init__(self, folder: Path, command: list[str] | None = None) -> None:
        self.store = open_store(f"sqlite:///{folder}/keeper-{time.monotonic_ns()}.db")
        self.uptime = self.store.uptime()
        self.book = Book(self.uptime)
        told = command or [sys.executable, "-m", "opsbot", "_probe"]
        self.process = subprocess.Popen(told, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        wire.widen(self.process.stdout.fileno())
        self.said: list[wire.Said] = []

    def obey(self, probes: list[Probe], soon: bool = False) -> None:
        self.book.open(probes)
        self.process.stdin.write(wire.orders(probes, self.book.soon(now()) if soon else ()))
        self.process.stdin.flush()

    def keep(self, seconds: float, each: Any = None) -> int:
        """Take what comes for so long; how many results."""
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            ready, _, _ = select.select([self.process.stdout], [], [], 0.5)
            if ready:
                said = wire.read(self.process.stdout.readline())
                self.said.append(wire.Said(found=(), late=said.late, stalled=said.stalled, network=said.network))
                self.book.take(said.found)
                self.book.write()
                count += len(said.found)
                if each:
                    each(said)
        return count

    def cpu(self) -> tuple[float, float]:
        return bare.cpu_of(self.process.pid), time.process_time()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)
        self.store.close()


# What one child process measures


def cost(url: str, folder: Path, seconds: float) -> dict:
    """As many targets a second as a busy prober has, each in its turn; the exporter beside it is driven as fast as it goes."""
    keeper = Keeper(folder)
    count = PACE[url.partition(":")[0]]
    keeper.obey([probe(f"target-number-{n}", url, every=1.0, folder=folder) for n in range(count)])
    keeper.keep(3.0)
    before, began = keeper.cpu(), time.monotonic()
    count = keeper.keep(seconds)
    after, took = keeper.cpu(), time.monotonic() - began
    keeper.uptime.roll_up(now() + timedelta(minutes=6))
    states = {state.value: 0 for state in ProbeState}
    for buckets in keeper.uptime.buckets(_today(), timedelta(days=1)).values():
        for bucket in buckets:
            for name in states:
                states[name] += getattr(bucket, name)
    found = {
        "prober": (after[0] - before[0]) / count * 1000,
        "book": (after[1] - before[1]) / count * 1000 + rolling(folder),
        "rate": count / took,
        "rss": bare.rss(keeper.process.pid),
        "late": max(said.late for said in keeper.said[2:]),
        "bad": states["down"] + states["unsure"] + states["degraded"],
        "bytes": _bytes(keeper),
    }
    keeper.close()
    return found


def rolling(folder: Path) -> float:
    """CPU of rolling up, by 1,000 samples: those of 300 probes each 30 s, over an hour."""
    store = open_store(f"sqlite:///{folder}/rolling-{time.monotonic_ns()}.db")
    uptime, begin = store.uptime(), datetime(2026, 11, 20, 7, tzinfo=UTC)
    phases = (("connect", 0.0002), ("first_byte", 0.0041), ("transfer", 0.0001))
    used = 0.0
    for n in range(120):
        at = begin + timedelta(seconds=30 * n)
        batch = [
            Sample(probe=f"p{k}", at=at, state=ProbeState.UP, seconds=0.004 + 0.0001 * (n * k % 97), phases=phases)
            for k in range(300)
        ]
        uptime.record(batch, (), ())
        if n % 2:
            began = time.process_time()
            uptime.roll_up(at + timedelta(seconds=30))
            used += time.process_time() - began
    store.close()
    return used / 36


def _today() -> Any:
    from opsbot.model.period import Period

    return Period(start=now() - timedelta(hours=2), end=now() + timedelta(hours=2))


def _bytes(keeper: Keeper) -> dict[str, float]:
    """What a sample and a bucket take on disk."""
    with keeper.store.engine.connect() as db:
        samples = sum(one.asked for each in keeper.uptime.buckets(_today(), timedelta(days=1)).values() for one in each)
        chunk = db.exec_driver_sql("SELECT sum(length(body)), count(*) FROM probe_chunk").one()
        bucket = db.exec_driver_sql("SELECT avg(length(counts)), count(*) FROM probe_bucket WHERE length = 300").one()
    return {"sample": (chunk[0] + 24 * chunk[1]) / max(samples, 1), "bucket": (bucket[0] or 0) + 50}


def lateness(url: str, folder: Path, seconds: float) -> dict:
    """100 healthy targets beside 20 that never answer: when their turns begin, and how long their answers take."""
    with black_hole() as hole:
        keeper = Keeper(folder)
        well = [probe(f"well{n}", url, every=1.0, folder=folder) for n in range(100)]
        dead = [probe(f"dead{n}", f"http://127.0.0.1:{hole}/", every=10.0, timeout=8.0) for n in range(20)]
        keeper.obey(well + dead, soon=True)
        keeper.keep(3.0)
        answers: list[float] = []
        keeper.keep(
            seconds + 4,
            lambda said: answers.extend(
                one.sample.seconds or 0 for one in said.found if one.sample.probe.startswith("well")
            ),
        )
        states = {name: standing.state.value for name, standing in keeper.book.standings.items()}
        late = [said.late for said in keeper.said[3:]]
        keeper.close()
    return {
        "late": max(late), "median": statistics.median(late), "answer": sorted(answers)[int(len(answers) * 0.99)],
        "up": sum(state == "up" for name, state in states.items() if name.startswith("well")),
    }  # fmt: skip


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(4096)
        yield listening.getsockname()[1]


def memory(urls: list[str], folder: Path, seconds: float) -> dict:
    keeper = Keeper(folder)
    keeper.obey([probe(f"target{n}", f"{urls[n % 2]}?{n}", every=2.0, folder=folder) for n in range(1000)])
    keeper.keep(seconds + 6)
    found = {"rss": bare.rss(keeper.process.pid), "up": sum(s.state == "up" for s in keeper.book.standings.values())}
    keeper.close()
    return found


def accuracy(url: str, folder: Path, seconds: float) -> dict:
    """Spread targets of a server whose first byte comes after a known time."""
    keeper = Keeper(folder)
    keeper.obey([probe(f"t{n}", url, every=0.5, timeout=0.4, folder=folder, expect=()) for n in range(50)])
    keeper.keep(2.0)
    errors: list[float] = []

    def each(said: wire.Said) -> None:
        for one in said.found:
            phases = dict(one.sample.phases)
            if "first_byte" in phases and "transfer" in phases:
                errors.append((phases["first_byte"] - bare.DELAY) * 1000)

    keeper.keep(seconds + 4, each)
    keeper.close()
    return {"first": errors}


def faults(url: str, folder: Path, wanted: int) -> dict:
    """Healthy probes called anything but up, among everything that goes wrong around them."""
    with black_hole() as hole:
        keeper = Keeper(folder, [sys.executable, "-c", JUMP.format(root=str(ROOT))])
        well = [probe(f"well{n}", url, every=1.0, timeout=0.9, failures=1, retries=0) for n in range(600)]
        names = [probe(f"name{n}", f"http://host{n}.invalid.example/", every=5.0, timeout=3.0) for n in range(50)]
        dead = [probe(f"dead{n}", f"http://127.0.0.1:{hole}/", every=5.0, timeout=4.0) for n in range(20)]
        keeper.obey(well + names + dead, soon=True)
        counted = {state.value: 0 for state in ProbeState}
        wrong: dict[str, int] = {}

        def each(said: wire.Said) -> None:
            for one in said.found:
                if one.sample.probe.startswith("well"):
                    counted[one.sample.state.value] += 1
                    if one.sample.state is ProbeState.DOWN:
                        wrong[one.sample.reason] = wrong.get(one.sample.reason, 0) + 1

        ended = threading.Event()
        stopping = threading.Thread(target=_stop_now_and_then, args=(keeper.process.pid, ended))
        stopping.start()
        held = []
        while sum(counted.values()) < wanted:
            keeper.keep(2.0, each)
            held.append((bare.rss(keeper.process.pid), len(list(Path(f"/proc/{keeper.process.pid}/fd").iterdir()))))
        ended.set()
        stopping.join()
        flips = [flip for flip in keeper.uptime.untold() if flip.probe.startswith("well")]
        keeper.close()
    tenth = max(1, len(held) // 10)
    early, late = ([max(one) for one in zip(*part, strict=True)] for part in (held[tenth : 2 * tenth], held[-tenth:]))
    return counted | {"wrong": wrong, "flips": len(flips), "MB and files": {"after a tenth": early, "at the end": late}}


def _stop_now_and_then(pid: int, ended: threading.Event) -> None:
    while not ended.wait(7.0):
        os.kill(pid, signal.SIGSTOP)
        ended.wait(10.0)
        os.kill(pid, signal.SIGCONT)


# The comparison


def child(*words: object, cpu: int | None = 0) -> dict:
    command = [sys.executable, __file__, "--child", *map(str, words)]
    command = bare.pinned(command, cpu) if cpu is not None else command
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr)
    return json.loads(told.stdout.splitlines()[-1])


def compare_cost(folder: Path, rounds: int, seconds: float) -> None:
    rival = shutil.which(bare.EXPORTER)
    figures: dict[tuple[str, str], list[dict]] = {}
    with bare.served(folder) as urls:
        for _ in range(rounds):
            for scheme, url in urls.items():
                words = ("cost", "--url", url, "--folder", folder, "--seconds", seconds)
                figures.setdefault((scheme, "opsbot"), []).append(child(*words))
                if rival:
                    figures.setdefault((scheme, "blackbox"), []).append(bare.blackbox_cost(url, folder, seconds))
                    paced = bare.blackbox_pace(url, folder, seconds, PACE[scheme])
                    figures.setdefault((scheme, "paced"), []).append(paced)
    print(f"cost of a probe through everything, {rounds} rounds of {seconds:g} s, {bare.ssl.OPENSSL_VERSION}")
    for scheme in ("http", "https"):
        ours = figures[scheme, "opsbot"]
        prober, book = (statistics.median(one[name] for one in ours) for name in ("prober", "book"))
        line = f"  {scheme:5} opsbot    {prober + book:6.3f} CPU-s/1000 (prober {prober:.3f}, book {book:.3f})   {ours[-1]['rate']:5.0f} probes/s   {ours[-1]['bad']} bad"
        if rival:
            theirs = statistics.median(one["cpu"] for one in figures[scheme, "blackbox"])
            paced = statistics.median(one["cpu"] for one in figures[scheme, "paced"])
            line += (
                f"   {(prober + book) / theirs:.2f} x blackbox ({theirs:.3f}), {(prober + book) / paced:.2f} x at our pace"
                f" ({paced:.3f}), goal {bare.GOALS[scheme]:.2f}; prober alone {prober / theirs:.2f}, {prober / paced:.2f}"
            )
        print(line)
    size = figures["http", "opsbot"][-1]["bytes"]
    day = 2880 * size["sample"] + 288 * size["bucket"]
    print(
        f"  history: {size['sample']:.0f} bytes a sample, {size['bucket']:.0f} a bucket: {day / 1000:.0f} kB a day for a probe each 30 s"
    )


def compare(a: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        bare.certificates(folder)
        bare.page(folder)
        if a.only in (None, "cost"):
            compare_cost(folder, a.rounds, a.seconds)
        if a.only in (None, "lateness"):
            with bare.served(folder) as urls:
                told = child("lateness", "--url", urls["http"], "--folder", folder, "--seconds", a.seconds)
            print(
                f"lateness of 100 targets beside 20 that never answer: worst {told['late'] * 1000:.1f} ms, median second's "
                f"{told['median'] * 1000:.1f} ms; answers p99 {told['answer'] * 1000:.1f} ms; {told['up']} of 100 up"
            )
        if a.only in (None, "memory"):
            with bare.served(folder) as urls:
                told = child("memory", "--urls", *urls.values(), "--folder", folder, "--seconds", a.seconds)
            print(f"memory of the prober with 1,000 targets: {told['rss']:.0f} MB (goal 45), {told['up']} up")
        if a.only in (None, "accuracy"):
            compare_accuracy(folder, a.seconds)
        if a.only in (None, "faults"):
            with bare.served(folder) as urls:
                told = child("faults", "--url", urls["http"], "--folder", folder, "--probes", a.probes, cpu=None)
            print(f"faults: {told} (goal: 0 down, 0 flips)")


def compare_accuracy(folder: Path, seconds: float) -> None:
    ports = [bare.free_port(), bare.free_port()]
    command = [sys.executable, bare.__file__, "--child", "server", "--folder", str(folder), "--ports", *map(str, ports)]
    command += ["--delay", str(bare.DELAY), "--gap", str(bare.GAP)]
    if os.geteuid() == 0 and shutil.which("chrt"):
        command = ["chrt", "-f", "5", *command]
    server = subprocess.Popen(bare.pinned(command, 1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        bare.await_port(ports[1])
        for scheme, port in zip(("http", "https"), ports, strict=True):
            url = f"{scheme}://127.0.0.1:{port}/d"
            for busy, goal in ((0, 2.5), (2, 5.0)):
                with beside(busy):
                    first = sorted(child("accuracy", "--url", url, "--folder", folder, "--seconds", seconds)["first"])
                print(
                    f"time to first byte through everything, {scheme}{', reports made beside it' if busy else ''}: error "
                    f"p50 {bare.percentile(first, 0.5):.2f} p99 {bare.percentile(first, 0.99):.2f} ms of {len(first)} (goal p99 {goal})"
                )
    finally:
        server.terminate()
        server.wait()


@contextmanager
def beside(busy: int) -> Iterator[None]:
    """So many processes that make charts without a pause, where the prober runs."""
    making = [subprocess.Popen(bare.pinned([sys.executable, "-c", BUSY], 0)) for _ in range(busy)]
    try:
        yield
    finally:
        for one in making:
            one.kill()
            one.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--only", choices=["cost", "lateness", "memory", "accuracy", "faults"])
    parser.add_argument("--probes", type=int, default=20_000)
    for name in ("child", "url"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--urls", nargs="*", default=[])
    a = parser.parse_args()
    match a.child:
        case "cost":
            told = cost(a.url, a.folder, a.seconds)
        case "lateness":
            told = lateness(a.url, a.folder, a.seconds)
        case "memory":
            told = memory(a.urls, a.folder, a.seconds)
        case "accuracy":
            told = accuracy(a.url, a.folder, a.seconds)
        case "faults":
            told = faults(a.url, a.folder, a.probes)
        case _:
            return compare(a)
    print(json.dumps(told))
    return None


if __name__ == "__main__":
    main()
