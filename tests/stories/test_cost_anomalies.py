"""A payer's mornings, from the first reading to an anomaly's end: what is told, what it costs, what people's words do.

The embedded AWS answers over HTTP with its clock set to each morning; each run is the product's own, in this process.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsbot import app, outbox, runner
from opsbot.evaluate.costdata.verdicts import Meaning, Verdict
from opsbot.ports import Estimate
from opsbot.render import slack, text
from opsbot.replica import scenario
from opsbot.replica import slack as chat
from opsbot.replica.server import Running, serve
from opsbot.runner import Request, Result

ANCHOR = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
KEY = "dataplat-prod/cost-anomaly/sagemaker.notebk-ml-g5-4xlarge.eu-central-1"
GOLDEN = Path(__file__).parents[1] / "golden"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "OPSBOT_DEMO_EXTERNAL_ID": "opsbot-demo",
}
SETTINGS = """
[jobs.cost_anomalies]
savings = false

[[budgets]]
name = "analytics-own"
usd = 16000
payer = "shopai-prod"
"""


@dataclass(frozen=True)
class Office:
    """One home that reads one payer's bill, on the mornings of November 2026 that it is told to."""

    home: Path
    aws: Running
    clock: list[datetime]

    def morning(self, day: int, **more: Any) -> Result:
        house, request = self._at(day)
        with app.world(house) as world:
            return runner.execute(request, world, owner="here", **more)

    def tells(self, day: int) -> None:
        """As the daemon runs it, with what it tells sent."""
        house, request = self._at(day)
        request = replace(request, channels=("chat",), policy=house.config.policy)
        with app.world(house, channels=("chat",)) as world:
            result = runner.execute(request, world, owner="here")
            outbox.deliver(world.store, world.channels, now=world.now, wait=lambda _: None, only_run=result.run.id)

    def estimate(self, day: int) -> Estimate:
        house, request = self._at(day)
        with app.world(house) as world:
            return runner.estimate(request, world)

    def _at(self, day: int) -> tuple[app.App, Request]:
        self.clock[0] = datetime(2026, 11, day, 7, 0, tzinfo=UTC)
        house = app.load(self.home)
        return house, house.request("cost_anomalies", at=self.clock[0], environments=("shopai-prod",))

    def says(self, meaning: Meaning, day: int, reason: str) -> None:
        """Somebody's word on the notebook, an hour after that day's run."""
        at = datetime(2026, 11, day, 8, 0, tzinfo=UTC)
        app.load(self.home).store().costs().judge(Verdict(key=KEY, meaning=meaning, who="kim", at=at, reason=reason))

    def copy(self, home: Path) -> Office:
        """Another home that has seen the same."""
        shutil.copytree(self.home, home, dirs_exist_ok=True)
        return replace(self, home=home)

    @contextmanager
    def denied(self, operation: str, service: str = "ce") -> Iterator[None]:
        rules = json.dumps([{"service": service, "operation": operation, "fault": "access_denied"}]).encode()
        place = f"{self.aws.url}/_control/faults"
        urllib.request.urlopen(urllib.request.Request(place, data=rules, method="POST")).read()
        yield
        urllib.request.urlopen(urllib.request.Request(place, method="DELETE")).read()


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, list[datetime]]]:
    """The shipped world, in which the forgotten notebook is found and stopped after four days."""
    told = scenario.SHIPPED.read_text(encoding="utf-8")
    left, notebook = told.split('usage_type = "Notebk:ml.g5.4xlarge"')
    path = tmp_path_factory.mktemp("world") / "stopped.toml"
    stopped = notebook.replace('from = "-3d"\n', 'from = "-3d"\nfor = "4d"\n', 1)
    path.write_text(f'{left}usage_type = "Notebk:ml.g5.4xlarge"{stopped}', encoding="utf-8")
    clock = [ANCHOR]
    with (
        serve(scenario.load(path, anchor=ANCHOR), now=lambda: clock[0]) as running,
        pytest.MonkeyPatch.context() as env,
    ):
        env.setenv("AWS_ENDPOINT_URL", running.url)
        for name, value in CREDENTIALS.items():
            env.setenv(name, value)
        yield running, clock


def opened_in(home: Path, replica: tuple[Running, list[datetime]]) -> Office:
    world = scenario.load(scenario.SHIPPED, anchor=ANCHOR)
    (home / "config.toml").write_text(scenario.opsbot_config(world) + SETTINGS, encoding="utf-8")
    return Office(home=home, aws=replica[0], clock=replica[1])


@pytest.fixture
def office(replica: tuple[Running, list[datetime]], tmp_path: Path) -> Office:
    return opened_in(tmp_path, replica)


@dataclass(frozen=True)
class Week:
    """What an office was told on eight mornings, on the 20th without its bill."""

    office: Office
    told: dict[int, Result]


