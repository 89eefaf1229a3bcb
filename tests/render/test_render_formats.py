"""One report in every format: what a reader finds in it, and the limits it keeps."""

from __future__ import annotations

import email
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from pathlib import Path

import numpy as np
import pytest
from jinja2 import BaseLoader, DictLoader

from opsbot.errors import OpsbotError
from opsbot.model.finding import Coverage
from opsbot.model.message import Delivery, Message
from opsbot.model.report import About, Prose, Report, Score, Scorecard, Section
from opsbot.model.status import Status
from opsbot.render import email as mail
from opsbot.render import html, markdown, slack, text
from opsbot.render import json as machine
from opsbot.render.blockkit import BLOCKS, CHARACTERS
from opsbot.render.format import width
from opsbot.render.headline import complete
from tests.render.reading import Tags, problems
from tests.render.sample import NOW, WINDOW, about, findings, green, report

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "run.schema.json").read_text())
CELL = re.compile(r"data:image/(?:png|svg\+xml);base64,[A-Za-z0-9+/=]+")
Same = Callable[[str, str], None]


@pytest.fixture(scope="module")
def told() -> Report:
    return report()


@pytest.fixture(scope="module")
def source() -> About:
    return about()


def as_mail(told: Report, source: About, templates: BaseLoader) -> bytes:
    return mail.render(
        told, source, templates, sender="opsbot@example.org", to=["ops@example.org", "Ann <ann@example.org>"],
        domain="example.org", message_id="<01KB3F@example.org>",
    )  # fmt: skip


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=policy.default)


def as_json(told: Report, source: About, **changed: object) -> str:
    settings: dict[str, object] = {
        "window": WINDOW,
        "scheduled_for": None,
        "exit_code": 1,
        "artifacts": [("html", "demo-output/daily_health.html")],
        "deliveries": [],
        "verbose": False,
    }
    return machine.render(told, source, findings(), **(settings | changed))  # type: ignore[arg-type]


# golden ------------------------------------------------------------------------------------------------------------


def test_golden_text(told: Report, source: About, golden: Same) -> None:
    golden("daily_health.txt", text.render(told, source, colour=False))
    golden("daily_health_verbose.txt", text.render(told, source, colour=False, verbose=True))
    golden("daily_health_mail.txt", text.render(told, source, colour=False, width=78))


def test_golden_green(golden: Same) -> None:
    quiet = report(green())
    golden("daily_health_green.txt", text.render(quiet, about(green()), colour=False))
    golden(
        "daily_health_green.slack.json",
        json.dumps(slack.render(quiet, about(green())), indent=1, ensure_ascii=False) + "\n",
    )


def test_golden_markdown(told: Report, source: About, golden: Same) -> None:
    golden("daily_health.md", markdown.render(told, source))


def test_golden_json(told: Report, source: About, golden: Same) -> None:
    golden("daily_health.json", as_json(told, source))


def test_golden_slack(told: Report, source: About, golden: Same) -> None:
    golden("daily_health.slack.json", json.dumps(slack.render(told, source), indent=1, ensure_ascii=False) + "\n")


def test_golden_html(told: Report, source: About, templates: BaseLoader, golden: Same) -> None:
    golden("daily_health.html", CELL.sub("[picture]", html.render(told, source, templates)))


# every format --------------------------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_bytes(told: Report, source: About, templates: BaseLoader) -> None:
    again, origin = report(), about()
    assert text.render(told, source, colour=True) == text.render(again, origin, colour=True)
    assert html.render(told, source, templates) == html.render(again, origin, templates)
    assert slack.render(told, source) == slack.render(again, origin)
    assert as_mail(told, source, templates) == as_mail(again, origin, templates)
    assert as_json(told, source) == as_json(again, origin)


def everything(told: Report, source: About, templates: BaseLoader) -> dict[str, str]:
    whole = parsed(as_mail(told, source, templates))
    first, *replies = slack.render(told, source)
    plain, page = whole.get_body(("plain",)), whole.get_body(("html",))
    assert isinstance(plain, EmailMessage)
    assert isinstance(page, EmailMessage)
    return {
        "text": text.render(told, source, colour=False),
        "markdown": markdown.render(told, source).replace("\\", ""),
        "html": Tags(html.render(told, source, templates)).text,
        "mail": Tags(page.get_content()).text,
        "plain mail": plain.get_content(),
        "slack": json.dumps([first, *replies], ensure_ascii=False),
    }


