"""A job's troubles as cards: mornings of one job, from its report through the store to what a channel's members see."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from jinja2 import FileSystemLoader

from opsbot.alerting import Policy, Route
from opsbot.job import Context, Job, NoSettings, Outcome, Settings
from opsbot.model.finding import Finding
from opsbot.model.message import CARDS
from opsbot.model.period import Period
from opsbot.model.report import Card, Report, Section
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.ports import World
from opsbot.replica.slack import Posted
from opsbot.runner import Request, execute
from tests.fakes import WrittenCloud
from tests.outbox.office import Office
from tests.outbox.world import START

DAY = timedelta(days=1)
OPENED, GROWN, OVER = ("opened", "$40 a day"), ("growing", "$120 a day"), ("over", "$300 in all")
KEY = "shop-prod/cost-anomaly/nat"
PLAIN = Policy(channels=frozenset({"slack", "email"}))
ROUTED, ELSEWHERE = (replace(PLAIN, routes=(Route(name="costs", channels=(name,)),)) for name in ("slack", "email"))


def card(change: str, summary: str, begun: int = 0, **more: object) -> Card:
    status = Status.INFO if change in ("over", "explained") else Status.WARNING
    finding = Finding(
        check="cost-anomaly", environment="shop-prod", resource="nat", status=status, at=START, unit=Unit.USD,
        title="Cost of NAT Gateway", area="cost", summary=summary, runbook="cost-spike", owner="team <!channel>",
    )  # fmt: skip
    made = Card(
        finding=finding, change=change, begun=START + begun * DAY - timedelta(hours=7), over=change == "over",
        close=f"opsbot ack {finding.key} --as expected",
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def run(
    office: Office,
    day: float,
    *cards: Card,
    to: str = "slack",
    policy: Policy = PLAIN,
    moves: bool = True,
    dry_run: bool = False,
) -> str:
    """The job's run of that day, with all that it wants told; without a card it has found nothing new."""
    office.clock.moment = at = START + day * DAY
    window = Period(start=at - DAY, end=at)

    def look(context: Context, settings: Settings) -> Outcome:
        section = Section(id="all", title="All", status=Status.OK, blocks=())
        report = Report(
            title="Costs", period=window, sections=(section,), headline=f"Day {day}", quiet=not cards, cards=cards
        )
        return Outcome(findings=tuple(one.finding for one in cards), report=report)

    request = Request(
        name="costs", job=Job(run=look, schedule="0 7 * * *", settings=NoSettings), settings=NoSettings(), at=at,
        window=window, environments=(), checks={}, zone="UTC", command="opsbot run costs", channels=(to,),
        templates=(FileSystemLoader("report_templates"),), policy=policy if moves else None,
        url_base="https://ops.example/runs",
    )  # fmt: skip
    world = World(cloud=WrittenCloud({}), channels=office.channels, store=office.store, now=office.clock.now)
    result = execute(request, world, owner="here", dry_run=dry_run)
    office.drain()
    return result.run.id


def shown(office: Office) -> list[str]:
    """What the channel's members see: reports, the card's own heading, and under it what changed."""
    return [f"> {_headed(post)}" if post.thread_ts else _headed(post) for post in office.slack.slack.posts]


def _headed(post: Posted) -> str:
    text = str(post.blocks[0]["text"]["text"]) if post.blocks else post.text
    return text.split("\n")[0].rpartition(":")[2].strip(" *.")


def test_a_trouble_is_one_message_from_its_beginning_to_its_end(office: Office) -> None:
    run(office, 0, card(*OPENED))
    first = shown(office)
    assert first == ["Day 0", "Cost of NAT Gateway, opened"]
    run(office, 1)
    run(office, 2)
    assert shown(office) == first
    run(office, 3, card(*GROWN))
    assert shown(office) == ["Day 0", "Cost of NAT Gateway, growing", "Day 3", "> Growing"]
    run(office, 5, card(*OVER))
    assert shown(office) == ["Day 0", "Cost of NAT Gateway, over", "Day 3", "> Growing", "Day 5", "> Over"]
    posts = office.slack.slack.posts
    assert {post.thread_ts for post in posts} == {"", posts[1].ts}
    assert office.slack.slack.calls.count("chat.update") == 2


def test_a_card_says_how_it_stands_and_what_to_type(office: Office) -> None:
    id = run(office, 0, card(*OPENED))
    told = json.dumps(office.slack.slack.posts[1].blocks)
    for words in ("$40 a day", "opsbot runbook show cost-spike --env shop-prod", f"opsbot ack {KEY} --as expected", f"/{id}|Report",
                  "as of Fri 20 Nov 2026"):  # fmt: skip
        assert words in told
    assert "<!channel>" not in told
    run(office, 1, card(*OVER))
    assert "opsbot ack" not in json.dumps(office.slack.slack.posts[1].blocks)


