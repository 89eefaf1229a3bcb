"""What a person on call types, and what it says: everything from the store, no AWS, no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsbot import config
from opsbot.cli import cli
from opsbot.compose import compose_notice
from opsbot.model.finding import Finding
from opsbot.model.message import Action
from opsbot.render import notice as notices
from opsbot.store.sql import SqlStore
from tests.alerting.world import Night, finding
from tests.config.json_schema import faults
from tests.outbox.world import fresh, run

HOME = """
timezone = "Europe/Berlin"
[[environments]]
name = "shop-prod"
tenant = "shop"
tier = "production"
regions = ["eu-central-1"]
labels = { team = "web" }
[channels.pager]
kind = "file"
folder = "pager"
format = "email"
[channels.chat]
kind = "file"
folder = "chat"
format = "slack"
[[routes]]
name = "page"
match = { status = "critical", tier = "prod*" }
priority = "P1"
channels = ["pager", "chat"]
[[routes]]
match = { status = ["warning", "unknown"], label.team = "web" }
channels = ["chat"]
repeat = "never"
"""
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Place:
    path: Path
    store: SqlStore

    def opsbot(self, *words: str) -> Told:
        done = CliRunner().invoke(cli, ["--home", str(self.path), *words], standalone_mode=False, catch_exceptions=True)
        why = getattr(done.exception, "message", "") if done.exception else ""
        code = done.return_value if isinstance(done.return_value, int) else done.exit_code
        return Told(code, done.stdout, done.stderr + why)

    def waiting(self, action: Action) -> Sequence[str]:
        return [one.channel for one in self.store.messages() if one.action is action]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A home in which one alert fires since half an hour, and both channels were told."""
    return home_where(tmp_path, finding("critical", runbook="high-load"))


def home_where(tmp_path: Path, *found_there: Finding) -> Place:
    (tmp_path / "config.toml").write_text(HOME)
    (tmp_path / "var").mkdir()
    night = Night(tmp_path / "n")
    night.store = fresh(tmp_path / "var" / "opsbot.db")
    found, problems = config.load(tmp_path / "config.toml")
    assert found is not None, problems
    night.policy, night.now = found.policy, datetime.now(UTC) - timedelta(minutes=30)
    night.look(*found_there)
    night.arrived()
    return Place(tmp_path, night.store)


def test_alerts_say_what_fires_who_knows_and_who_has_it(place: Place) -> None:
    assert "critical shop-prod/ecs-cpu/backend" in " ".join(place.opsbot("alerts").out.split())
    listed = json.loads(place.opsbot("alerts", "--format", "json").out)
    schema = json.loads((SCHEMAS / "alerts.schema.json").read_text())
    assert list(faults(listed, schema, schema)) == []
    assert [(one["key"], one["told"]) for one in listed["alerts"]] == [("shop-prod/ecs-cpu/backend", ["chat", "pager"])]
    assert place.opsbot("alerts", "--tenant", "edt").out == ""


def test_what_is_known_by_days_is_said_by_days(tmp_path: Path) -> None:
    since = datetime(2026, 11, 18, tzinfo=UTC)
    cost = finding("critical", check="cost-anomaly", since=since, evidence=(("start_day", "2026-11-18"),))
    # In Berlin that midnight is one o'clock, which no bill knows of.
    told = home_where(tmp_path, cost).opsbot("alerts").out
    assert "since 18 Nov" in told
    assert "01:00" not in told


def test_ack_takes_it_in_hand_and_tells_who_was_told(place: Place) -> None:
    told = place.opsbot("ack", "backend", "--as-who", "ana", "--reason", "looking")
    assert (told.code, told.out) == (
        0,
        "shop-prod/ecs-cpu/backend is in ana's hand; it is told again if it becomes worse\n",
    )
    assert sorted(place.waiting(Action.ACKNOWLEDGE)) == ["chat", "pager"]
    assert "in ana's hand" in place.opsbot("alerts").out


def test_whoever_aws_vouches_for_or_the_login_has_it_unless_another_is_named(place: Place) -> None:
    told = place.opsbot("ack", "backend", "--reason", "looking", "--format", "json")
    listed = json.loads(told.out)
    schema = json.loads((SCHEMAS / "alerts.schema.json").read_text())
    assert list(faults(listed, schema, schema)) == []
    (row,) = place.store.audit().rows()
    assert listed["alerts"][0]["acknowledged_by"] == row.act.actor.short