@pytest.mark.parametrize(
    "part",
    [
        "3 of 10 environments need action",
        "lecture-backend",
        "93",
        "limit 80 %",
        "05:00",
        "Students wait for pages",
        "backend",
        "opsbot runbook show high-load --env dhbw-prod",
        "360 of 367 checks evaluated",
        "01KB3F9ZQ4T7M2X8V5C1N6R0WD",
        "opsbot run daily_health --deliver",
        "54 calls, 5,240 metrics, $0.05",
        "6.4 s, opsbot 0.1.0",
        "Thu 19 Nov 2026 08:00 CET",
        "glue:GetJobRuns denied",
    ],
)
def test_every_format_says(part: str, told: Report, source: About, templates: BaseLoader) -> None:
    flat = {name: " ".join(body.split()) for name, body in everything(told, source, templates).items()}
    assert [name for name, body in flat.items() if part not in body] == []


# text ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [78, 100])
def test_text_stays_within_its_width(columns: int, told: Report, source: About) -> None:
    lines = text.render(told, source, colour=False, width=columns).splitlines()
    assert [line for line in lines if width(line) > columns] == []
    assert lines[0].startswith("● ACTION  3 of 10 environments need action")


def test_colour_is_all_that_colour_adds(told: Report, source: About) -> None:
    coloured = text.render(told, source, colour=True)
    assert "\x1b[31m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured).split() == text.render(told, source, colour=False).split()


# slack ---------------------------------------------------------------------------------------------------------------


def test_slack_keeps_its_limits_and_ours(told: Report, source: About) -> None:
    for message in slack.render(told, source):
        assert_sendable(message)


def assert_sendable(message: dict[str, object]) -> None:
    blocks, fallback = message["blocks"], message["text"]
    assert isinstance(blocks, list)
    assert isinstance(fallback, str)
    assert 0 < len(fallback) <= 4000
    assert 0 < len(blocks) <= BLOCKS
    assert len(json.dumps(blocks)) <= CHARACTERS
    assert sum(block["type"] == "table" for block in blocks) <= 1
    for block in blocks:
        check = {"header": _header, "section": _section, "context": _context, "table": _table}[block["type"]]
        check(block)


def _header(block: dict[str, dict[str, str]]) -> None:
    assert 0 < len(block["text"]["text"]) <= 150


def _section(block: dict[str, dict[str, str]]) -> None:
    assert 0 < len(block["text"]["text"]) <= 3000


def _context(block: dict[str, list[dict[str, str]]]) -> None:
    assert 0 < len(block["elements"]) <= 10
    assert all(element["text"] for element in block["elements"])


def _table(block: dict[str, list[list[dict[str, str]]]]) -> None:
    rows = block["rows"]
    assert len(rows) <= 100
    assert len({len(row) for row in rows}) == 1
    assert len(rows[0]) <= 20
    texts = [cell["text"] for row in rows for cell in row]
    assert all(texts)
    assert sum(map(len, texts)) <= 10_000


def test_a_green_day_is_one_line_in_slack() -> None:
    messages = slack.render(report(green()), about(green()))
    assert [[block["type"] for block in message["blocks"]] for message in messages] == [["section", "context"]]


# json ----------------------------------------------------------------------------------------------------------------


def test_json_is_what_its_schema_says(told: Report, source: About) -> None:
    assert (
        problems(json.loads(as_json(told, source, verbose=True, deliveries=deliveries(), scheduled_for=NOW)), SCHEMA)
        == []
    )


def deliveries() -> list[Message]:
    plain = Message(id="1", key="k", channel="ops-slack", to="#ops", subject="s", body=b"", created_at=NOW)
    ends = [replace(plain, id=str(state), state=state) for state in Delivery]
    return [*ends, replace(plain, id="reply", reply_to="1")]


def test_json_lists_what_is_not_ok_and_all_of_it_when_asked(told: Report, source: About) -> None:
    statuses = {finding["status"] for finding in json.loads(as_json(told, source))["findings"]}
    assert statuses == {"critical", "warning", "unknown", "info"}
    assert len(json.loads(as_json(told, source, verbose=True))["findings"]) == len(findings())


def test_json_takes_the_numbers_that_arrays_are_made_of(told: Report, source: About) -> None:
    odd = replace(
        findings()[0], value=np.float64(93.1), limit=math.nan, evidence=(("points", (np.float64(1.5), math.inf)),)
    )
    written = machine.render(
        told, source, [odd], window=WINDOW, scheduled_for=None, exit_code=0, artifacts=(), deliveries=(), verbose=True
    )
    listed = json.loads(written)["findings"][0]
    assert (listed["value"], listed["limit"], listed["evidence"]) == (93.1, None, {"points": [1.5, None]})


def test_json_tells_the_fate_of_each_message(told: Report, source: About) -> None:
    listed = json.loads(as_json(told, source, deliveries=deliveries()))["deliveries"]
    assert [one["state"] for one in listed] == ["queued", "queued", "queued", "sent", "dead", "dead", "dead", "dead"]
    assert [bool(one["why"]) for one in listed] == [False, False, False, False, True, False, True, True]


