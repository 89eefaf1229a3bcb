"""What a probe costs and how exactly it tells the time, beside blackbox_exporter doing the same work where it is installed.

Every probe: a new TCP connection, for HTTPS a full handshake with the chain and the name verified, a 1 KiB JSON body read
to its end, status and pattern judged, the chain's dates taken. The server is nginx where it is installed, else one of
our own. CPU is the prober process's own; cases are interleaved, because a shared machine changes by the minute. Everything
is on loopback; nothing is left behind.

    python benchmarks/probes.py [--rounds 3] [--seconds 4] [--only cost|accuracy|memory]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import http.client
import json
import os
import random
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import punctual  # noqa: E402

EXPORTER = "prometheus-blackbox-exporter"
CONCURRENCY = 50
DELAY, GAP = 0.050, 0.020
TICK = os.sysconf("SC_CLK_TCK")
GOALS = {"http": 0.18, "https": 0.90 if ssl.OPENSSL_VERSION_INFO < (3, 5) else 0.70}
PATTERN = re.compile(rb'"status": ?"ok"')


# The servers


def certificates(folder: Path) -> None:
    """Root, intermediate and leaf, and a trust bundle with the system's roots besides."""
    from tests.probes import pki

    pki.leaf().chain_file(folder).rename(folder / "leaf.pem")
    system = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
    roots = system.read_bytes() if system.exists() else b""
    (folder / "bundle.pem").write_bytes(roots + pki.root().pem)


def page(folder: Path) -> None:
    checks = [{"name": f"dep{n:02}", "ok": True, "ms": n * 1.5} for n in range(24)]
    (folder / "health").write_text(json.dumps({"status": "ok", "version": "1.2.3", "checks": checks}))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


NGINX = """worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err crit; daemon off; master_process off;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  access_log off; default_type application/json; open_file_cache max=10; ssl_session_cache off; ssl_session_tickets off;
  ssl_protocols TLSv1.2 TLSv1.3;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s; ssl_certificate {folder}/leaf.pem; ssl_certificate_key {folder}/leaf.pem;
  server {{ listen 127.0.0.1:{http} backlog=4096; root {folder}; }}
  server {{ listen 127.0.0.1:{https} ssl backlog=4096; root {folder}; }}
}}
"""