def test_the_next_safe_command_is_said_last(place: Place) -> None:
    def last(*words: str) -> str:
        return place.opsbot(*words).err.splitlines()[-1]

    assert last("alerts") == 'next: opsbot ack shop-prod/ecs-cpu/backend --reason "looking"'
    assert last("ack", "backend") == "next: opsbot runbook run --finding shop-prod/ecs-cpu/backend"
    assert last("alerts") == "1 fires: 1 critical, 1 in hand"
    place.store.commit(run(), (finding("critical", runbook="high-load"),), (), ())
    assert last("incident", "open", "--finding", "backend") == "then: opsbot runbook run high-load --incident INC-1"
    assert last("incident", "list") == "next: opsbot incident show INC-1"
    assert last("ack", "backend") == "next: opsbot incident show INC-1"
    assert last("silence", "check=ecs-*", "--for", "1h", "--reason", "x").startswith(
        "to end it: opsbot silence end sil-"
    )


def test_names_from_outside_command_no_terminal(tmp_path: Path) -> None:
    place = home_where(tmp_path, finding("critical", "\x1b]0;own\x07web\x1b[2J\u202e"))
    said = [
        place.opsbot(*words)
        for words in (
            ("alerts",), ("ack", "nothing"), ("silence", "check=*", "--for", "1h", "--reason", "x"), ("ack", "*"),
            ("alerts", "--format", "json"), ("audit", "verify"), ("audit", "export", "--format", "csv"), ("alerts", "--all"),
        )
    ]  # fmt: skip
    assert "web" in said[0].out + said[2].err + said[3].out
    for one in said:
        assert not {character for character in one.out + one.err if character in "\x1b\x07\x9b"}, one
    assert "\u202e" not in "".join(one.out + one.err for one in said[:4])


def test_an_incident_of_what_people_have_heard_of_already_is_told_as_it_is_opened(place: Place) -> None:
    place.store.commit(run(), (finding("critical"),), (), ())
    assert place.opsbot("incident", "open", "--finding", "shop-prod/ecs-cpu/backend").out == "INC-1 is open\n"
    shown = place.opsbot("incident", "show", "INC-1").out
    assert "tell 0 s" in shown
    assert "told chat" in shown
    assert place.opsbot("incident", "open", "login fails").out == "INC-2 is open\n"
    assert "detect -   not told   acknowledge" in place.opsbot("incident", "show", "INC-2").out
    assert "| tell | not told |" in place.opsbot("incident", "show", "INC-2", "--format", "markdown").out


def test_ack_of_a_group_as_its_notice_names_it(place: Place) -> None:
    group = place.store.alerts().told()[0].key
    assert "is in ana's hand" in place.opsbot("ack", "--group", group[:19], "--as-who", "ana").out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param(("ack", "shop-prod/ecs-cpu/backnd"), "the nearest: shop-prod/ecs-cpu/backend", id="misspelt key"),
        pytest.param(("ack",), "expected a KEY, or --group", id="no key"),
        pytest.param(("ack", "--group", "opsbot-00"), "nobody was told of a group", id="unknown group"),
        pytest.param(
            ("silence", "env=shop", "--for", "2h", "--reason", "x"), "alerts have no 'env'", id="unknown name"
        ),
        pytest.param(("silence", "check=a", "--for", "9d", "--reason", "x"), "at most 7d", id="too long"),
        pytest.param(("silence", "check=a", "--reason", "x"), "a silence has an end", id="without an end"),
        pytest.param(("silence", "check=a", "--for", "2h", "--reason", " "), "expected why", id="without a reason"),
        pytest.param(("silence", "end", "sil-x"), "no silence that holds is called", id="unknown silence"),
        pytest.param(("route", "test", "--env", "shop"), 'did you mean "shop-prod"?', id="unknown environment"),
    ],
)
def test_mistakes_say_what_to_do(place: Place, words: tuple[str, ...], why: str) -> None:
    told = place.opsbot(*words)
    assert why in told.err
    assert place.waiting(Action.ACKNOWLEDGE) == []


def test_a_silence_that_fits_nothing_says_what_looks_misspelt(place: Place) -> None:
    made = place.opsbot("silence", "--for", "2h", "--reason", "x", "environment=shop-prd")
    assert made.code == 0
    assert "it fits 0 that fire now\nno environment is called 'shop-prd'; did you mean \"shop-prod\"?" in made.err
    right = place.opsbot("silence", "environment=shop-*", "--for", "2h", "--reason", "x")
    assert "no environment" not in right.err