@pytest.fixture(scope="module")
def week(replica: tuple[Running, list[datetime]], tmp_path_factory: pytest.TempPathFactory) -> Week:
    office = opened_in(tmp_path_factory.mktemp("week"), replica)
    told = {day: office.morning(day) for day in (17, 18, 19)}
    with office.denied("GetCostAndUsage"):
        told[20] = office.morning(20)
    # What is only looked at needs no pages.
    told |= {day: office.morning(day, dry_run=day in (21, 23)) for day in range(21, 25)}
    return Week(office, told)


@pytest.fixture
def later(week: Week, tmp_path: Path) -> Office:
    return week.office.copy(tmp_path)


def found(result: Result) -> Any:
    """The notebook's finding, or None."""
    return next((one for one in result.findings if one.key == KEY), None)


def state(result: Result) -> str:
    one = found(result)
    return "" if one is None else f"{one.status} {dict(one.evidence)['state']}"


def requests(result: Result) -> int:
    return dict(result.run.usage.calls).get("ce:GetCostAndUsage", 0)


def charged(result: Result) -> int:
    return sum(number for call, number in result.run.usage.calls if call.startswith("ce:"))


def test_a_forgotten_notebook_from_its_first_morning_to_its_end(week: Week) -> None:
    assert {day: state(result) for day, result in week.told.items()} == {
        17: "", 18: "critical opened", 19: "critical open", 20: "critical open", 21: "critical open",
        22: "critical open", 23: "warning open", 24: "info over",
    }  # fmt: skip
    heads = {day: result.report.headline for day, result in week.told.items()}
    assert heads[18].endswith(" over on 17 Nov in SageMaker, one day so far")
    assert [heads[day].split(" (")[0] for day in (19, 22)] == ["Nothing new; 1 anomaly still open"] * 2
    assert heads[20] == "The bill of shopai-prod could not be read"
    assert heads[24] == "Over: SageMaker; nothing else is unusual"
    assert [str(week.told[day].run.verdict) for day in (17, 22, 24)] == ["ok", "action", "ok"]


def test_the_evidence_is_what_the_contract_says(week: Week) -> None:
    one = found(week.told[22])
    evidence = dict(one.evidence)
    assert evidence["start_day"] == "2026-11-17"
    assert evidence["impact_usd"] == pytest.approx(4 * 78, rel=0.1)
    assert evidence["actual_usd"] == pytest.approx(evidence["impact_usd"] + evidence["expected_usd"], abs=0.02)
    (cause,) = json.loads(week.told[22].json(exit_code=1, paths=(), messages=(), verbose=False))["findings"][0][
        "evidence"
    ]["root_causes"]
    assert cause.pop("impact_usd") == evidence["impact_usd"]
    assert cause == {
        "service": "Amazon SageMaker", "account": "302000000001", "environment": "dataplat-prod",
        "region": "eu-central-1", "usage_type": "EUC1-Notebk:ml.g5.4xlarge", "share": 1.0,
    }  # fmt: skip


def test_who_changed_what_is_told_with_the_anomaly(week: Week) -> None:
    assert dict(found(week.told[18]).evidence)["changed_before"] == "CreateNotebookInstance trial-g5, by jonas.weber"
    assert "changed_before" not in dict(found(week.told[19]).evidence)
    asked = {day: dict(result.run.usage.calls) for day, result in week.told.items()}
    # Once for the event that begins such costs, once for all; and only when it is told in full.
    assert [day for day in asked if "cloudtrail:LookupEvents" in asked[day]] == [18, 21, 23]
    assert asked[18]["cloudtrail:LookupEvents"] == 2


def test_aws_s_own_detector_is_asked_when_something_is_found_and_once_a_week(week: Week) -> None:
    asked = {day: dict(result.run.usage.calls).get("ce:GetAnomalies", 0) for day, result in week.told.items()}
    assert {day: number for day, number in asked.items() if number} == {17: 1, 18: 1}


def test_without_cloudtrail_the_anomaly_is_told_and_why_nothing_more(later: Office) -> None:
    with later.denied("LookupEvents", "cloudtrail"):
        result = later.morning(18, dry_run=True)
    assert state(result) == "critical opened"
    facts = [pair for part in result.report.sections for block in part.blocks for pair in getattr(block, "pairs", ())]
    (why,) = [told for name, told in facts if name == "Changed before"]
    assert "CloudTrail could not be read" in why
    assert "allow cloudtrail:LookupEvents" in why


def test_a_morning_takes_a_few_requests_and_says_what_they_cost(week: Week) -> None:
    taken = {day: requests(result) for day, result in week.told.items()}
    assert taken[17] <= 10
    assert taken[24] <= 4
    for result in (week.told[17], week.told[24]):
        assert result.run.usage.usd == pytest.approx(charged(result) * 0.01)
    assert week.told[20].run.usage.usd == 0


