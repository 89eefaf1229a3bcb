"""What a bad tick costs: thousands of alerts through the real store, routed, grouped, queued, their incidents opened.

    python benchmarks/alerts.py [alerts]

Targets: 3,000 alerts in one tick are one page and one digest a tenant; 10,000 active ones are judged and routed within
a second (the turn alone, without the database).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from opsbot.alerting import Book, Looked, Policy, Route, turn  # noqa: E402
from opsbot.model.environment import Environment  # noqa: E402
from opsbot.model.finding import Finding  # noqa: E402
from tests.alerting.world import CHAT, PAGE, START, Night, finding  # noqa: E402
from tests.outbox.world import fresh  # noqa: E402

TENANTS = ("shop", "edt")
PLACES = {f"{name}-prod": Environment(name=f"{name}-prod", regions=("eu-central-1",), tenant=name) for name in TENANTS}
ROUTES: tuple[Route, ...] = tuple(replace(one, group_by=("alert",), incident=one is PAGE) for one in (PAGE, CHAT))


def found(many: int, status: str = "critical") -> tuple[Finding, ...]:
    """So many for each tenant."""
    return tuple(finding(status, f"r{n}", environment=place) for place in PLACES for n in range(many))


def tick(night: Night, what: str, findings: tuple[Finding, ...]) -> None:
    seen = tuple(replace(one, at=night.now) for one in findings)
    looked = Looked(job="health", at=night.now, findings=seen, environments=PLACES)
    began = time.perf_counter()
    night.store.alerts().turn(lambda book: night.step(book, looked))
    took = time.perf_counter() - began
    before = len(night.heard)
    night.arrived()
    heard = Counter((one.channel, str(one.action)) for one in night.heard[before:])
    told = ", ".join(f"{number} {channel} {action}" for (channel, action), number in sorted(heard.items())) or "nobody"
    print(f"  {what:<34} {took:6.2f} s   told: {told}")


def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    with tempfile.TemporaryDirectory() as folder:
        night = Night(Path(folder), ROUTES)
        night.store = fresh(Path(folder) / "opsbot.db")
        print(f"{many:,} alerts for each of {len(TENANTS)} tenants, in one SQLite file")
        tick(night, "all begin to fire at once", found(many))
        tick(night, "all are looked at again", found(many))
        print(f"  {'incidents':<34} {len(night.store.incidents().incidents()):6}")
        tick(night, "all are over", found(many, "ok"))
        night.store.close()
    policy = Policy(routes=ROUTES, channels=frozenset(("pager", "chat")), storm=20)
    number = iter(range(10**9))
    first = turn(Book(), policy, START, lambda: str(next(number)), Looked(job="health", at=START, findings=found(5000)))
    book = Book(alerts={one.key: one for one in first.alerts}, told=first.told, storms=first.storms)
    began, used = time.perf_counter(), time.process_time()
    turn(book, policy, START, lambda: str(next(number)), Looked(job="health", at=START, findings=found(5000)))
    took, cpu = time.perf_counter() - began, time.process_time() - used
    print(f"  {'10,000 active judged and routed':<34} {took:6.2f} s   {cpu:.2f} s of CPU   target 1 s")


if __name__ == "__main__":
    main()
