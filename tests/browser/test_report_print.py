"""A report on paper, which is also how it becomes a PDF: no heading alone, no picture cut, nothing that cannot be opened."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from jinja2 import FileSystemLoader

from opsbot.render import html, specimen
from tests.browser.chromium import Browser
from tests.render.conftest import ROOT

STYLES = """(() => {
  const first = word => document.querySelector(word), of = (word, name) => getComputedStyle(first(word))[name]
  return { heading: of('.sec', 'breakAfter'), row: of('.t tr', 'breakInside'), chart: of('.fig', 'breakInside'),
           multiple: of('.two', 'breakInside'), evidence: of('details', 'display'), paper: of('body', 'backgroundColor'),
           section: getComputedStyle(first('.t').closest('td').parentElement).breakInside }
})()"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    templates = FileSystemLoader(ROOT / "report_templates")
    made = html.render(specimen.report("weekly_report"), specimen.about("weekly_report", "0.1.0"), templates)
    path.write_text(made, encoding="utf-8")
    return path.as_uri()


def test_rows_and_pictures_stay_whole_and_sections_flow(browser: Browser, address: str) -> None:
    with browser.page(address, width=794, height=1123, media="print") as page:
        assert page.run(STYLES) == {
            "heading": "avoid", "row": "avoid", "chart": "avoid", "multiple": "avoid", "section": "auto",
            "evidence": "none", "paper": "rgb(255, 255, 255)",
        }  # fmt: skip


def test_the_sample_takes_four_pages_or_five(browser: Browser, address: str) -> None:
    with browser.page(address, width=794, height=1123) as page:
        printed = base64.b64decode(page.tell("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert re.findall(rb"/Count (\d+)", printed) in ([b"4"], [b"5"])
