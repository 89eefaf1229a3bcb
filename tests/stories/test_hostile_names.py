"""Names, tags, alarms and reasons that mean harm, from AWS's answers to what people read: none of them does any."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from opsbot.render.format import width
from opsbot.replica import mail, scenario, slack
from opsbot.replica.server import serve
from opsbot.replica.world import World
from tests.render.reading import Tags
from tests.stories.conftest import NOW, House, Told, channels
from tests.stories.opener import Opener

SCENARIO = Path(__file__).parent / "hostile.toml"
TEMPLATES = Path(__file__).parents[2] / "report_templates"
RUN = ("run", "daily_health", "--at", NOW.isoformat(), "--format")
READ = ("text", "markdown", "html", "slack")
SCRIPT = '</td><script>alert(1)</script><img src=x onerror="alert(1)">{{ 7*7 }}'
# Controls but line breaks; the characters that turn text around, with those that hide in it; line ends of other kinds.
COMMANDS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class Morning:
    """One run told everywhere, and the same run printed in every other format."""

    world: World
    ran: Told
    printed: dict[str, Told]
    posts: list[dict[str, Any]]
    letters: list[mail.Letter]

    @property
    def letter(self) -> EmailMessage:
        return self.letters[0].parsed

    def part(self, kind: str) -> str:
        body = self.letter.get_body((kind,))
        assert isinstance(body, EmailMessage)
        return str(body.get_content())


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory, opener: Opener) -> Iterator[Morning]:
    world = scenario.load(SCENARIO, anchor=NOW)
    with serve(world, now=lambda: NOW) as aws, slack.serve() as slack_server, mail.serve() as mail_server:
        house = House(path=tmp_path_factory.mktemp("house"), aws=aws, opener=opener)
        (house.path / "config.toml").write_text(
            scenario.opsbot_config(world) + channels(slack_server, mail_server), encoding="utf-8"
        )
        # Telling mostly waits for Slack's pace, so the others run beside it.
        with ThreadPoolExecutor(3) as pool:
            ran = pool.submit(house.opsbot, *RUN, "json", "--deliver")
            asked = {name: pool.submit(house.opsbot, *RUN, name, "--dry-run", "--verbose") for name in READ}
        printed = {name: told.result() for name, told in asked.items()}
        yield Morning(world, ran.result(), printed, slack_server.messages, mail_server.messages)
        assert aws.unknown == []


def planted(world: World) -> set[tuple[str, str, str]]:
    """What must be found: environment, check and name."""
    places = {env.name: (env.account, env.regions[0]) for env in world.environments}
    resources = {
        (i.environment, i.expect, resource.name)
        for i in world.incidents
        for resource in world.resources(*places[i.environment], i.kind)
    }
    alarms = {
        (name, "cloudwatch-alarm", alarm.name) for name, place in places.items() for alarm in world.alarms(*place)
    }
    return resources | alarms


def test_everything_is_found_whatever_it_is_called(morning: Morning) -> None:
    wanted = planted(morning.world)
    found = [f for f in morning.ran.json["findings"] if f["status"] not in ("ok", "info")]
    assert len(wanted) >= 25
    assert {(f["environment"], f["check"], f["resource"]) for f in found} == wanted
    assert len(found) == len(wanted)
    assert SCRIPT in {f["owner"] for f in found}
    assert any("<!channel>" in f["summary"] for f in found if f["check"] == "cloudwatch-alarm")
    assert morning.ran.json["coverage"]["missing"] == []


def test_everybody_is_told_and_the_exit_code_says_so(morning: Morning) -> None:
    states = {(d["channel"], d["state"]) for d in morning.ran.json["deliveries"]}
    assert states == {("ops-slack", "sent"), ("managers", "sent")}
    assert (len(morning.letters), len(morning.posts) > 1) == (1, True)
    assert {told.code for told in (morning.ran, *morning.printed.values())} == {1}


def page_of(morning: Morning, which: str) -> str:
    return morning.part("html") if which == "mail" else morning.printed["html"].out


# What the templates write, and what an HTML parser adds to a table.
TAGS = {tag for path in TEMPLATES.rglob("*.j2") for tag in re.findall(r"<([a-z][a-z0-9]*)", path.read_text())} | {
    "tbody"
}


@pytest.mark.parametrize("which", ["file", "mail"])
def test_no_name_becomes_a_tag_an_attribute_or_a_link(morning: Morning, which: str) -> None:
    read = Tags(page_of(morning, which))
    assert SCRIPT in read.text
    assert {tag for tag, _ in read.tags} <= TAGS
    assert not [(tag, name) for tag, names in read.tags for name in names if name.startswith("on")]
    links = [value for name, value in read.values if name in ("href", "src", "srcset", "action", "background")]
    assert [link for link in links if not link.startswith(("#", "cid:chart", "data:image/"))] == []
    assert COMMANDS.findall(page_of(morning, which).replace("\r\n", "\n")) == []


def mrkdwn(value: object) -> Iterator[str]:
    """Every text of a message in which Slack looks for markup; table cells and headers are literal."""
    if isinstance(value, dict):
        if value.get("type") not in ("raw_text", "plain_text"):
            yield from (text for part in value.values() for text in mrkdwn(part))
    elif isinstance(value, list):
        yield from (text for part in value for text in mrkdwn(part))
    elif isinstance(value, str):
        yield value


def test_slack_sees_no_mention_no_link_and_no_markup(morning: Morning) -> None:
    printed = json.loads(morning.printed["slack"].out)
    said = [text for message in (morning.posts, printed) for text in mrkdwn(message)]
    assert any("&lt;!channel&gt; &amp; $x_{" in text for text in said)
    assert [text for text in said if "<" in text or COMMANDS.search(text)] == []
    assert any("∗bold∗ _it_ ∼s∼ 'code'" in text for text in said)
    blocks = [block for post in morning.posts for block in post["blocks"]]
    texts = [b["text"] for b in blocks if "text" in b] + [e for b in blocks for e in b.get("elements", ())]
    assert all(text.get("verbatim") for text in texts if text["type"] == "mrkdwn")


def test_a_terminal_gets_text_and_nothing_else(morning: Morning) -> None:
    shown = [morning.printed["text"].out, morning.part("plain").replace("\r\n", "\n"), morning.printed["markdown"].out]
    spoken = [*shown, *(told.err for told in (morning.ran, *morning.printed.values()))]
    assert [COMMANDS.findall(text) for text in spoken] == [[] for _ in spoken]
    assert "\x1b" not in morning.ran.out
    assert all("evilgnp.exex" in text for text in shown)
    assert [line for line in shown[0].splitlines() if width(line) > 100] == []


def test_markdown_holds_no_html_link_or_mention(morning: Morning) -> None:
    outside_code = re.sub(r"`[^`\n]*`", "", re.sub(r"\\.", "", morning.printed["markdown"].out))
    assert re.findall(r"[<>`]|\]\(|://|@\w|#\d", re.sub(r"&#\d+;", "", outside_code.replace("&#8203;", " "))) == []


def test_the_letter_keeps_its_headers(morning: Morning) -> None:
    letter = morning.letter
    assert letter["Subject"] == morning.ran.json["headline"]
    assert letter["To"] == "ops@example.org, lead@example.org"
    assert set(letter.keys()) == {
        *("Subject", "From", "To", "Date", "Message-ID", "List-Id", "MIME-Version", "Content-Type"),
        *("Auto-Submitted", "X-Auto-Response-Suppress", "X-Opsbot-Run"),
    }
    assert [part.defects for part in letter.walk() if part.defects] == []
    assert morning.letters[0].recipients == ("ops@example.org", "lead@example.org")
    assert max(map(len, morning.letters[0].content.split(b"\r\n"))) <= 998
    assert re.findall(rb"(?<!\r)\n|\r(?!\n)", morning.letters[0].content) == []
