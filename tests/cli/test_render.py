"""`opsbot render` and templates of one's own: tried with the sample, and what becomes of the wrong ones."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Iterator
from email import policy
from pathlib import Path
from typing import get_args

import pytest
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader, PrefixLoader

from opsbot import app, home
from opsbot.cli.render import FORMATS, mistakes
from opsbot.compose import with_templates
from opsbot.errors import OpsbotError
from opsbot.model.finding import Finding
from opsbot.model.report import Block
from opsbot.model.status import Status
from opsbot.render import html, slack, specimen, text
from tests.cli.test_home_commands import Opsbot, opsbot

__all__ = ["opsbot"]

SHIPPED = FileSystemLoader(home.shipped_home() / "report_templates")
ABOUT = specimen.about("daily_health", "0.1.0")
# What a page says of the sample, whoever drew it.
SAID = (
    "2 of 6 environments need action", "app/&lt;!channel&gt; &amp; $x_{`}/b8c1f0e2d3a49586", "東京-本番", "بوابة-الدفع",
    "Time from recording to first insight", "https://app.example.org/health?deep=1&amp;from=every-region-there-is",
    "is $400 over in 3 days", "and 37 more", "No incident since Thu 5 Nov.", "Delete 14 unattached volumes",
    "on in 5 of 6 accounts", "orders-aurora reaches 90 %",
)  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> home.Home:
    home.init(tmp_path / "ops")
    return home.find(tmp_path / "ops", {}, tmp_path)


def write(house: home.Home, name: str, content: str | bytes) -> None:
    body = content.encode() if isinstance(content, str) else content
    (house.path / "report_templates" / name).write_bytes(body)


def test_the_sample_holds_every_block_and_every_status() -> None:
    report = specimen.report("daily_health")
    blocks = [block for section in report.sections for block in section.blocks]
    assert {type(block) for block in blocks} == set(get_args(Block))
    assert {section.status for section in report.sections} | {f.status for f in _found()} == set(Status)
    weekly = {"system_health", "performance_metrics", "cost_analysis", "security_summary", "capacity", "incidents"}
    assert weekly | {"recommendations"} <= {section.id for section in report.sections}


def _found() -> Iterator[Finding]:
    from opsbot.render import specimen_found

    yield from specimen_found.findings()


def test_the_sample_fits_what_each_medium_takes() -> None:
    first, *rest = slack.render(specimen.report("daily_health"), ABOUT)
    for payload in (first, *rest):
        assert len(payload["blocks"]) <= 50
        assert len(json.dumps(payload["blocks"], ensure_ascii=False)) <= 13_000
    lines = text.render(specimen.report("daily_health"), ABOUT, colour=False).splitlines()
    assert max(map(len, lines)) <= 110


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_comes_out_and_twice_the_same(
    opsbot: Opsbot, house: home.Home, format: str, tmp_path: Path
) -> None:
    made = []
    for name in ("one", "two"):
        said = opsbot(
            "--home", str(house.path), "render", "daily-health", "--sample", "--format", format, "--output", name
        )
        assert (said.code, said.out, said.err) == (0, "", "")
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    page = _page(format, made[0])
    assert [told for told in SAID if told not in page] == [] or format not in ("html", "email")
    assert "2 of 6 environments need action" in page


def _page(format: str, made: bytes) -> str:
    if format != "email":
        return made.decode()
    mail = email.message_from_bytes(made, policy=policy.default)
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["daily_health"], "say --sample"),
        (["dayly_health", "--sample"], 'there is no job "dayly_health"; did you mean "daily_health"?'),
        (["daily_health", "--sample", "--format", "pdf"], "'pdf' is not one of"),
    ],
)
def test_mistakes_are_told_in_a_line(opsbot: Opsbot, house: home.Home, words: list[str], told: str) -> None:
    said = opsbot("--home", str(house.path), "render", *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_a_new_homes_templates_are_ours_until_they_are_edited(house: home.Home) -> None:
    folder = house.path / "report_templates"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "report.html.j2", "shipped"]
    assert {path.name for path in (folder / "shipped").iterdir()} == {"_m.html.j2", "base.html.j2", "report.html.j2"}
    assert [file.name for file in house.templates() if not file.shipped] == ["report.html"]
    assert mistakes(house) == []
    own, shipped = (html.render(specimen.report("x"), ABOUT, loader) for loader in app.templates(house))
    assert own.split() == shipped.split()


def test_what_the_starter_offers_works_once_its_comment_signs_are_gone(house: home.Home) -> None:
    starter = (house.path / "report_templates" / "report.html.j2").read_text()
    head, _, rest = starter.partition("{% extends")
    lines = re.sub(r"\{#[^\n]*\n|#\}", "", "{% extends" + rest)
    write(house, "report.html.j2", lines)
    page = html.render(specimen.report("x"), ABOUT, app.templates(house)[0])
    assert head.startswith("{#-")
    assert "ACME operations" in page
    assert "#5b2a86" in page
    assert page.index("2 of 6 environments need action</h1>") < page.index("+49 30 123456")


def test_the_readmes_example_leaves_a_section_out(house: home.Home) -> None:
    readme = (house.path / "report_templates" / "README.md").read_text()
    example = re.search(r"^```jinja\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert example
    write(house, "report.html.j2", example[1])
    page = html.render(specimen.report("x"), ABOUT, app.templates(house)[0])
    assert "Delete 14 unattached volumes" not in page
    assert [told for told in SAID if told not in page] == ["Delete 14 unattached volumes"]


WRONG = [
    pytest.param("a\n{% if %}", "report.html.j2, line 2: Expected an expression", id="no Jinja"),
    pytest.param("{% extends 'base.html.j2' %}\n\n{% block top %}\n{{ p.nothing }}{% endblock %}",
                 "report.html.j2, line 4: 'opsbot.render.view.Page object' has no attribute 'nothing'", id="misspelt"),
    pytest.param("\n{{ 1 / 0 }}", "report.html.j2, line 2: division by zero", id="arithmetic"),
    pytest.param("{% import '_m.html.j2' as m with context %}\n{{ m.facts(3) }}",
                 "(called from report.html.j2, line 2): 'int object' has no attribute 'pairs'", id="wrong part"),
    pytest.param("{{ range(10 ** 9) }}", "report.html.j2, line 1: Range too big", id="too much"),
    pytest.param("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "maximum recursion depth", id="no end"),
    pytest.param("{{ p.__class__.__mro__ }}", "report.html.j2, line 1: access to attribute '__class__'", id="nosy"),
    pytest.param("{% include 'nowhere.j2' %}", "report.html.j2, line 1: there is no template nowhere.j2", id="no such file"),
    pytest.param('{{ "\\ud800" }}', "surrogates not allowed", id="half a character"),
    pytest.param(b"\xff\xfe", "report_templates: a file that is not UTF-8", id="no text"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "told"), WRONG)
def test_a_wrong_template_costs_the_looks_and_says_so_in_the_report(
    house: home.Home, content: str | bytes, told: str
) -> None:
    write(house, "report.html.j2", content)
    page = with_templates(
        app.templates(house),
        specimen.report("daily_health"),
        ABOUT,
        lambda loader, told: html.render(told, ABOUT, loader),
    )
    words = " ".join(re.sub("<[^>]+>", " ", page).replace("&#39;", "'").split())
    assert told in words
    assert "opsbot render daily_health --sample" in words
    assert "2 of 6 environments need action" in words
    (problem,) = mistakes(house)
    assert told in str(problem)


def test_render_and_validate_name_it_before_anybody_reads_it(opsbot: Opsbot, house: home.Home) -> None:
    write(house, "daily_health.html.j2", "{{ p.nothing }}")
    where = "report_templates/daily_health.html.j2, line 1: 'opsbot.render.view.Page object' has no attribute 'nothing'"
    said = opsbot("--home", str(house.path), "validate")
    assert said.code == 2
    assert said.err == f"{where}\n1 problem in {house.path}\n"
    said = opsbot("--home", str(house.path), "render", "daily_health", "--sample", "--format", "email")
    assert (said.code, said.err) == (2, f"{where}; correct the template\n")
    assert "TEMPLATE" in said.out
    other = opsbot("--home", str(house.path), "render", "cost_anomalies", "--sample")
    assert (other.code, other.err) == (0, "")


def test_the_shipped_templates_are_tried_too_and_their_error_is_ours_to_mend() -> None:
    broken = ChoiceLoader([DictLoader({"report.html.j2": "{{ a }}"}), SHIPPED, PrefixLoader({"shipped": SHIPPED})])
    with pytest.raises(OpsbotError, match="'a' is undefined"):
        with_templates(
            (broken, broken), specimen.report("x"), ABOUT, lambda loader, told: html.render(told, ABOUT, loader)
        )
