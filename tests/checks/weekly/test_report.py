"""The weekly report as people get it: golden text and Slack, its budgets, none and many environments, all well and all ill."""

from __future__ import annotations

import email
import email.message
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from email import policy
from html import unescape
from pathlib import Path

import orjson
import pytest

from opsbot.checks.weekly import Week
from opsbot.model.report import FindingList, Report, Scorecard, Section, Table
from opsbot.model.status import Status
from opsbot.render import email as letters
from opsbot.render import html, slack, specimen, text
from opsbot.render.headline import LIMIT
from opsbot.store.sql import SqlStore
from tests.checks.weekly.stories import EMPTY, FAILING, TEMPLATES, Extreme, busy, calm, extreme, written_up
from tests.outbox.world import fresh

GOLDEN = Path(__file__).parents[2] / "golden"
IDS = (
    "system_health",
    "performance_metrics",
    "cost_analysis",
    "security_summary",
    "capacity",
    "incidents",
    "recommendations",
)
EXTREMES = [
    pytest.param(Extreme(0), id="none"),
    pytest.param(Extreme(1), id="one"),
    pytest.param(Extreme(8), id="eight"),
    pytest.param(Extreme(64), id="sixty-four"),
    pytest.param(Extreme(1, FAILING), id="the one fails"),
    pytest.param(Extreme(8, EMPTY), id="eight without a datum"),
    pytest.param(Extreme(64, FAILING), id="sixty-four fail"),
    pytest.param(Extreme(64, dark=True), id="sixty-four that cannot be seen"),
]  # fmt: skip


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = fresh()
    yield opened
    opened.close()


def section(report: Report, id: str) -> Section:
    return next(one for one in report.sections if one.id == id)


