"""Names and numbers that mean harm, through every renderer: none becomes markup, a mention, a header or a command."""

from __future__ import annotations

import email
import json
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from email import policy
from email.message import EmailMessage

import pytest
from jinja2 import BaseLoader

from opsbot.model.finding import Finding, Series
from opsbot.model.report import About, Report
from opsbot.model.status import Status
from opsbot.render import email as mail
from opsbot.render import html, markdown, slack, specimen, text
from opsbot.render import json as machine
from tests.render.reading import Tags, problems
from tests.render.sample import NOW, WINDOW, about, findings, green, report
from tests.render.test_render_formats import SCHEMA, assert_sendable

NAMES = {
    "mention": "<!channel> & $x_{ <@U123> <https://evil|click>",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>{{ 7*7 }}",
    "arabic": "مرحبا بالعالم " * 36,
    "emoji": "👩‍👩‍👧‍👦 🔥 :tada: *bold* _it_ ~no~ `code`",
    "chinese": "生产环境数据库连接数过高" * 8,
    "overrides": "evil\u202egnp.exe\u2066\u2069\u200f\u200b",
    "breaks": "a\r\nBcc: x@example.org\r\n\r\n<h1>x\u2028y\u0085z",
    "escapes": "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b31m\x00",
    "money": "$$ \\frac{1}{0} $1,240 vs $980",
    "pipes": "| a | b |\n|---|\n[x](javascript:alert(1)) ![y](http://evil)",
    "surrogate": "half \ud800 pair",
    "long": "x" * 3000,
    "address": "example.com www.example.org http://example.net @team",
    "empty": "",
}


def poisoned(name: str) -> Callable[[Finding], Finding]:
    """A finding whose every string from outside is this name."""

    def poison(f: Finding) -> Finding:
        if f.status is Status.OK:
            return f
        return replace(
            f,
            resource=f"{name}{f.resource}",
            title=name or "t",
            area=name or f.area,
            summary=name,
            means=name,
            owner=name,
            runbook=name,
            rule=name,
            labels=(("tag:" + name, name),),
            evidence=((name, name), ("list", (name, 1, None, math.nan))),
        )

    return poison


def infected(name: str) -> tuple[Report, About, tuple[Finding, ...]]:
    spoken = tuple(poisoned(name)(f) for f in findings() if f.status is not Status.OK)
    spoken = tuple(f if f.check == "ecs-cpu" else replace(f, series=None) for f in spoken)  # one chart is enough
    found = (*spoken, *(replace(f, environment=f"{name}{f.environment}") for f in spoken), *green()[:50])
    where = tuple({f.environment for f in found})
    told = replace(report(found, where), title=name or "t")
    return (
        told,
        replace(about(found, len(where)), job="daily_health", run_id=name, command=f"opsbot {name}", version=name),
        found,
    )


def body(raw: bytes, kind: str) -> str:
    part = email.message_from_bytes(raw, policy=policy.default).get_body((kind,))
    assert isinstance(part, EmailMessage)
    content = part.get_content()
    assert isinstance(content, str)
    return content


def as_mail(told: Report, source: About, templates: BaseLoader) -> bytes:
    return mail.render(
        told,
        source,
        templates,
        sender="a@b.example",
        to=["c@d.example"],
        domain="b.example",
        message_id="<1@b.example>",
    )


@pytest.fixture(scope="module")
def tame(templates: BaseLoader) -> tuple[set[tuple[str, tuple[str, ...]]], set[tuple[str, tuple[str, ...]]]]:
    """The tags and attributes of pages that carry nothing evil."""
    told, source, _ = infected("name")
    page = Tags(html.render(told, source, templates)).tags | Tags(html.render(report(), about(), templates)).tags
    mailed = (
        Tags(body(as_mail(told, source, templates), "html")).tags
        | Tags(body(as_mail(report(), about(), templates), "html")).tags
        | Tags(body(as_mail(specimen.report("daily_health"), about(), templates), "html")).tags
    )
    return page, mailed


