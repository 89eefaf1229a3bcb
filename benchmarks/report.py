"""What one morning's report costs to render: 10 environments, 400 resources, six charts. CPU of the first rendering.

    python benchmarks/report.py

Budgets: 100 ms a chart, 1 s the whole report; mail under 80 KiB of HTML, charts under 30 KiB each.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jinja2 import FileSystemLoader

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from opsbot.model.report import ChartSpec, Report  # noqa: E402
from opsbot.render import chart, email, html, slack, text  # noqa: E402
from tests.render.sample import about, report  # noqa: E402


def first_time(work: Callable[[], object]) -> float:
    """Milliseconds of CPU; once, because a chart that was drawn is kept."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def charts(told: Report) -> list[ChartSpec]:
    return [block for section in told.sections for block in section.blocks if isinstance(block, ChartSpec)]


def main() -> None:
    told, source = report(), about()
    templates = FileSystemLoader(ROOT / "report_templates")
    people = {
        "sender": "opsbot@example.org",
        "to": ["ops@example.org"],
        "domain": "example.org",
        "message_id": "<1@example.org>",
    }
    first = charts(told)[0]
    chart.render(replace(first, label="warm"), "light")
    print(f"report, {len(charts(told))} charts; CPU of the first rendering, drawing library loaded")
    print(
        f"  one chart            {first_time(lambda: chart.render(replace(first, label='x'), 'light')):8.0f} ms   budget 100 ms"
    )
    print(f"  HTML, light and dark {first_time(lambda: html.render(told, source, templates)):8.0f} ms   budget 1000 ms")
    print(f"  mail, charts drawn   {first_time(lambda: email.render(told, source, templates, **people)):8.0f} ms")
    print(f"  Slack                {first_time(lambda: slack.render(told, source)):8.0f} ms")
    print(f"  text                 {first_time(lambda: text.render(told, source, colour=False)):8.0f} ms")
    print(f"  one chart's size     {len(chart.render(first, 'light')) / 1024:8.1f} KiB  budget 30 KiB")


if __name__ == "__main__":
    main()
