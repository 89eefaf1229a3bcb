"""A report of every block, frozen: what `opsbot render --sample` shows to people who write templates.

Its names are as long and as odd as real ones get, because a template that only looks well with short names does not.
Sections carry the ids of the weekly report, and for that job its order.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from opsbot.model.finding import Coverage
from opsbot.model.period import Period
from opsbot.model.report import (
    About,
    Block,
    Cell,
    Charts,
    Column,
    Facts,
    FindingList,
    Prose,
    Report,
    Row,
    Score,
    Scorecard,
    Section,
    Strip,
    Strips,
    Table,
)
from opsbot.model.run import Usage
from opsbot.model.status import Status
from opsbot.render import specimen_drawn, specimen_found
from opsbot.render.headline import complete
from opsbot.render.specimen_drawn import AT
from opsbot.render.specimen_found import ENVIRONMENTS

ZONE = "Europe/Berlin"
WEEKLY = "weekly_report"


def report(job: str) -> Report:
    """The same for every job but for its title, and the weekly report's shape; the same on every machine."""
    period = Period(start=AT - timedelta(days=7), end=AT)
    weekly = job == WEEKLY
    bare = Report(
        title=_title(job) + (", W46, 9 Nov to 15 Nov 2026" if weekly else ""),
        period=period,
        headline="Four decisions this week; 2 of 6 environments need action" if weekly else "",
        sections=_week() if weekly else _sections(),
    )
    return complete(
        replace(bare, lede="This is a sample: nothing of it was measured. It holds every kind of block there is."),
        Coverage.of(specimen_found.findings()),
        len(ENVIRONMENTS),
    )


def about(job: str, version: str) -> About:
    return About(
        run_id="01SAMPLE00000000000000000R",
        job=job,
        at=AT,
        zone=ZONE,
        command=f"opsbot render {job} --sample",
        version=version,
        environments=len(ENVIRONMENTS),
        coverage=Coverage.of(specimen_found.findings()),
        usage=Usage(calls=(("cloudwatch:GetMetricData", 14), ("ecs:DescribeServices", 20)), metrics=5240, usd=0.0524),
        seconds=6.4,
        url="https://opsbot.example/r/01SAMPLE",
    )


def _title(job: str) -> str:
    return job.replace("_", " ").replace("-", " ").capitalize()


def _section(id: str, title: str, status: Status, *blocks: Block, aside: str = "") -> Section:
    return Section(id=id, title=title, status=status, blocks=blocks, aside=aside)


def _sections() -> tuple[Section, ...]:
    found = FindingList(findings=specimen_found.exceptions(), others=3)
    return (
        _section("exceptions", "Needs attention", Status.CRITICAL, found, aside="worst first"),
        _section("system_health", "System health", Status.CRITICAL, _scores(), _environments(), _days()),
        *_parts(),
    )


def _week() -> tuple[Section, ...]:
    """What has to be decided stands before everything, and the method at the end."""
    decisions = FindingList(findings=specimen_found.exceptions()[:4])
    method = Facts(pairs=(("Week", "seven whole days until Mon 16 Nov 2026 00:00 CET, against the seven before"),))
    seen = Facts(pairs=(("Judged", "41 of 42 measurements"), ("Missing", f"{ENVIRONMENTS[2]} ecs-memory 1")))
    return (
        _section("decisions", "Decide this week", Status.CRITICAL, decisions, aside="most urgent first; 3 more below"),
        _section("scorecard", "Scorecard", Status.CRITICAL, _scores(), aside="against W45; trend is 12 weeks"),
        _section("system_health", "System health", Status.CRITICAL, _environments(), _days(), aside="worst first"),
        *_parts(),
        _section("coverage", "Coverage", Status.UNKNOWN, seen),
        _section("method", "Method", Status.OK, method),
    )


def _parts() -> tuple[Section, ...]:
    security = FindingList(findings=specimen_found.security())
    return (
        _section("performance_metrics", "Performance", Status.CRITICAL, specimen_drawn.latency()),
        _section("cost_analysis", "Cost", Status.WARNING, specimen_drawn.bill(), _movers()),
        _section("security_summary", "Security", Status.WARNING, _facts(), security),
        _section("capacity", "Capacity", Status.WARNING, specimen_drawn.disk(), _forecasts(), aside="80 % ranges"),
        _section("incidents", "Incidents and pages", Status.OK, Prose(text="No incident since Thu 5 Nov.")),
        _section("recommendations", "Recommendations", Status.INFO, _advice(), aside="by effect for effort"),
    )