def as_golden(name: str, shown: str) -> None:
    file = GOLDEN / name
    if os.environ.get("OPSBOT_UPDATE_GOLDEN"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8"), "look at it, then: OPSBOT_UPDATE_GOLDEN=1"


def test_a_week_in_words_and_in_slack(store: SqlStore) -> None:
    told, about = written_up(busy(store))
    as_golden("weekly_report.txt", text.render(told, about, colour=False))
    payloads = orjson.dumps(slack.render(told, about), option=orjson.OPT_INDENT_2).decode()
    as_golden("weekly_report.slack.json", payloads + "\n")
    assert html.render(told, about, TEMPLATES) == html.render(told, about, TEMPLATES)


def test_sections_keep_their_ids_and_their_order(store: SqlStore) -> None:
    for week in (busy(store), extreme(Extreme(0))):
        found = [one.id for one in written_up(week)[0].sections]
        assert found == ["decisions", "scorecard", *IDS, "coverage", "method"]


def test_the_sample_has_the_shape_of_the_week(store: SqlStore) -> None:
    sample, told = specimen.report("weekly_report"), written_up(busy(store))[0]
    assert [(one.id, one.title) for one in sample.sections] == [(one.id, one.title) for one in told.sections]
    assert "decisions" not in {one.id for one in specimen.report("daily_health").sections}


def test_slack_tells_every_part_of_the_week(store: SqlStore) -> None:
    told, about = written_up(busy(store))
    first, *thread = slack.render(told, about)
    assert told.lede in unescape(orjson.dumps(first).decode())
    later = unescape(orjson.dumps(thread).decode())
    for one in told.sections:
        firsts = [row.cells[0] for block in one.blocks if isinstance(block, Table) for row in block.rows]
        # A table that is drawn as one may end before those that are well, and counts them.
        assert [cell.text for cell in firsts if cell.status is not Status.OK and cell.text not in later] == [], one.id


def test_a_mail_names_twenty_four_environments_in_trouble(store: SqlStore) -> None:
    """Each with a sentence as long as they get, beside five decisions and a full scorecard."""
    told, about = written_up(busy(store))
    table = next(block for block in section(told, "system_health").blocks if isinstance(block, Table))
    note = "Load balancer error rate classroom-web: errors 8.5 % of 12,630 requests for 77 min, limit 5 %; also 1 critical, 12 warnings"
    rows = tuple(
        replace(table.rows[0], cells=(replace(table.rows[0].cells[0], text=f"customer-{n:02}-prod"), *table.rows[0].cells[1:]), note=note)
        for n in range(24)
    )  # fmt: skip
    full = replace(
        told,
        sections=tuple(
            replace(one, blocks=(Table(columns=table.columns, rows=rows),)) if one.id == "system_health" else one
            for one in told.sections
        ),
    )
    raw = letters.render(
        full, about, TEMPLATES, sender="a@b.example", to=["c@d.example"], domain="b.example", message_id="<1@b.example>"
    )
    shown = part(email.message_from_bytes(raw, policy=policy.default), "html")
    assert len(shown.encode()) <= 80 * 1024
    assert [row.cells[0].text for row in rows if row.cells[0].text not in shown] == []
    assert shown.count(note) == 24


def test_a_calm_week_decides_nothing_and_says_so(store: SqlStore) -> None:
    told, _ = written_up(calm(store))
    assert told.headline == "All 8 environments are well"
    said = {one.id: getattr(one.blocks[0], "text", "") for one in told.sections}
    assert said["decisions"] == "Nothing has to be decided this week."
    assert said["incidents"] == "No incident was opened this week."
    assert section(told, "system_health").status is Status.OK


@pytest.mark.parametrize("case", EXTREMES)
def test_budgets_hold_whatever_the_week_was(case: Extreme, store: SqlStore) -> None:
    told, about = written_up(extreme(case, store))
    assert 0 < len(told.headline) <= LIMIT
    for payload in slack.render(told, about):
        assert len(payload["blocks"]) <= 12
        assert len(orjson.dumps(payload["blocks"])) <= 6000
    table = next((block for block in section(told, "system_health").blocks if isinstance(block, Table)), None)
    assert (table is None) == (case.number == 0)
    assert table is None or len(table.rows) == min(case.number, 24)
    plain = text.render(told, about, colour=False, width=78)
    assert all(len(line) <= 78 for line in plain.splitlines())


@pytest.mark.parametrize(
    ("case", "headline", "states"),
    [
        (Extreme(0), "Nothing was checked: no environment is configured", set()),
        (Extreme(1, EMPTY), "The one environment gives no data", {Status.UNKNOWN}),
        (Extreme(8, dark=True), "8 of 8 environments give no data", {Status.UNKNOWN}),
        (Extreme(1, FAILING), "Two decisions this week; the one environment needs action", {Status.CRITICAL}),
    ],
    ids=["none", "empty", "dark", "failing"],
)
def test_what_is_not_known_is_never_well(case: Extreme, headline: str, states: set[Status]) -> None:
    week = extreme(case)
    told, _ = written_up(week)
    assert {place.status for place in week.places} == states
    assert told.headline == headline
    (card,) = [block for block in section(told, "scorecard").blocks if isinstance(block, Scorecard)]
    for score in card.scores:
        assert (score.value == "no data") == (score.status is Status.UNKNOWN)
        assert score.note or score.status is not Status.UNKNOWN, score.name
    if case.courses is not FAILING:
        assert all(score.status is Status.UNKNOWN for score in card.scores)


@pytest.mark.parametrize("case", [None, Extreme(64, FAILING)], ids=["a busy week", "all of sixty-four fail"])
def test_the_mail_fits_and_its_text_stands_alone(case: Extreme | None, store: SqlStore) -> None:
    told, about = written_up(busy(store) if case is None else extreme(case, store))
    raw = letters.render(
        told, replace(about, url="https://ops.example/r/1"), TEMPLATES, sender="a@b.example", to=["c@d.example"],
        domain="b.example", message_id="<1@b.example>",
    )  # fmt: skip
    mail = email.message_from_bytes(raw, policy=policy.default)
    shown = part(mail, "html")
    assert len(shown.encode()) <= 80 * 1024
    charts = [one for one in mail.walk() if "chart" in one.get("Content-ID", "")]
    assert len(charts) <= 6
    assert all(len(one.get_payload(decode=True)) <= 30 * 1024 for one in charts)
    plain = part(mail, "plain")
    assert str(mail["Subject"]) == told.headline
    for decision in _decisions(told):
        assert re.sub(r"\s+", " ", decision) in re.sub(r"\s+", " ", plain)
    if case is None:
        assert all(decision.split("; decide")[0].split("<")[0][:30] in shown for decision in _decisions(told))


def part(mail: email.message.EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def _decisions(told: Report) -> list[str]:
    blocks = [block for block in section(told, "decisions").blocks if isinstance(block, FindingList)]
    return [one.summary[1:] for block in blocks for one in block.findings]


def test_rendering_sixty_four_takes_three_seconds_at_most(store: SqlStore) -> None:
    """Measured in CPU time of this thread, so that a machine that others share does not matter; benchmarks/weekly.py
    tells the figures."""
    week: Week = extreme(Extreme(64, FAILING), store)
    begun = time.thread_time()
    told, about = written_up(week)
    html.render(told, about, TEMPLATES)
    slack.render(told, about)
    assert time.thread_time() - begun < 3