# html ----------------------------------------------------------------------------------------------------------------


def test_html_is_one_file_without_outside_references(told: Report, source: About, templates: BaseLoader) -> None:
    page = html.render(told, source, templates)
    read = Tags(page)
    outside = [
        value
        for name, value in read.values
        if name in ("src", "srcset", "href") and not value.startswith(("data:", "#"))
    ]
    assert outside == []
    assert "@import" not in page
    assert "url(" not in page
    assert len(CELL.findall(page)) >= 12  # six charts in light and in dark
    assert len(read.ids) == len(set(read.ids))
    links = {value[1:] for name, value in read.values if name == "href"}
    assert links
    assert links <= set(read.ids)


def test_html_without_dark_twins_is_smaller(told: Report, source: About, templates: BaseLoader) -> None:
    assert len(html.render(told, source, templates, twins=False)) < len(html.render(told, source, templates))


def test_a_job_may_have_its_own_template(told: Report, source: About) -> None:
    own = DictLoader({"daily_health.html.j2": "<p>{{ p.headline }}</p>", "report.html.j2": "shared"})
    assert html.render(told, source, own) == "<p>3 of 10 environments need action</p>"


@pytest.mark.parametrize(
    ("templates", "said"),
    [
        ({}, "report_templates/report.html.j2: not found"),
        ({"report.html.j2": "a\n{% if %}"}, "report_templates/report.html.j2, line 2: Expected an expression"),
        ({"report.html.j2": "{{ nothing }}"}, "report_templates/report.html.j2: 'nothing' is undefined"),
        ({"report.html.j2": "{{ p.__class__.x }}"}, "report_templates/report.html.j2: access to attribute '__class__'"),
    ],
)
def test_a_wrong_template_is_named(templates: dict[str, str], said: str, told: Report, source: About) -> None:
    with pytest.raises(OpsbotError) as caught:
        html.render(told, source, DictLoader(templates))
    assert caught.value.message.startswith(said)


# mail ----------------------------------------------------------------------------------------------------------------


def test_mail_has_its_parts_headers_and_budgets(told: Report, source: About, templates: BaseLoader) -> None:
    raw = as_mail(told, source, templates)
    whole = parsed(raw)
    assert whole["Subject"] == told.headline
    assert whole["Message-ID"] == "<01KB3F@example.org>"
    assert whole["List-Id"] == "<daily-health.opsbot.example.org>"
    assert whole["Auto-Submitted"] == "auto-generated"
    assert whole["To"] == "ops@example.org, Ann <ann@example.org>"
    page = whole.get_body(("html",))
    assert isinstance(page, EmailMessage)
    assert len(page.get_content().encode()) < 80 * 1024
    pictures = [part for part in whole.walk() if part.get_content_type() == "image/png"]
    assert len(pictures) == 6
    assert all(len(part.get_payload(decode=True)) <= 30 * 1024 for part in pictures)
    cids = {part["Content-ID"].strip("<>") for part in pictures}
    assert set(re.findall(r'src="?cid:([^"\s>]+)', page.get_content())) == cids
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


def test_mail_styles_are_inlined_for_those_who_drop_style_sheets(
    told: Report, source: About, templates: BaseLoader
) -> None:
    page = parsed(as_mail(told, source, templates)).get_body(("html",))
    assert isinstance(page, EmailMessage)
    assert page.get_content().count("style=") > 50
    assert "prefers-color-scheme:dark" in page.get_content().replace(" ", "")


def test_a_line_break_never_starts_a_header(told: Report, source: About, templates: BaseLoader) -> None:
    evil = replace(told, headline="all fine\r\nBcc: everyone@example.org")
    whole = parsed(as_mail(evil, replace(source, run_id="1\r\nX-Evil: yes", job="x\r\ny"), templates))
    assert whole["Subject"] == "all fine Bcc: everyone@example.org"
    assert whole["Bcc"] is None
    assert whole["X-Evil"] is None


# a report that is no health check ------------------------------------------------------------------------------------


def test_a_report_of_other_blocks_reads_in_every_format(templates: BaseLoader) -> None:
    card = Scorecard(
        scores=(Score(name="Availability", value="99.94 %", target="99.9 %", status=Status.OK, note="up"),)
    )
    sections = (
        Section(
            id="failed", title="The run failed", status=Status.UNKNOWN, blocks=(Prose(text="the role was refused"),)
        ),
        Section(id="scores", title="Scorecard", status=Status.OK, blocks=(card,)),
    )
    plain = Report(title="Weekly", period=WINDOW, sections=sections, headline="No answer: weekly failed")
    told = complete(plain, Coverage(expected=0, evaluated=0), 3)
    for name, body in everything(told, about(()), templates).items():
        for part in ("No answer: weekly failed", "the role was refused", "99.94 %"):
            assert part in body, name