def test_a_payer_that_cannot_be_read_is_unknown_with_the_action_to_allow(week: Week) -> None:
    (bill,) = [one for one in week.told[20].findings if one.check == "bill"]
    assert (str(bill.status), "ce:GetCostAndUsage" in bill.summary) == ("unknown", True)
    assert week.told[20].run.verdict == "action"


def test_a_first_run_without_a_bill_has_no_answer(office: Office) -> None:
    with office.denied("GetCostAndUsage"):
        result = office.morning(18)
    assert result.report.headline == "The bill of shopai-prod could not be read"
    assert (result.exit_code(), result.run.usage.usd) == (3, 0.0)


def test_what_is_planned_is_told_once_as_such_and_its_end_not_at_all(later: Office) -> None:
    later.says(Meaning.PLANNED, 18, "a trial until Friday")
    told = {day: later.morning(day, dry_run=True) for day in (18, 19, 21, 24)}
    assert {day: state(result) for day, result in told.items()} == {
        18: "info explained", 19: "info explained", 21: "info explained", 24: "info over",
    }  # fmt: skip
    listed = {
        day: [one.key for part in section.blocks for one in getattr(part, "findings", ())]
        for day, result in told.items()
        for section in result.report.sections
        if section.id == "over"
    }
    assert listed == {18: [KEY], 19: [KEY], 21: [], 24: []}
    assert "is planned, says kim on 18 Nov: a trial until Friday" in found(told[19]).summary
    assert {result.run.verdict for result in told.values()} == {"ok"}


def test_what_is_real_is_told_as_open(later: Office) -> None:
    later.says(Meaning.REAL, 18, "nobody knows whose it is")
    assert [state(later.morning(day, dry_run=True)) for day in (19, 24)] == ["critical open", "info over"]


def test_a_morning_of_the_past_is_shown_as_it_was_and_asks_nothing(later: Office, week: Week) -> None:
    then = later.morning(18, dry_run=True)
    assert requests(then) == 0
    assert then.report.headline == week.told[18].report.headline
    assert found(then).evidence == found(week.told[18]).evidence


def test_the_estimate_is_kept_and_a_second_run_asks_nothing(later: Office) -> None:
    before = later.estimate(25)
    first = later.morning(25, dry_run=True)
    assert dict(before.calls)["ce:GetCostAndUsage"] >= requests(first) > 0
    # AWS's detector was asked a week ago.
    assert before.usd == pytest.approx((dict(before.calls)["ce:GetCostAndUsage"] + 1) * 0.01)
    assert dict(before.calls)["ce:GetAnomalies"] == dict(first.run.usage.calls)["ce:GetAnomalies"] == 1
    # Paid for is kept, even of a dry run.
    again = later.morning(25, dry_run=True)
    assert (requests(again), later.estimate(25).usd) == (0, 0.0)
    assert (again.report.headline, again.findings) == (first.report.headline, first.findings)


CHAT = """
[channels.chat]
kind = "slack"
token = "env:SLACK_BOT_TOKEN"
channel = "C0123456"
base_url = "{url}/api/"
max_per_minute = 0
"""


def test_an_anomaly_is_one_message_that_is_edited_and_a_morning_without_news_is_none(
    later: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-loopback")
    seen: dict[int, list[str]] = {}
    with chat.serve(pace=0) as workspace:
        with (later.home / "config.toml").open("a", encoding="utf-8") as config:
            config.write(CHAT.format(url=workspace.url))
        for day in (18, 19, 21, 24):
            later.tells(day)
            posts = workspace.slack.posts
            seen[day] = [post.text.split(": $")[0] for post in posts if "Cost of SageMaker" in post.text.split(":")[1]]
            seen[-day] = [
                post.text for post in posts if post.text.startswith("Cost anomalies: ") and not post.thread_ts
            ]
        calls = workspace.slack.calls
    card = "dataplat-prod: Cost of SageMaker"
    assert [seen[day] for day in (18, 19, 21)] == [[f"{card}, opened"]] * 3
    assert seen[24] == [f"{card}, over"] * 2
    assert [len(seen[-day]) for day in (18, 19, 21, 24)] == [1, 1, 1, 2]
    assert calls.count("chat.update") == 1


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    def same(name: str, told: str) -> None:
        path = GOLDEN / name
        if os.environ.get("OPSBOT_UPDATE_GOLDEN"):
            path.write_text(told, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == told, (
            f"look at it, then: OPSBOT_UPDATE_GOLDEN=1 pytest tests/stories/test_cost_anomalies.py ({name})"
        )

    return same


def test_the_report_in_text_and_slack(week: Week, golden: Callable[[str, str], None]) -> None:
    result = week.told[18]
    about = replace(result.about, run_id="RUN", seconds=1.0, version="0")
    golden("cost_anomalies.txt", text.render(result.report, about, colour=False))
    posts = slack.render(result.report, about)
    golden("cost_anomalies.slack.json", json.dumps(posts, indent=1, ensure_ascii=False) + "\n")
    assert len(json.dumps(posts[0]["blocks"])) <= 6000
