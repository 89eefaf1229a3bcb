"""How fast the outbox tells: `opsbot _send` as a process, a Slack on loopback without a limit, and a folder.

    python benchmarks/outbox.py [messages]

Targets: 200 messages a second to a fast sink; a message reaches Slack within 2 s of its commit (p99). Latency is from the
end of the commit to the arrival, while 200 messages a second are committed; the sender looks for new ones each 0.4 s. After
a quiet minute there is no sender: the first message waits for one to start, which is told apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from opsbot.model.message import Delivery, Format, Message  # noqa: E402
from opsbot.replica import slack  # noqa: E402
from opsbot.store import open_store  # noqa: E402
from opsbot.store.sql import SqlStore  # noqa: E402
from tests.outbox.world import message, run  # noqa: E402

RATE, SECONDS, TOGETHER = 200, 10, 10
_names = count(os.getpid() * 1_000_000)

CONFIG = """
[channels.slack]
kind = "slack"
token = "env:TOKEN"
channel = "C0123456"
base_url = "{url}/api/"
max_per_minute = 0

[channels.folder]
kind = "file"
folder = "{folder}"
"""


def made(channel: str, many: int) -> list[Message]:
    format_ = Format.SLACK if channel == "slack" else Format.EMAIL
    plain = [message(f"{channel}-{next(_names)}", channel, format_) for _ in range(many)]
    return [replace(told, created_at=datetime.now(UTC)) for told in plain]


def queue(store: SqlStore, messages: list[Message]) -> float:
    """When the commit was over."""
    store.commit(run(f"run-{next(_names)}"), (), messages, ())
    return time.time()


def drained(store: SqlStore) -> None:
    while store.messages(states=(Delivery.QUEUED, Delivery.SENDING), limit=1):
        time.sleep(0.2)


def rate(arrivals: dict[str, float], channel: str) -> float:
    """Messages a second between the first and the last arrival."""
    moments = sorted(moment for id, moment in arrivals.items() if id.startswith(channel))
    return (len(moments) - 1) / (moments[-1] - moments[0])


def commit(url: str, channel: str) -> None:
    """A process of its own, as a run is: so many messages a second; prints when each was committed."""
    store, committed, began = open_store(url), {}, time.time()
    for step in range(RATE * SECONDS // TOGETHER):
        time.sleep(max(began + step * TOGETHER / RATE - time.time(), 0))
        messages = made(channel, TOGETHER)
        committed |= dict.fromkeys((told.id for told in messages), queue(store, messages))
    print(json.dumps(committed))


def latency(store: SqlStore, channel: str, arrivals: Callable[[], dict[str, float]]) -> list[float]:
    url = str(store.engine.url)
    asked = [sys.executable, __file__, "commit", url, channel]
    committed = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    drained(store)
    arrived = arrivals()
    return sorted(arrived[id] - moment for id, moment in committed.items())


def cold(store: SqlStore, command: list[str], chat: slack.Running, rounds: int = 8) -> list[float]:
    """From the commit of one message to its arrival, where the sender has to be started first."""
    found = []
    for _ in range(rounds):
        messages = made("slack", 1)
        committed = queue(store, messages)
        sender = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TOKEN": "xoxb-loopback"})
        try:
            drained(store)
            found.append(_posted(chat)[messages[0].id] - committed)
        finally:
            sender.terminate()
            sender.wait()
    return sorted(found)


def told(name: str, rate: float, delays: list[float]) -> None:
    p50, p99 = (delays[int(len(delays) * part)] * 1000 for part in (0.5, 0.99))
    print(
        f"  {name:<16} {rate:7.0f} messages/s   target 200      commit to arrival p50 {p50:5.0f} ms, p99 {p99:5.0f} ms"
    )


def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name, slack.serve(pace=0) as chat:
        home, folder = Path(name), Path(name) / "out"
        (home / "config.toml").write_text(CONFIG.format(url=chat.url, folder=folder))
        store = open_store(f"sqlite:///{home}/var/opsbot.db")
        arrivals = {"folder": lambda: _written(store), "slack": lambda: _posted(chat)}
        command = [sys.executable, "-m", "opsbot", "--home", str(home), "_send"]
        print(f"outbox, {many} messages that wait; then {RATE}/s for {SECONDS} s")
        for channel, arrived in arrivals.items():
            for _ in range(0, many, 50):
                queue(store, made(channel, 50))
            sender = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TOKEN": "xoxb-loopback"})
            try:
                drained(store)
                told(channel, rate(arrived(), channel), latency(store, channel, arrived))
                print(
                    f"  {'':<16} {_cpu(sender.pid) / len(arrived()) * 1000:7.1f} ms of CPU a message, {_rss(sender.pid) / 2**20:.0f} MiB"
                )
            finally:
                sender.terminate()
                sender.wait()
        waits = cold(store, command, chat)
        print(f"  {'slack, no sender':<16} {'':7} one message, sender started for it    p50 {waits[len(waits) // 2] * 1000:5.0f} ms, "
              f"longest {waits[-1] * 1000:5.0f} ms   target 2,000")  # fmt: skip
        store.close()


def _posted(chat: slack.Running) -> dict[str, float]:
    return {post.outbox_id: float(post.ts) for post in chat.slack.posts}


def _written(store: SqlStore) -> dict[str, float]:
    return {told.id: Path(told.provider_id).stat().st_mtime for told in store.messages(channel="folder")}


def _cpu(pid: int) -> float:
    """Seconds, start included."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _rss(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    if sys.argv[1:2] == ["commit"]:
        commit(*sys.argv[2:])
    else:
        main()