def quiet(shown: str) -> bool:
    """No control, no override, nothing invisible but what a page needs."""
    return not any(
        (unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t\r") or c in "\u202e\u2066\u200f\u200b"
        for c in shown
    )


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_no_name_does_harm(name: str, templates: BaseLoader, tame: tuple[set[object], set[object]]) -> None:
    told, source, found = infected(name)

    plain = text.render(told, source, colour=False, verbose=True)
    assert quiet(plain)
    assert "\x1b" not in plain

    page = html.render(told, source, templates)
    read = Tags(page)
    assert read.tags <= tame[0]
    assert not [value for key, value in read.values if key in ("href", "src", "srcset") and "evil" in value]
    assert "49" not in re.findall(r"onerror=alert\(1\)>\"'><b>(\S*)", read.text)

    raw = as_mail(told, source, templates)
    assert Tags(body(raw, "html")).tags <= tame[1]
    assert len(body(raw, "html").encode()) <= 80 * 1024
    assert quiet(body(raw, "plain"))
    headers = email.message_from_bytes(raw, policy=policy.default)
    assert headers["Bcc"] is None
    assert headers["To"] == "c@d.example"

    for message in slack.render(told, source):
        assert_sendable(message)
        for spoken in _strings(message):
            assert quiet(spoken)
            assert (
                re.findall(
                    r"<(?!https://opsbot\.example/r/01KB3F(?:#f-[0-9a-f]{10})?\|(?:Evidence|Full report|Report)>)",
                    spoken,
                )
                == []
            )

    marked = markdown.render(told, source)
    assert quiet(marked)
    outside_code = re.sub(r"`+[^`\n]*`+", "", marked)
    assert [link for link in re.findall(r"<[^>]*>", outside_code) if link != f"<{source.url}>"] == []
    assert re.findall(r"(?<!\\)\]\(|(?<![\w\\]):?javascript:(?=alert\(1\)\)(?<!\\))", outside_code) == []

    whole = json.loads(
        machine.render(
            told,
            source,
            found,
            window=WINDOW,
            scheduled_for=NOW,
            exit_code=1,
            artifacts=(),
            deliveries=(),
            verbose=True,
        )
    )
    assert problems(whole, SCHEMA) == []


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("@ops-team", "@&#8203;ops-team"),
        ("x@evil.example", "x@&#8203;evil.example"),
        ("issue #181, lane a#2", r"issue \#&#8203;181, lane a\#&#8203;2"),
        ("#not-a-number", r"\#not-a-number"),
        ("&#64;team", r"&amp;\#&#8203;64;team"),
        ("HTTP://evil.example www.evil.example", "HTTP&#58;//evil.example www&#46;evil.example"),
    ],
)
def test_nothing_that_a_ticket_system_would_link_is_left_in_markdown(said: str, written: str) -> None:
    assert markdown.escape(said) == written


def _strings(value: object) -> list[str]:
    """Every text of a message that is read as mrkdwn; table cells are literal."""
    if isinstance(value, dict):
        if value.get("type") in ("raw_text", "plain_text"):
            return []
        return [text for part in value.values() for text in _strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in _strings(part)]
    return [value] if isinstance(value, str) else []


NUMBERS: dict[str, tuple[float | None, ...]] = {
    "huge": (1e308,) * 10,
    "not a number": (math.nan,) * 10,
    "infinite": (math.inf, -math.inf) * 5,
    "nothing": (None,) * 10,
    "no points": (),
    "one point": (1.0,),
    "tiny": (5e-324,) * 10,
}


@pytest.mark.parametrize("values", NUMBERS.values(), ids=NUMBERS.keys())
def test_no_number_breaks_a_report(values: tuple[float | None, ...], templates: BaseLoader) -> None:
    line = Series(times=range(0, 300 * len(values), 300), values=values, judged=len(values))
    number = values[0] if values else None
    found = tuple(replace(f, value=number, limit=number, series=line) for f in findings())
    told, source = report(found), about(found)
    assert "no data" in text.render(told, source, colour=False, verbose=True)
    assert "No chart" in html.render(told, source, templates) or ("tiny" in NUMBERS and number == 5e-324)
    assert as_mail(told, source, templates)
    assert [assert_sendable(message) for message in slack.render(told, source)]
    shown = machine.render(
        told, source, found, window=WINDOW, scheduled_for=None, exit_code=1, artifacts=(), deliveries=(), verbose=True
    )
    assert not re.search(r"NaN|Infinity", shown)


def many(status: Status, environments: int) -> tuple[Finding, ...]:
    """Everything of every environment in one state."""
    pattern = green()[:40]
    return tuple(
        replace(
            f,
            environment=f"environment-{n:02}",
            status=status,
            value=93.0,
            limit=80.0,
            since=NOW,
            summary="beyond its limit",
            means="It is felt by all.",
            owner="team",
            runbook="book",
        )
        for n in range(environments)
        for f in pattern
    )


SCALES: dict[str, tuple[tuple[Finding, ...], int, str]] = {
    "zero environments": ((), 0, "Nothing was checked: no environment is configured"),
    "64 failing": (many(Status.CRITICAL, 64), 64, "All 64 environments need action"),
    "64 warned": (many(Status.WARNING, 64), 64, "All 64 environments need attention"),
    "64 blind": (many(Status.UNKNOWN, 64), 64, "Data missing from 64 of 64 environments"),
    "64 healthy": (many(Status.OK, 64), 64, "All 64 environments healthy"),
    "64 with notes": (many(Status.INFO, 64), 64, "All 64 environments healthy"),
}


@pytest.mark.parametrize(("found", "environments", "headline"), SCALES.values(), ids=SCALES.keys())
def test_any_scale_fits(found: tuple[Finding, ...], environments: int, headline: str, templates: BaseLoader) -> None:
    told, source = report(found, tuple(sorted({f.environment for f in found}))), about(found, environments)
    assert told.headline == headline
    assert headline in text.render(told, source, colour=False).splitlines()[0]
    assert text.render(told, source, colour=False).count("\n") < 250
    assert len(html.render(told, source, templates)) < 2_000_000
    assert len(body(as_mail(told, source, templates), "html").encode()) <= 80 * 1024
    messages = slack.render(told, source)
    assert len(messages) <= 9
    for message in messages:
        assert_sendable(message)
    assert headline in markdown.render(told, source)