def test_what_is_made_and_ended_is_an_object_for_scripts(place: Place) -> None:
    schema = json.loads((SCHEMAS / "silences.schema.json").read_text())
    words = ("silence", "environment=shop-*", "--for", "2h", "--reason", "x", "--format", "json")
    made = json.loads(place.opsbot(*words).out)
    ended = json.loads(place.opsbot("silence", "end", made["silences"][0]["id"], "--format", "json").out)
    assert [list(faults(one, schema, schema)) for one in (made, ended)] == [[], []]
    assert [one["silences"][0]["holds"] for one in (made, ended)] == [True, False]


def test_a_silence_is_made_listed_and_ended(place: Place) -> None:
    made = place.opsbot(
        "silence", "environment=shop-*", "check=ecs-cpu", "--for", "2h", "--reason", "restore", "--owner", "bo"
    )
    assert "it fits 1 that fire now" in made.err
    id = made.out.split()[0]
    assert "by bo: restore" in place.opsbot("silence", "list").out
    assert "muted: silence by bo" in place.opsbot("alerts").out
    assert place.opsbot("silence", "end", id).out == f"{id} has ended; 2 notices go out\n"
    assert place.opsbot("silence", "list").out == ""


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        pytest.param(("--status", "critical"), "told: pager, chat", 0, id="critical"),
        pytest.param(("--status", "warning"), "no   page: status is warning, not critical", 0, id="and why not"),
        pytest.param(("--status", "info"), "nobody is told: no route fits", 0, id="nobody"),
        pytest.param(("--status", "warning", "--label", "team=data"), "label.team is data, not web", 0, id="by label"),
        pytest.param(("--status", "warning", "--expect", "pager"), "told: chat", 1, id="not as expected"),
    ],
)
def test_route_test_says_who_and_why(place: Place, words: tuple[str, ...], told: str, code: int) -> None:
    found = place.opsbot("route", "test", "--env", "shop-prod", "--check", "ecs-cpu", *words)
    assert (found.code, told in found.out) == (code, True), found


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param(("--expect", "chat"), "expected chat to be told, found pager, chat", id="another"),
        pytest.param(("--expect", "pager,chta"), 'no channel "chta"; did you mean "chat"?', id="misspelt channel"),
        pytest.param(
            ("--check", "ecs-cp"), 'no check is called "ecs-cp"; did you mean "ecs-cpu"?', id="misspelt check"
        ),
    ],
)
def test_route_test_says_what_it_did_not_expect(place: Place, words: tuple[str, ...], why: str) -> None:
    assert why in place.opsbot("route", "test", "--env", "shop-prod", *words).err


def test_a_route_by_job_is_tried_with_its_job(place: Place) -> None:
    with (place.path / "config.toml").open("a") as out:
        out.write('[[routes]]\nname = "bills"\nmatch = { job = "cost_*" }\nchannels = ["chat"]\n')
    words = ("route", "test", "--status", "info")
    assert "no route fits" in place.opsbot(*words).out
    assert "yes  bills: P2, chat" in place.opsbot(*words, "--job", "cost-anomalies").out
    listed = json.loads(place.opsbot("route", "list", "--format", "json").out)
    schema = json.loads((SCHEMAS / "routes.schema.json").read_text())
    assert list(faults(listed, schema, schema)) == []
    assert [one["name"] for one in listed["routes"]][::2] == ["page", "bills"]


def test_a_notice_reads_well_in_every_format(tmp_path: Path) -> None:
    night = Night(tmp_path)
    step = night.look(finding("critical", "x<!channel>", summary="CPU *93* % `rm`", runbook="high-load", owner="web"))
    notice = step.turned.notices[0]
    payload = notices.slack(notice, "Europe/Berlin")
    # A header is plain text to Slack; everything else obeys marks unless they are disarmed.
    marked = json.dumps([payload["text"], payload["blocks"][1:]])
    assert "<!channel>" not in marked
    assert "*93*" not in marked
    assert "Why now: new" in marked
    assert notices.facts(notice)["schema"] == "opsbot.notice/1"
    letter = compose_notice(notice, night.channels["mail"], "UTC").body.decode()
    assert "Importance: high" in letter
    assert f"References: <{notice.key}@opsbot.invalid>" in letter
    assert "opsbot runbook show high-load" in letter