def test_a_card_that_somebody_deleted_is_posted_anew_with_its_next_change(office: Office) -> None:
    run(office, 0, card(*OPENED))
    office.slack.slack.delete(office.slack.slack.posts[1].ts)
    run(office, 1)
    assert shown(office) == ["Day 0"]
    run(office, 2, card(*GROWN))
    run(office, 3, card(*OVER))
    assert shown(office) == ["Day 0", "Day 2", "Cost of NAT Gateway, over", "> Growing", "Day 3", "> Over"]
    assert {post.thread_ts for post in office.slack.slack.posts} == {"", office.slack.slack.posts[2].ts}


def test_a_second_run_of_a_morning_says_nothing_again_on_the_card(office: Office) -> None:
    for hour in (0, 2 / 24):
        run(office, hour, card(*OPENED))
    for hour in (3, 3 + 2 / 24):
        run(office, hour, card(*OVER))
    told = shown(office)
    assert [line for line in told if not line.startswith("Day")] == ["Cost of NAT Gateway, over", "> Over"]


def test_what_comes_back_is_a_new_card(office: Office) -> None:
    run(office, 0, card(*OPENED))
    # Its end was told to nobody, as that of what somebody had explained.
    run(office, 9, card("opened", "$41 a day", begun=9))
    run(office, 10, card("over", "$41 in all", begun=9))
    run(office, 12, card("opened", "$42 a day", begun=12))
    cards = [line for line in shown(office) if line.startswith("Cost")]
    assert cards == [f"Cost of NAT Gateway, {change}" for change in ("opened", "over", "opened")]


def test_what_changed_while_slack_took_nothing_is_told_once_as_it_is_by_then(office: Office) -> None:
    office.slack.slack.token = "xoxb-another"
    run(office, 0, card(*OPENED))
    run(office, 1, card(*GROWN))
    assert shown(office) == []
    office.slack.slack.token = ""
    run(office, 2)
    assert [line for line in shown(office) if line.startswith("Cost")] == ["Cost of NAT Gateway, growing"]


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        pytest.param({"dry_run": True}, [], id="a dry run tells nothing"),
        pytest.param({"moves": False}, ["Day 1"], id="a look at the past is a report alone"),
        pytest.param({"policy": ROUTED}, ["Day 1"], id="a route carries it there: its alert is the card"),
        pytest.param(
            {"policy": ELSEWHERE}, ["Day 1", "Cost of NAT Gateway, opened"], id="a route carries it elsewhere"
        ),
    ],
)
def test_where_no_card_begins(office: Office, how: dict[str, Any], seen: list[str]) -> None:
    run(office, 1, card(*OPENED), **how)
    alerts = [place for place, post in enumerate(office.slack.slack.posts) if "Why now" in str(post.blocks)]
    assert [line for place, line in enumerate(shown(office)) if place not in alerts] == seen
    assert office.slack.slack.edits == []


def test_only_a_card_that_stands_is_edited_where_none_may_begin(office: Office) -> None:
    run(office, 0, card(*GROWN, opens=False))
    run(office, 1, card(*OVER))
    assert shown(office) == ["Day 0", "Day 1"]


def test_a_route_that_comes_later_leaves_no_card_open(office: Office) -> None:
    run(office, 0, card(*OPENED))
    run(office, 1, card(*OVER), policy=ROUTED)
    assert "Cost of NAT Gateway, over" in shown(office)


def test_a_quiet_morning_is_still_a_letter_and_a_look_at_the_past_is_still_a_report(office: Office) -> None:
    run(office, 0, to="email")
    assert len(office.mail.messages) == 1
    run(office, 1)
    assert shown(office) == []
    run(office, 1, moves=False)
    assert shown(office) == ["Day 1"]


def test_letters_have_no_cards(office: Office) -> None:
    run(office, 0, card(*OPENED), to="email")
    assert [told.key.startswith(CARDS) for told in office.store.messages()] == [False]


def test_a_card_outlives_other_messages(office: Office) -> None:
    run(office, 0, card(*OPENED))
    office.store.prune(START + 99 * DAY)
    run(office, 99, card(*OVER))
    assert shown(office)[1] == "Cost of NAT Gateway, over"
    office.store.prune(START + 300 * DAY)
    assert office.store.messages() == ()
