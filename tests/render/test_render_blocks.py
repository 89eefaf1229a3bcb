"""Trends, small multiples and forecasts, read in every format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import BaseLoader, FileSystemLoader

from opsbot.model.report import About, Cell, Charts, Mark, Report, Section
from opsbot.model.status import Status
from opsbot.render import html, markdown, slack, text
from tests.render.conftest import ROOT
from tests.render.drawn import bill, forecast, many, report, table
from tests.render.reading import Tags
from tests.render.sample import about
from tests.render.test_render_formats import CELL, as_mail, assert_sendable, everything, parsed

Same = Callable[[str, str], None]
SHIPPED = FileSystemLoader(ROOT / "report_templates")


@pytest.fixture(scope="module")
def told() -> Report:
    return report()


@pytest.fixture(scope="module")
def source() -> About:
    return about((), job="capacity_trends")


@pytest.fixture(scope="module")
def said(told: Report, source: About, templates: BaseLoader) -> dict[str, str]:
    return everything(told, source, templates)


def test_golden_blocks(told: Report, source: About, templates: BaseLoader, golden: Same) -> None:
    golden("drawn.txt", text.render(told, source, colour=False))
    golden("drawn_verbose.txt", text.render(told, source, colour=False, verbose=True))
    golden("drawn.md", markdown.render(told, source))
    golden("drawn.slack.json", json.dumps(slack.render(told, source), indent=1, ensure_ascii=False) + "\n")
    golden("drawn.html", CELL.sub("[picture]", html.render(told, source, templates)))


@pytest.mark.parametrize(
    "part",
    [
        "6.1 % worse", "tidewater", "Aurora storage, limit 90 %", "harbor Lambda is $400 over in 3 days and rising.",
        "meridian storage reaches 90 % on 4 January.", "37 more", "Security findings",
    ],
)  # fmt: skip
def test_every_format_says(part: str, said: dict[str, str]) -> None:
    flat = {name: " ".join(body.split()) for name, body in said.items()}
    assert [name for name, body in flat.items() if part not in body] == []


def test_a_trend_is_drawn_in_every_format(
    said: dict[str, str], told: Report, source: About, templates: BaseLoader
) -> None:
    for name in ("text", "plain mail", "markdown", "slack"):
        assert "▁▁▂▃▃▄▅▆▆▇██" in said[name], name
    assert html.render(told, source, templates).count('class="word"') == 3


def test_slack_takes_it(told: Report, source: About) -> None:
    for message in slack.render(told, source):
        assert_sendable(message)


def test_a_mail_carries_six_charts_and_tells_the_others_in_figures(
    told: Report, source: About, templates: BaseLoader
) -> None:
    raw = as_mail(told, source, templates)
    pictures = [part for part in parsed(raw).walk() if part.get_content_type() == "image/png"]
    kinds = [re.sub(r"\d.*", "", part["Content-ID"].strip("<>")) for part in pictures]
    assert kinds.count("chart") == 6
    assert kinds.count("trend") == 3
    assert all(len(part.get_payload(decode=True)) <= 30 * 1024 for part in pictures)
    page = parsed(raw).get_body(("html",))
    assert isinstance(page, EmailMessage)
    assert len(page.get_content().encode()) <= 80 * 1024
    assert "Now 74.2 %, limit 90 %, 84.3 % to 106 % on 19 Jan." in Tags(page.get_content()).text
    cids = {part["Content-ID"].strip("<>") for part in pictures}
    assert set(re.findall(r'src="?cid:([^"\s>]+)', page.get_content())) == cids
    assert as_mail(told, source, templates) == raw


def test_a_page_has_light_dark_and_phone_pictures_and_words_for_each(
    told: Report, source: About, templates: BaseLoader
) -> None:
    read = Tags(html.render(told, source, templates))
    sources = [attributes for tag, attributes in read.tags if tag == "source"]
    assert ("media", "srcset") in sources
    assert ("height", "media", "srcset", "width") in sources
    assert {value for name, value in read.values if name == "alt"} == {
        "", "meridian, Aurora storage", "harbor Lambda, daily cost",
    }  # fmt: skip


def test_a_hundred_charts_stay_within_a_mail(source: About, templates: BaseLoader) -> None:
    crowd = Charts(specs=tuple(replace(forecast(), title=f"resource {n}", limit=90.0 + n) for n in range(100)))
    told = replace(report(), sections=(Section(id="a", title="All", status=Status.OK, blocks=(crowd,)),))
    page = parsed(as_mail(told, source, templates)).get_body(("html",))
    assert isinstance(page, EmailMessage)
    assert len(page.get_content().encode()) <= 80 * 1024
    assert "and 70 more" in " ".join(Tags(page.get_content()).text.split())
    for message in slack.render(told, source):
        assert_sendable(message)


def test_text_without_verbose_gives_a_line_a_chart() -> None:
    told = replace(report(), sections=(Section(id="a", title="All", status=Status.OK, blocks=(many(),)),))
    short, long = (text.render(told, about(()), colour=False, verbose=verbose) for verbose in (False, True))
    assert "└" not in short
    assert long.count("└") == 5
    assert re.search(r"^meridian  +[▁-█]{20,24} +Aurora storage, limit 90 %$", short, re.MULTILINE)


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=25, deadline=None)
def test_any_name_is_text_in_every_format(name: str, other: str) -> None:
    spec = replace(
        bill(), title=name, detail=other, alt=name, label=other, marks=(Mark(at=bill().marks[0].at, text=name),)
    )
    grid = table()
    cells = (Cell(text=name, trend=(1.0, 2.0)), *grid.rows[0].cells[1:])
    odd = replace(grid, rows=(replace(grid.rows[0], cells=cells, note=other),))
    blocks = (spec, Charts(specs=(spec,)), odd)
    told = replace(report(), sections=(Section(id="a", title=name, status=Status.OK, blocks=blocks),))
    source = about(())
    page = html.render(told, source, SHIPPED)
    assert {tag for tag, _ in Tags(page).tags} <= PLAIN
    assert "\x1b" not in text.render(told, source, colour=False, verbose=True)
    assert markdown.render(told, source).count("```") == 2
    for message in slack.render(told, source):
        assert_sendable(message)


PLAIN = {
    "html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "th", "thead", "tbody", "p", "b", "br", "h1", "h2",
    "span", "bdi", "code", "img", "picture", "source", "a",
}  # fmt: skip