@contextmanager
def served(folder: Path) -> Iterator[dict[str, str]]:
    """URLs of the page by scheme."""
    ports = {"http": free_port(), "https": free_port()}
    if shutil.which("nginx"):
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, **ports))
        command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    else:
        command = [
            sys.executable,
            __file__,
            "--child",
            "server",
            "--folder",
            str(folder),
            "--ports",
            *map(str, ports.values()),
        ]
    server = subprocess.Popen(pinned(command, 1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for port in ports.values():
            await_port(port)
        yield {scheme: f"{scheme}://127.0.0.1:{port}/health" for scheme, port in ports.items()}
    finally:
        server.terminate()
        server.wait()


def await_port(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def pinned(command: list[str], cpu: int) -> list[str]:
    usable = shutil.which("taskset") and (os.cpu_count() or 1) > 1
    return ["taskset", "-c", str(cpu), *command] if usable else command


async def serve(folder: Path, ports: list[int], delay: float, gap: float) -> None:
    """The page after `delay` seconds, its last bytes `gap` seconds later; ports: http, then https."""
    body = (folder / "health").read_bytes()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(delay)
            writer.write(head + body[:-20])
            if gap:
                await asyncio.sleep(gap)
            writer.write(body[-20:])
            await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem")
    context.num_tickets = 0
    if delay:
        threading.Thread(target=punctual.answer, args=(ports[0], body, delay, gap), daemon=True).start()
    else:
        await asyncio.start_server(talk, "127.0.0.1", ports[0], backlog=4096)
    server = await asyncio.start_server(talk, "127.0.0.1", ports[1], backlog=4096, ssl=context)
    await server.serve_forever()


# opsbot, in a process of its own


def now() -> datetime:
    return datetime.now(UTC)


def cost(url: str, folder: Path, seconds: float, verdicts: float) -> None:
    """Probe one URL, 50 at a time, as fast as it goes; `verdicts` as the engine takes it."""
    from opsbot.model.probe import Answer, Http, ProbeResult, ProbeState, Target, Trust
    from opsbot.probes import Engine

    target = Target(
        name="bench", spec=Http(url=url, trust=Trust(ca_file=str(folder / "bundle.pem"))), allow_private=True
    )

    def judge(result: ProbeResult, answer: Answer) -> ProbeResult:
        if result.status == 200 and PATTERN.search(answer.body):
            return result
        return replace(result, state=ProbeState.DOWN)

    count = bad = 0
    open_end = True

    def done(result: ProbeResult) -> None:
        nonlocal count, bad
        count += 1
        bad += result.state is not ProbeState.UP
        if open_end:
            engine.submit(target, done, judge)

    with Engine(now=now, per_host=CONCURRENCY, verdicts=verdicts) as engine:
        for _ in range(CONCURRENCY):
            engine.submit(target, done, judge)
        turn_for(engine.turn, 1.0)
        gc.freeze()
        began, cpu, before = time.monotonic(), time.process_time(), count
        turn_for(engine.turn, seconds)
        figures = {
            "cpu": (time.process_time() - cpu) / (count - before) * 1000,
            "rate": (count - before) / (time.monotonic() - began),
            "bad": bad,
            "rss": rss(os.getpid()),
        }
        open_end = False
        while engine.busy:
            engine.turn()
    print(json.dumps(figures))


def turn_for(turn: Callable[[], None], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        turn()


def accuracy(url: str, folder: Path, seconds: float, shape: str) -> None:
    """Reported minus true milliseconds of the first byte and of the transfer: over HTTP the server says what is true in
    each answer; over TLS it is what the server was told to do."""
    from opsbot.model.probe import Answer, Http, ProbeResult, Target, Trust
    from opsbot.probes import Engine

    target = Target(
        name="bench", spec=Http(url=url, trust=Trust(ca_file=str(folder / "bundle.pem"))), allow_private=True
    )
    results: list[tuple[ProbeResult, tuple[float, float]]] = []
    chance = random.Random(1)

    def judge(result: ProbeResult, answer: Answer) -> ProbeResult:
        results.append((result, punctual.said(answer.body) or (DELAY, GAP)))
        return result

    with Engine(now=now, per_host=1000) as engine:
        engine.probe_many([target] * 5)
        end = time.monotonic() + seconds
        due = time.monotonic()
        while time.monotonic() < end:
            if time.monotonic() >= due:
                for _ in range(200 if shape == "herd" else 1):
                    engine.submit(target, lambda _: None, judge)
                due += 2.0 if shape == "herd" else chance.uniform(0.005, 0.015)
            engine.turn(max(0.0, due - time.monotonic()))
        while engine.busy:
            engine.turn()
    good = [(result.phases, truth) for result, truth in results if result.phases.transfer is not None]
    print(
        json.dumps(
            {
                "first": [((phases.first_byte or 0) - truth[0]) * 1000 for phases, truth in good],
                "end": [((phases.transfer or 0) - truth[1]) * 1000 for phases, truth in good],
                "bad": len(results) - len(good),
            }
        )
    )


def memory(urls: list[str], folder: Path, seconds: float) -> None:
    """RSS with 1,000 targets, half of them HTTPS, after each was probed a few times."""
    from opsbot.model.probe import Http, ProbeResult, Target, Trust
    from opsbot.probes import Engine

    trust = Trust(ca_file=str(folder / "bundle.pem"))
    targets = [
        Target(name=f"t{n}", spec=Http(url=f"{urls[n % 2]}?{n}", trust=trust), allow_private=True) for n in range(1000)
    ]
    last: dict[str, ProbeResult] = {}
    with Engine(now=now, per_host=100) as engine:
        end = time.monotonic() + seconds
        rounds = 0
        while time.monotonic() < end or rounds < 2:
            for result in engine.probe_many(targets):
                last[result.target] = result
            rounds += 1
    up = sum(result.state == "up" for result in last.values())
    print(json.dumps({"rss": rss(os.getpid()), "rounds": rounds, "up": up}))


def rss(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024


# blackbox_exporter


@contextmanager
def exporter(folder: Path) -> Iterator[tuple[int, int]]:
    """Its pid and port."""
    settings = {"enable_http2": False, "preferred_ip_protocol": "ip4", "valid_status_codes": [200]}
    settings["fail_if_body_not_matches_regexp"] = ['"status": ?"ok"']
    config = {"modules": {"m": {"prober": "http", "timeout": "10s", "http": settings}}}
    (folder / "blackbox.yml").write_text(json.dumps(config))
    port = free_port()
    command = [
        EXPORTER,
        f"--config.file={folder}/blackbox.yml",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    env = {**os.environ, "SSL_CERT_FILE": str(folder / "bundle.pem"), "GOMAXPROCS": "1"}
    process = subprocess.Popen(pinned(command, 0), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_port(port)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def drive(port: int, url: str, seconds: float, shape: str) -> None:
    """Ask the exporter for probes, from a process of our own: `busy` is 50 at a time, as fast as it goes."""
    good, phases, lock = 0, [], threading.Lock()
    began = time.monotonic()
    end = began + seconds

    def ask(seed: int) -> None:
        nonlocal good
        chance = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.monotonic() < end:
            if shape != "busy":
                passed = (time.monotonic() - began) % 2.0
                time.sleep(2.0 - passed if shape == "herd" else chance.uniform(0.1, 0.3))
            connection.request("GET", f"/probe?module=m&target={url}")
            text = connection.getresponse().read().decode()
            with lock:
                good += "\nprobe_success 1" in text
                if shape != "busy":
                    phases.append({k: float(v) for k, v in re.findall(r'phase="(\w+)"} ([\d.e+-]+)', text)})

    asking = [threading.Thread(target=ask, args=(n,)) for n in range({"busy": 50, "herd": 200}.get(shape, 20))]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    first = [(each.get("processing", 0.0) - DELAY) * 1000 for each in phases]
    last = [(each.get("transfer", 0.0) - GAP) * 1000 for each in phases]
    print(json.dumps({"good": good, "rate": good / (time.monotonic() - began), "first": first, "end": last, "bad": 0}))


def pace(port: int, url: str, rate: float, seconds: float) -> None:
    """Ask the exporter for so many probes a second, a batch each 20 ms as our own rota makes them."""
    good, taken = 0, 0
    request = (
        f"GET /probe?module=m&target={url} HTTP/1.1\r\nHost: exporter\r\nAccept-Encoding: identity\r\n\r\n".encode()
    )

    async def ask(waiting: asyncio.Queue[None]) -> None:
        nonlocal good, taken
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            await waiting.get()
            writer.write(request)
            text = await _answer(reader)
            taken += 1
            good += b"\nprobe_success 1" in text

    async def run() -> None:
        waiting: asyncio.Queue[None] = asyncio.Queue()
        asking = [asyncio.create_task(ask(waiting)) for _ in range(CONCURRENCY)]
        begun = due = time.monotonic()
        asked = 0
        while due < begun + seconds:
            due += 0.02
            while asked < (due - begun) * rate:
                waiting.put_nowait(None)
                asked += 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        for each in asking:
            each.cancel()

    began = time.monotonic()
    asyncio.run(run())
    print(json.dumps({"good": good, "bad": taken - good, "rate": good / (time.monotonic() - began)}))


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """An answer's body: with a length, or in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"content-length: *(\d+)", head)
    if length:
        return await reader.readexactly(int(length[1]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


# The comparison


def child(*words: object, cpu: int = 0) -> dict:
    command = pinned([sys.executable, __file__, "--child", *map(str, words)], cpu)
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr)
    return json.loads(told.stdout.splitlines()[-1])


def blackbox_cost(url: str, folder: Path, seconds: float) -> dict:
    with exporter(folder) as (pid, port):
        child("drive", "--ports", port, "--url", url, "--seconds", 1, "--shape", "busy", cpu=1)
        before = cpu_of(pid)
        told = child("drive", "--ports", port, "--url", url, "--seconds", seconds, "--shape", "busy", cpu=1)
        return {"cpu": (cpu_of(pid) - before) / told["good"] * 1000, "rate": told["rate"], "rss": rss(pid), "bad": 0}


def blackbox_pace(url: str, folder: Path, seconds: float, rate: float) -> dict:
    """What the exporter's probes cost at a pace that leaves it time to rest, as a prober with a schedule has."""
    with exporter(folder) as (pid, port):
        words = ("pace", "--ports", port, "--url", url, "--rate", rate)
        child(*words, "--seconds", 1, cpu=1)
        before = cpu_of(pid)
        told = child(*words, "--seconds", seconds, cpu=1)
        return {"cpu": (cpu_of(pid) - before) / told["good"] * 1000, "rate": told["rate"], "bad": told["bad"]}


def compare_cost(folder: Path, rounds: int, seconds: float) -> None:
    rival = shutil.which(EXPORTER)
    figures: dict[tuple[str, str], list[dict]] = {}
    with served(folder) as urls:
        for _ in range(rounds):
            for scheme, url in urls.items():
                words = ("cost", "--url", url, "--folder", folder, "--seconds", seconds)
                figures.setdefault((scheme, "opsbot"), []).append(child(*words))
                if scheme == "https":
                    figures.setdefault((scheme, "remembers"), []).append(child(*words, "--verdicts", 3600))
                if rival:
                    figures.setdefault((scheme, "blackbox"), []).append(blackbox_cost(url, folder, seconds))
    print(f"cost of a probe, {rounds} rounds of {seconds:g} s, {ssl.OPENSSL_VERSION}, Python {sys.version.split()[0]}")
    for (scheme, who), each in figures.items():
        cpu = statistics.median(one["cpu"] for one in each)
        rate = max(one["rate"] for one in each)
        line = f"  {scheme:5} {who:9} {cpu:6.3f} CPU-s/1000   {rate:6.0f} probes/s   {each[-1]['rss']:4.0f} MB   {sum(one['bad'] for one in each)} bad"
        if rival and who != "blackbox":
            theirs = statistics.median(one["cpu"] for one in figures[scheme, "blackbox"])
            line += f"   {cpu / theirs:.2f} x blackbox, goal {GOALS[scheme]:.2f}"
        print(line)


def compare_accuracy(folder: Path, seconds: float) -> None:
    ports = [free_port(), free_port()]
    command = [sys.executable, __file__, "--child", "server", "--folder", str(folder), "--ports", *map(str, ports)]
    command += ["--delay", str(DELAY), "--gap", str(GAP)]
    if os.geteuid() == 0 and shutil.which("chrt"):
        command = ["chrt", "-f", "5", *command]
    server = subprocess.Popen(pinned(command, 1), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_port(ports[1])
        print(
            f"time to first byte, reported minus true: first byte after {DELAY * 1000:.0f} ms, end {GAP * 1000:.0f} ms later"
        )
        for scheme, port in zip(("http", "https"), ports, strict=True):
            for shape, goal in (("paced", 2.5), ("herd", 5.0)):
                url = f"{scheme}://127.0.0.1:{port}/d"
                told = child("accuracy", "--url", url, "--folder", folder, "--seconds", seconds, "--shape", shape)
                print(f"  {scheme:5} {shape:5} opsbot    {spread(told)}   {wanted(scheme, shape, goal)}")
                if shutil.which(EXPORTER):
                    with exporter(folder) as (_, at):
                        told = child(
                            "drive", "--ports", at, "--url", url, "--seconds", seconds, "--shape", shape, cpu=1
                        )
                    print(f"  {scheme:5} {shape:5} blackbox  {spread(told)}")
    finally:
        server.terminate()
        server.wait()


def wanted(scheme: str, shape: str, goal: float) -> str:
    # 200 handshakes at once take longer than the gap between the answer's two parts, and TCP then keeps the later stamp.
    return "no goal; exact to the gap" if (scheme, shape) == ("https", "herd") else f"goal p99 {goal} ms"


def spread(told: dict) -> str:
    first, end = sorted(told["first"]), sorted(told["end"])
    return (
        f"p50 {percentile(first, 0.5):6.2f}  p99 {percentile(first, 0.99):7.2f}  max {first[-1]:7.2f} ms"
        f"   end p99 {percentile(end, 0.99):6.2f} ms   n {len(first)} bad {told['bad']}"
    )


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def measure_memory(folder: Path, seconds: float) -> None:
    with served(folder) as urls:
        told = child("memory", "--urls", *urls.values(), "--folder", folder, "--seconds", seconds)
    print(f"memory with 1,000 targets: {told['rss']:.0f} MB (goal 45), {told['up']} up after {told['rounds']} rounds")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", choices=["cost", "accuracy", "memory"])
    for name in ("child", "url", "shape"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--ports", type=int, nargs="*", default=[])
    parser.add_argument("--urls", nargs="*", default=[])
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--gap", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--verdicts", type=float, default=0.0)
    a = parser.parse_args()
    match a.child:
        case "server":
            asyncio.run(serve(a.folder, a.ports, a.delay, a.gap))
        case "cost":
            cost(a.url, a.folder, a.seconds, a.verdicts)
        case "accuracy":
            accuracy(a.url, a.folder, a.seconds, a.shape)
        case "memory":
            memory(a.urls, a.folder, a.seconds)
        case "drive":
            drive(a.ports[0], a.url, a.seconds, a.shape)
        case "pace":
            pace(a.ports[0], a.url, a.rate, a.seconds)
        case _:
            compare(a)


def compare(a: argparse.Namespace) -> None:
    if not shutil.which(EXPORTER):
        print(f"{EXPORTER} is not installed: no comparison, our own figures only")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        certificates(folder)
        page(folder)
        if a.only in (None, "cost"):
            compare_cost(folder, a.rounds, a.seconds)
        if a.only in (None, "accuracy"):
            compare_accuracy(folder, a.seconds + 4)
        if a.only in (None, "memory"):
            measure_memory(folder, a.seconds)


if __name__ == "__main__":
    main()
