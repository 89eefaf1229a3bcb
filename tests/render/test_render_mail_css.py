"""What mail programs drop or spoil is not in a mail; `make browser-test` asks caniemail's data besides."""

from __future__ import annotations

import email
import re
from email import policy
from email.message import EmailMessage

import pytest
from jinja2 import BaseLoader

from opsbot.model.report import Report
from opsbot.render import email as mail
from opsbot.render import specimen
from tests.render import drawn

NOT_THERE = {
    "Gmail and Outlook": r"position\s*:|display\s*:\s*(inline-)?(flex|grid)|var\(|--[a-z]+\s*:|float\s*:",
    "Outlook for Windows": r"background-image|background\s*:[^;\"]*url\(|box-shadow|transform\s*:|object-fit",
    "all of them": r"<(script|svg|picture|source|video|audio|iframe|form|input|button|details|object|link)\b|@import|@font-face",
    "who shows no data: images": r"src=\"?data:",
    "who asks before loading": r"(src|background)=\"?https?:|url\(",
}
REPORTS = {"sample": specimen.report("daily_health"), "drawn": drawn.report()}


def html_of(report: Report, templates: BaseLoader) -> str:
    sent = mail.render(
        report, specimen.about("daily_health", "0.1.0"), templates,
        sender="opsbot@example.org", to=["ops@example.org"], domain="example.org", message_id="<1@example.org>",
    )  # fmt: skip
    body = email.message_from_bytes(sent, policy=policy.default).get_body(("html",))
    assert isinstance(body, EmailMessage)
    return str(body.get_content())


@pytest.fixture(scope="module")
def pages(templates: BaseLoader) -> dict[str, str]:
    return {name: html_of(report, templates) for name, report in REPORTS.items()}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("who", NOT_THERE)
def test_a_mail_holds_nothing_that_is_dropped(pages: dict[str, str], name: str, who: str) -> None:
    assert re.findall(f".{{0,40}}(?:{NOT_THERE[who]}).{{0,40}}", pages[name]) == []


@pytest.mark.parametrize("name", REPORTS)
def test_every_image_says_its_size_and_its_words(pages: dict[str, str], name: str) -> None:
    images = re.findall(r"<img[^>]*>", pages[name])
    assert images
    assert [one for one in images if not all(f"{word}=" in one for word in ("width", "height", "alt", "style"))] == []


@pytest.mark.parametrize("name", REPORTS)
def test_cells_say_each_side_once_and_their_rows_the_rule(pages: dict[str, str], name: str) -> None:
    """What hundreds of cells repeat is what a mail weighs."""
    cells = re.findall(r"<td[^>]*>", pages[name])
    assert [one for one in cells if "border-bottom" in one or re.search(r"[\";]padding:[^\"]*padding-", one)] == []
    rows = re.findall(r"<tr[^>]*>", pages[name])
    assert [one for one in rows if "border-bottom" in one and "border-bottom:1px solid #" not in one] == []
    figures = [one for one in cells if 'align="right"' in one and "padding" in one]
    assert figures
    assert [one for one in figures if "text-align" in one or "white-space" in one] == []
    # Outlook for Windows draws no line under a row.
    assert "[if mso]" in pages[name]
