"""The verdict line and the parts of the health report, as stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.model.finding import Coverage, Finding
from opsbot.model.report import ChartSpec, Facts, FindingList, Prose, Report, Section, Table
from opsbot.model.status import Status, Verdict
from opsbot.render.headline import complete, verdict
from opsbot.render.sections import sections_by_environment
from tests.render.morning import NOW, WINDOW, finding, green
from tests.render.sample import findings

IDS = ("exceptions", "no_data", "overview", "recovered", "coverage")


def said(story: str) -> tuple[Finding, ...]:
    """`a:critical b:ok b:unknown` as findings, one resource each."""
    rows = [word.partition(":")[::2] for word in story.split()]
    return tuple(
        finding(name, "ecs-cpu", f"service-{place}", Status(status), value=93.0, summary="CPU 93 %")
        for place, (name, status) in enumerate(rows)
    )


def judged(found: tuple[Finding, ...], environments: int) -> Report:
    report = Report(title="Daily health", period=WINDOW, sections=sections_by_environment(found))
    return complete(report, Coverage.of(found), environments)


@pytest.mark.parametrize(
    ("story", "environments", "headline", "status"),
    [
        pytest.param("a:ok b:ok", 2, "All 2 environments healthy", Status.OK, id="a quiet day"),
        pytest.param("a:ok", 1, "The one environment is healthy", Status.OK, id="a quiet day in one place"),
        pytest.param("a:critical b:ok", 8, "1 of 8 environments needs action", Status.CRITICAL, id="one trouble"),
        pytest.param(
            "a:critical b:critical c:warning", 8, "2 of 8 environments need action", Status.CRITICAL, id="two"
        ),
        pytest.param("a:critical b:critical", 2, "All 2 environments need action", Status.CRITICAL, id="all of them"),
        pytest.param("a:warning a:unknown", 8, "1 of 8 environments needs attention", Status.WARNING, id="known first"),
        pytest.param(
            "a:unknown b:ok c:unknown", 8, "Data missing from 2 of 8 environments", Status.UNKNOWN, id="holes"
        ),
        pytest.param("a:info", 1, "The one environment is healthy", Status.INFO, id="notes worry nobody"),
        pytest.param("", 0, "Nothing was checked: no environment is configured", Status.UNKNOWN, id="nothing at all"),
        pytest.param("", 3, "Nothing was checked in 3 environments", Status.UNKNOWN, id="nothing to look at"),
    ],
)
def test_the_first_line_says_what_is_true(story: str, environments: int, headline: str, status: Status) -> None:
    report = judged(said(story), environments)
    assert (report.headline, report.status) == (headline, status)
    assert verdict(report) is status.verdict
    assert report.lede


def test_an_environment_that_could_not_be_entered_has_no_data() -> None:
    lost = tuple(replace(f, check="credentials") for f in said("a:unknown b:unknown c:unknown"))
    assert judged((*lost, *said("d:ok")), 8).headline == "No data from 3 of 8 environments"


def test_what_the_job_wrote_stays() -> None:
    report = Report(title="Weekly", period=WINDOW, sections=(), headline="Three decisions", lede="Nothing is down.")
    done = complete(report, Coverage(expected=5, evaluated=5), 2)
    assert (done.headline, done.lede, done.status) == ("Three decisions", "Nothing is down.", Status.OK)


def test_missing_data_is_never_healthy() -> None:
    report = Report(title="Weekly", period=WINDOW, sections=())
    missing = Coverage.of(said("a:unknown a:ok"))
    assert verdict(complete(report, missing, 2)) is Verdict.NO_DATA


def test_a_headline_is_never_longer_than_a_subject_may_be() -> None:
    section = Section(id="x", title="x", status=Status.CRITICAL, blocks=())
    done = complete(
        Report(title="x", period=WINDOW, sections=(section,), headline="x" * 300), Coverage(expected=1, evaluated=1), 1
    )
    assert len(done.headline) == 80


@pytest.mark.parametrize("found", [(), green(), findings()], ids=["nothing", "green", "morning"])
def test_every_part_is_always_there(found: tuple[Finding, ...]) -> None:
    sections = sections_by_environment(found)
    assert tuple(section.id for section in sections) == IDS
    assert all(section.blocks for section in sections)


def test_one_cause_over_many_resources_is_one_line() -> None:
    exceptions = sections_by_environment(findings())[0]
    listed = exceptions.blocks[0]
    assert isinstance(listed, FindingList)
    disks = [f for f in listed.findings if f.check == "disk"]
    assert [f.resource for f in disks] == ["6 disks"]
    assert disks[0].since == NOW - timedelta(hours=12)
    assert dict(disks[0].evidence)["resources"] == tuple(f"i-0{n}:/data" for n in range(6))


def test_four_of_a_kind_stay_apart() -> None:
    listed = sections_by_environment(said("a:warning a:warning a:warning a:warning"))[0].blocks[0]
    assert isinstance(listed, FindingList)
    assert len(listed.findings) == 4


def test_worst_first_then_farthest_from_the_limit() -> None:
    listed = sections_by_environment(findings())[0].blocks[0]
    assert isinstance(listed, FindingList)
    ranks = [f.status.rank for f in listed.findings]
    assert ranks == sorted(ranks, reverse=True)
    assert listed.findings[0].check == "api-latency"  # 3.7 times its limit


def test_six_charts_at_most_and_each_title_is_a_sentence() -> None:
    charts = [block for block in sections_by_environment(findings())[0].blocks if isinstance(block, ChartSpec)]
    assert len(charts) == 6
    assert charts[1].title == "dhbw-prod: ECS CPU, lecture-backend: CPU 93 % for 3 h, limit 80 %."
    assert "between" in charts[1].alt
    assert "limit 80 %" in charts[1].alt


def test_trouble_lies_below_the_limit_where_the_rule_says_so() -> None:
    low = finding(
        "a",
        "availability",
        "platform",
        Status.WARNING,
        value=99.0,
        limit=99.9,
        rule="< 99.9 %",
        series=findings_series(),
    )
    chart = sections_by_environment((low,))[0].blocks[1]
    assert isinstance(chart, ChartSpec)
    assert not chart.upward


def findings_series() -> object:
    return next(f.series for f in findings() if f.series)


def test_the_overview_collapses_the_healthy() -> None:
    table = sections_by_environment(findings())[2].blocks[0]
    assert isinstance(table, Table)
    assert table.rows[-1].cells[0].text == "3 others"
    assert {cell.status for cell in table.rows[-1].cells[1:]} == {Status.OK}
    dhbw = next(row for row in table.rows if row.cells[0].text == "dhbw-prod")
    assert "93.1 %" in [cell.text for cell in dhbw.cells]


def test_sixty_four_failing_environments_have_24_rows_and_one_for_the_rest() -> None:
    found = said(" ".join(f"env-{n:02}:critical" for n in range(64)))
    table = sections_by_environment(found)[2].blocks[0]
    assert isinstance(table, Table)
    assert len(table.rows) == 25
    rest = table.rows[-1]
    assert rest.cells[0].text == "40 more with trouble"
    assert (rest.cells[1].status, rest.cells[1].text) == (Status.CRITICAL, "40")


def test_an_environment_without_a_finding_is_told() -> None:
    sections = sections_by_environment(said("a:ok"), environments=("a", "b"))
    assert sections[1].status is Status.UNKNOWN
    prose = sections[1].blocks[0]
    assert isinstance(prose, Prose)
    assert prose.text == "No check applied to 1 environment: b."
    assert judged_with(("a", "b")) is Verdict.NO_DATA


def judged_with(environments: tuple[str, ...]) -> Verdict:
    found = said("a:ok")
    report = Report(title="x", period=WINDOW, sections=sections_by_environment(found, environments=environments))
    return verdict(complete(report, Coverage.of(found), len(environments)))


def test_coverage_counts_what_was_expected() -> None:
    facts = sections_by_environment(findings())[4].blocks[0]
    assert isinstance(facts, Facts)
    assert dict(facts.pairs)["Missing"].startswith("7: edtufv-prod ecs-memory 5")


def test_what_recovered_is_told_apart_from_notes() -> None:
    recovered = sections_by_environment(findings())[3]
    lists = [block for block in recovered.blocks if isinstance(block, FindingList)]
    assert [len(block.findings) for block in lists] == [2, 1]
    assert recovered.aside == "2 recovered, 1 note"


@pytest.mark.parametrize(
    ("back", "notes", "title", "told"),
    [
        (0, 0, "Recovered", ["Nothing broke and recovered in this window."]),
        (1, 0, "Recovered", [("service-0",)]),
        (0, 1, "Recovered, and notes", ["Nothing broke and recovered in this window.", "Not broken, but worth knowing:", ("service-0",)]),
        (1, 1, "Recovered, and notes", [("service-0",), "Not broken, but worth knowing:", ("service-1",)]),
    ],
    ids=["a quiet day", "one is back", "a note alone", "both"],
)  # fmt: skip
def test_what_never_broke_has_not_recovered(back: int, notes: int, title: str, told: list[object]) -> None:
    found = said(" ".join(["a:info"] * (back + notes)))
    found = (*(replace(one, evidence=(("recovered", True),)) for one in found[:back]), *found[back:])
    section = next(one for one in sections_by_environment(found, environments=["a"]) if one.id == "recovered")
    shown: list[object] = [
        tuple(one.resource for one in block.findings) if isinstance(block, FindingList) else getattr(block, "text", "")
        for block in section.blocks
    ]
    assert (section.title, shown) == (title, told)
