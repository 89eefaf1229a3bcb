"""What the weekly report costs to make and to render: a busy week of 10 and of 64 environments.

    python benchmarks/weekly.py

Budgets: rendering 1 s of CPU for 10 environments and 3 s for 64, in every format together; a chart 100 ms; mail under
80 KiB of HTML. Composing is everything between AWS's answers and the report; the answers come from a written world, and
bills, alerts, incidents and forecasts from a real store.
"""

from __future__ import annotations

import email as standard
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email import policy
from pathlib import Path

from jinja2 import FileSystemLoader

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from opsbot.checks.weekly import Week  # noqa: E402
from opsbot.render import email, html, slack, text  # noqa: E402
from tests.checks.weekly.estate import (  # noqa: E402
    Payers,
    Written,
    alert,
    alerted,
    bill,
    environment,
    finding,
    foreseen,
    from_then_on,
    incident,
    look,
    steady,
)
from tests.checks.weekly.stories import THURSDAY, written_up  # noqa: E402
from tests.outbox.world import fresh  # noqa: E402

BUDGETS = {10: 1000, 64: 3000}
PEOPLE = {"sender": "a@b.example", "to": ["c@d.example"], "domain": "b.example", "message_id": "<1@b.example>"}


def took(work: Callable[[], object]) -> tuple[float, object]:
    """Milliseconds of CPU; once, because a chart that was drawn is kept."""
    began = time.process_time()
    made = work()
    return (time.process_time() - began) * 1000, made


def busy(number: int) -> Callable[[], Week]:
    """A third of them in trouble: slow, wrong, dear, or about to be full."""
    places = tuple(environment(f"tenant{place:02d}", place, payer=place == 0) for place in range(number))
    store = fresh()
    bill(store, places, jump=4.0, days=400)
    for place in places[::3]:
        incident(store, place, f"{place.tenant} is down", THURSDAY)
        foreseen(store, place, f"{place.tenant}-db", days=18)
        alerted(store, alert(finding(place.name, "job"), THURSDAY, timedelta(minutes=6)))
    courses = {
        f"{one.tenant} TargetResponseTime p95": from_then_on(0.26, 0.556 + 0.01 * n)
        for n, one in enumerate(places[::3])
    }
    courses |= {f"{one.tenant} HTTPCode_Target_5XX_Count": steady(600.0) for one in places[1::6]}
    return lambda: look(Written(courses), places, store, payers=Payers(limit=900.0 * number))


def measured(number: int, budget: int, templates: FileSystemLoader) -> None:
    composed, week = took(busy(number))
    if not isinstance(week, Week):
        raise TypeError("expected a week")
    began = time.process_time()
    told, about = written_up(week)
    written = (time.process_time() - began) * 1000
    about = replace(about, url="https://ops.example/r/1")
    page, _ = took(lambda: html.render(told, about, templates))
    mail, raw = took(lambda: email.render(told, about, templates, **PEOPLE))
    rest, _ = took(lambda: (slack.render(told, about), text.render(told, about, colour=False)))
    print(f"  {number} environments")
    print(f"    composed             {composed:8.0f} ms")
    print(f"    sections             {written:8.0f} ms")
    print(f"    HTML, light and dark {page:8.0f} ms")
    print(f"    mail                 {mail:8.0f} ms, {kib(raw):.1f} KiB of HTML, budget 80 KiB")
    print(f"    Slack, text          {rest:8.0f} ms")
    print(f"    all of it rendered   {written + page + mail + rest:8.0f} ms   budget {budget} ms")


def kib(raw: object) -> float:
    """Of the HTML part."""
    if not isinstance(raw, bytes):
        raise TypeError("expected a mail")
    part = standard.message_from_bytes(raw, policy=policy.default).get_body(("html",))
    return len(part.get_content().encode()) / 1024 if part else 0.0


def main() -> None:
    templates = FileSystemLoader(ROOT / "report_templates")
    print("weekly report, CPU of the first rendering")
    for number, budget in BUDGETS.items():
        measured(number, budget, templates)


if __name__ == "__main__":
    main()