def _scores() -> Scorecard:
    climbing = tuple(9_800.0 + 180 * week for week in range(12))
    level = (99.97, 99.95, 99.98, None, 99.96, 99.97, 99.91, 99.95, 99.97, 99.96, 99.93, 99.82)
    return Scorecard(
        scores=(
            Score(name="Availability", value="99.82 %", target="99.9 %", status=Status.CRITICAL, change="0.11 pt worse",
                  trend=level, note="two environments below target"),
            Score(name="Spend", value="$11,842", target="$11,200", status=Status.WARNING, change="6.1 % worse",
                  trend=climbing),
            Score(name="Time from recording to first insight", value="no data", target="15 min", status=Status.UNKNOWN),
            Score(name="Pages at night", value="1", target="2", status=Status.OK, change="3 better"),
        )
    )  # fmt: skip


def _environments() -> Table:
    heads = (Column(title="Environment"), Column(title="Requests", align="right"), Column(title="Errors", align="right"),
             Column(title="12 weeks", phone=False), Column(title="Security", phone=False))  # fmt: skip
    return Table(columns=heads, rows=tuple(_environment(place, name) for place, name in enumerate(ENVIRONMENTS)))


def _environment(place: int, name: str) -> Row:
    bad = (Status.CRITICAL, Status.WARNING, Status.UNKNOWN, None)[min(place, 3)]
    errors = ("4.1 %", "1.2 %", "", "0.04 %")[min(place, 3)]
    weeks = tuple(0.04 + 0.02 * (week % (3 + place)) for week in range(12)) if bad is not Status.UNKNOWN else ()
    return Row(
        cells=(
            Cell(text=name),
            Cell(text=f"{1_240_000 >> place:,}"),
            Cell(text=errors, status=bad),
            Cell(text="", trend=weeks),
            Cell(text="2" if bad else "", status=Status.WARNING if bad else Status.OK),
        ),
        note="account 123456789012 does not let us in since Thu 12 Nov" if bad is Status.UNKNOWN else "",
    )


def _days() -> Strips:
    def bar(day: int, place: int) -> Status | None:
        if place == 1 and day < 30:
            return None
        return Status.CRITICAL if day in (61, 62) else Status.WARNING if day % (23 + place) == 5 else Status.OK

    rows = tuple(
        Strip(name=name, bars=tuple(bar(day, place) for day in range(90)), figure=figure, words=words, status=status)
        for place, (name, figure, words, status) in enumerate(
            (
                ("api", "99.82 %", "two bad days, 17 and 18 October", Status.WARNING),
                (
                    "https://app.example.org/health?deep=1&from=every-region-there-is",
                    "99.97 %",
                    "no bad day",
                    Status.OK,
                ),
            )
        )
    )
    return Strips(rows=rows, first="18 Aug", last="today", others=6)


def _movers() -> Table:
    heads = (Column(title="Service"), Column(title="7 days", align="right"), Column(title="Change", align="right"))
    rows = (
        ("AWS Lambda", "$613", "+$389", Status.WARNING),
        ("Amazon Relational Database Service (Multi-AZ, eu-central-1)", "$2,904", "+$12", None),
        ("Amazon S3", "$488", "-$31", None),
    )
    return Table(
        columns=heads,
        rows=tuple(
            Row(cells=(Cell(text=name), Cell(text=usd), Cell(text=change, status=status)))
            for name, usd, change, status in rows
        ),
    )


def _facts() -> Facts:
    return Facts(
        pairs=(
            ("CloudTrail", "on in 5 of 6 accounts; log files are validated in all of them"),
            ("Root", "not used since Mon 2 Mar"),
            ("a fact whose name is far too long for any column it stands in", "東京 <!channel> & $x_{ | `code` *bold*"),
        )
    )


def _forecasts() -> Charts:
    names = ("orders-aurora", "بوابة-الدفع", "an-events-database-with-a-name-of-many-words-and-no-end")
    specs = tuple(replace(specimen_drawn.storage(slope=0.42 - 0.1 * n), title=name) for n, name in enumerate(names))
    return Charts(specs=specs, others=37)


def _advice() -> Table:
    heads = (Column(title="What"), Column(title="Effect", align="right"), Column(title="Effort", align="right"))
    rows = (
        ("Delete 14 unattached volumes", "$212 a month", "1 h"),
        ("Raise the memory of ingest to 1,024 MB", "p95 3.1 s to 1.4 s", "10 min"),
    )
    return Table(columns=heads, rows=tuple(Row(cells=tuple(Cell(text=text) for text in row)) for row in rows))
