"""The mail against the data of caniemail.com: what a client does not know must be a loss that nobody notices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from jinja2 import FileSystemLoader

from opsbot.render import specimen
from tests.render.conftest import ROOT
from tests.render.test_render_mail_css import html_of

# What may be missing, and why it does not matter where it is.
HARMLESS = {
    "@media": "phones get the wide table; the dark theme and the narrow one are improvements",
    "<style> element": "every style that matters is in the tags",
    "display:none": "Gmail on mobile browsers alone shows the preheader's words as a first line",
    "<bdi> element": "is text without it",
    "<body> element": "the sheet inside has the colours too",
    "overflow": "only of the preheader, which has no height",
    "overflow-wrap": "a name without a space may stand wider than its column",
    "white-space": "figures may break in two lines",
    "border-radius": "corners are square",
    "role attribute": "is for readers aloud, which Windows Mail has none of its own for",
    "aria-label attribute": "a mark is read aloud as what it is: a check mark, a circle, a diamond",
    "aria-hidden attribute": "a glyph is read aloud beside its word",
    "max-height property": "only of the preheader, which has no height",
    "min-width property": "columns may get narrower than they should",
    "system-ui, ui-serif, ui-sans-serif, ui-rounded, ui-monospace": "the list of families goes on",
    "color-scheme meta tag": "only keeps clients that know it from recolouring what is dark already",
    "height property": "images carry their height as an attribute too",
}


@pytest.fixture(scope="module")
def library() -> str:
    places = [os.environ.get("OPSBOT_CANIEMAIL", ""), "node_modules/caniemail/dist/index.js"]
    at = next((Path(place).resolve() for place in places if place and Path(place).is_file()), None)
    if at is None or not shutil.which("node"):
        pytest.skip(
            "caniemail is not installed (npm install caniemail, or OPSBOT_CANIEMAIL=/path/index.js); the list of tests/render is checked"
        )
    return str(at)


def test_no_client_loses_what_matters(library: str, tmp_path: Path) -> None:
    page = tmp_path / "mail.html"
    page.write_text(
        html_of(specimen.report("daily_health"), FileSystemLoader(ROOT / "report_templates")), encoding="utf-8"
    )
    command = ["node", str(Path(__file__).with_name("caniemail.mjs")), library, str(page)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)
    assert {title: clients for title, clients in told.items() if title not in HARMLESS} == {}


def test_it_would_say_so(library: str, tmp_path: Path) -> None:
    page = tmp_path / "mail.html"
    page.write_text('<div style="display:grid;position:fixed">a</div><svg></svg>')
    command = ["node", str(Path(__file__).with_name("caniemail.mjs")), library, str(page)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)
    assert len(told.keys() - HARMLESS.keys()) >= 2
