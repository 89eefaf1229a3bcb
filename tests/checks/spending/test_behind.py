"""What stands behind an anomaly: who changed what before it, the likeliest first, and whether AWS's detection agrees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import cast

import pytest

from opsbot.checks.spending.beginnings import DEPLOYED, ELSEWHERE, NAMED, NEAR, beginning, fit
from opsbot.checks.spending.changes import Before, Change, around, before, introduced, ranked
from opsbot.checks.spending.life import Life, Stage
from opsbot.checks.spending.names import Accounts
from opsbot.checks.spending.priced import ADVICE, CALL, SECONDS, PricedBills
from opsbot.checks.spending.reading import Spending
from opsbot.checks.spending.second import asked, opinion, same, standing
from opsbot.evaluate.cost import Anomaly, Kind, RootCause, State
from opsbot.evaluate.costdata.days import CostGap, CostReading, Shown
from opsbot.evaluate.costdata.ports import Allowance, Bills
from opsbot.evaluate.costdata.writes import Write, Writes
from opsbot.evaluate.savings.advice import Second, Seconds
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.ports import Estimate, Looking
from opsbot.store.sql import SqlStore
from tests.checks.capacity.looks import Written, resource
from tests.outbox.world import fresh

START = date(2026, 11, 18)
NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
PAYER = Environment(name="billing", regions=("eu-central-1",), account_id="1", payer=True)
SHOP = Environment(name="shop-prod", regions=("eu-central-1",), account_id="2")
NAT = RootCause(
    account="2", service="EC2 - Other", region="eu-west-1", usage_type="EUW1-NatGateway-Bytes", share=1.0, impact=230.0
)
ANOMALY = Anomaly(
    id="a", account="2", service=NAT.service, also=(), why="", state=State.OPENED, kind=Kind.STEP, start=START, last=START + timedelta(days=1), causes=(NAT,), impact=230.0,
    expected=10.0, actual=240.0, daily=115.0, score=3.0, confidence=0.95,
)  # fmt: skip
LIFE = Life(key="shop-prod/cost-anomaly/nat", anomaly=ANOMALY, stage=Stage.OPENED, opened=NOW.date(), news=True)
ONE = Spending(
    payer=PAYER,
    accounts=Accounts(payer=PAYER, environments=(PAYER, SHOP)),
    morning=NOW.date(),
    lives=(LIFE,),
    read=True,
)


def write(name: str, source: str = "ec2", *, hours: float = -2.0, who: str = "ana", about: str = "") -> Write:
    return Write(
        at=datetime(2026, 11, 18, tzinfo=UTC) + timedelta(hours=hours), name=name, source=source, who=who, about=about
    )


@pytest.mark.parametrize(
    ("usage_type", "service", "event", "expected"),
    [
        ("EUC1-NatGateway-Bytes", "EC2 - Other", write("CreateNatGateway"), NAMED),
        ("EUC1-NatGateway-Bytes", "EC2 - Other", write("CreateTags"), NEAR),
        ("EUC1-NatGateway-Bytes", "EC2 - Other", write("UpdateService", "ecs"), DEPLOYED),
        ("EUC1-NatGateway-Bytes", "EC2 - Other", write("CreateBucket", "s3"), ELSEWHERE),
        ("EUC1-Notebk:ml.g5.4xlarge", "Amazon SageMaker", write("CreateNotebookInstance", "sagemaker"), NAMED),
        ("BoxUsage:m7g.large", "Amazon Elastic Compute Cloud - Compute", write("RunInstances"), NAMED),
        ("EU-EBS:SnapshotUsage", "EC2 - Other", write("CopySnapshot"), NAMED),
        ("EU-DataProcessing-Bytes", "AmazonCloudWatch", write("PutRetentionPolicy", "logs"), NAMED),
        ("EU-Lambda-GB-Second", "AWS Lambda", write("UpdateFunctionCode", "lambda"), NAMED),
        ("EU-Fargate-vCPU-Hours:perCPU", "Amazon Elastic Container Service", write("UpdateService", "ecs"), NAMED),
        ("EU-Studio:KernelGateway", "Amazon SageMaker", write("CreateApp", "sagemaker"), NEAR),
        ("Something", "Nobody knows it", write("CreateStack", "cloudformation"), DEPLOYED),
        ("Something", "Nobody knows it", write("PutParameter", "ssm"), ELSEWHERE),
    ],
)
def test_how_well_a_change_explains_a_cost(usage_type: str, service: str, event: Write, expected: int) -> None:
    assert fit(event, beginning(replace(NAT, usage_type=usage_type, service=service))) == expected


def test_the_likeliest_comes_first_then_the_nearest_and_those_alike_are_one() -> None:
    changes = ranked(
        [
            write("PutParameter", "ssm", hours=-0.1),
            write("UpdateService", "ecs", hours=-20, about="api"),
            write("CreateTags", hours=3),
            write("RunInstances", hours=-1, about="i-2"),
            write("RunInstances", hours=-5, about="i-1"),
            write("CreateNatGateway", hours=-23, about="nat-1", who="\x1b[31mana"),
            write("CreateVpc", hours=-1.5),
        ],
        beginning(NAT),
        START,
    )
    assert [(one.told, one.at.hour, one.likely) for one in changes] == [
        ("CreateNatGateway nat-1, by ana", 1, True),
        ("RunInstances, 2 times, by ana", 19, True),
        ("CreateVpc, by ana", 22, True),
        ("CreateTags, by ana", 3, True),
        ("deployment: UpdateService api, by ana", 4, False),
        ("PutParameter, by ana", 23, False),
    ]


@dataclass
class Trail:
    """Bills of which only CloudTrail and AWS's detection answer."""

    told: Writes = field(default_factory=Writes)
    anomalies_told: Seconds = field(default_factory=lambda: Seconds(payer="billing", day=NOW.date()))
    asked: list[tuple[str, str, Period, str]] = field(default_factory=list)
    charged: int = 0

    def writes(self, environment: Environment, region: str, window: Period, first: str = "") -> Writes:
        self.asked.append((environment.name, region, window, first))
        return self.told

    def anomalies(self, payer: Environment, first: date, last: date, allowance: Allowance) -> Seconds:
        self.charged += allowance.take()
        return replace(self.anomalies_told, day=last)

    def bill_requests(self, payer: Environment, morning: date, readings: object) -> int:
        return 3

    @property
    def bills(self) -> Bills:
        return cast(Bills, self)


def context(*gateways: tuple[str, datetime]) -> Context:
    listed = tuple(resource("nat-gateway", name, created=at.timestamp()) for name, at in gateways)
    looking = Looking(cloud=Written(listed))
    return Context(now=NOW, window=Period(start=NOW, end=NOW), environments=(PAYER, SHOP), checks={}, looking=looking)


def test_the_account_and_region_of_the_cause_are_asked_for_two_days() -> None:
    trail = Trail(Writes(writes=(write("CreateNatGateway", about="nat-1"), write("CreateTags"))))
    told = before(context(), trail.bills, ONE, LIFE)
    window = Period(start=datetime(2026, 11, 17, tzinfo=UTC), end=datetime(2026, 11, 19, tzinfo=UTC))
    assert trail.asked == [("shop-prod", "eu-west-1", window, "CreateNatGateway")]
    assert [one.told for one in told.changes] == ["CreateNatGateway nat-1, by ana", "CreateTags, by ana"]
    assert introduced(told) == "shop-prod, eu-west-1, 17 Nov to 18 Nov UTC: 2 kinds of change, likeliest first"
    assert around(NOW.date(), NOW).end == NOW


DENIED = Writes(why="denied to the role", action="cloudtrail:LookupEvents")
MORE = "there were more changes: those before 18 Nov 14:10 UTC were not read"
PLACE = "shop-prod, eu-west-1, 17 Nov to 18 Nov UTC"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (Writes(), f"{PLACE}: no change found"),
        (DENIED, f"{PLACE}; CloudTrail could not be read: denied to the role; allow cloudtrail:LookupEvents"),
        (
            Writes(writes=tuple(write(f"Create{n}") for n in range(7)), cut=datetime(2026, 11, 18, 14, 10, tzinfo=UTC)),
            f"{PLACE}: 7 kinds of change, the 5 likeliest; {MORE}",
        ),
    ],
    ids=["none", "denied", "more than fit"],
)
def test_what_was_not_read_is_said(read: Writes, said: str) -> None:
    assert introduced(before(context(), Trail(read).bills, ONE, LIFE)) == said


def test_an_account_that_nobody_configured_is_not_asked() -> None:
    trail = Trail()
    stranger = replace(ONE, accounts=Accounts(payer=PAYER, environments=(PAYER,)))
    assert introduced(before(context(), trail.bills, stranger, LIFE)).startswith("no environment is account 2")
    old = replace(LIFE, anomaly=replace(ANOMALY, start=date(2026, 8, 1)))
    assert before(context(), trail.bills, ONE, old) == Before(note="CloudTrail keeps 90 days, and this began on 1 Aug")
    assert trail.asked == []


@pytest.mark.parametrize(
    ("told", "region", "asked"),
    [("", "eu-central-1", "us-east-1"), ("global", "eu-central-1", "us-east-1"), ("", "cn-north-1", "cn-north-1"),
     ("us-gov-west-1", "us-gov-west-1", "us-gov-west-1")],
)  # fmt: skip
def test_what_has_no_region_is_asked_where_global_events_lie(told: str, region: str, asked: str) -> None:
    trail, home = Trail(), replace(SHOP, regions=(region,))
    life = replace(LIFE, anomaly=replace(ANOMALY, causes=(replace(NAT, region=told),)))
    before(context(), trail.bills, replace(ONE, accounts=Accounts(payer=PAYER, environments=(PAYER, home))), life)
    assert [one[1] for one in trail.asked] == [asked]


def test_what_stands_there_since_then_is_told_where_no_event_says_so() -> None:
    new, old = datetime(2026, 11, 17, 22, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    looked = context(("nat-9", new), ("nat-1", old))
    assert before(looked, Trail(DENIED).bills, ONE, LIFE).changes == (
        Change(at=new, what="new NAT gateway nat-9", likely=True),
    )
    known = Writes(writes=(write("CreateNatGateway", about="nat-9"),))
    assert [one.what for one in before(looked, Trail(known).bills, ONE, LIFE).changes] == ["CreateNatGateway nat-9"]


# ---- the second opinion ----------------------------------------------------------------------------------------

SAID = Second(
    id="a-1", service="EC2 - Other", account="2", region="eu-west-1", usage_type="EUW1-NatGateway-Bytes", start=START,
    end=None, impact_usd=220.0, actual_usd=230.0, expected_usd=10.0,
)  # fmt: skip
SAYS = "AWS's own detector says the same"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (SAID, f"{SAYS} since 18 Nov, $220 in all"),
        (replace(SAID, usage_type="", region=""), f"{SAYS} since 18 Nov, $220 in all"),
        (replace(SAID, start=START - timedelta(days=1), end=START), f"{SAYS} from 17 Nov to 18 Nov, $220 in all"),
        (replace(SAID, account="9"), ""),
        (replace(SAID, service="Amazon SageMaker"), ""),
        (replace(SAID, region="us-east-1"), ""),
        (replace(SAID, start=START - timedelta(days=20), end=START - timedelta(days=9)), ""),
    ],
)
def test_whether_aws_tells_the_same(told: Second, said: str) -> None:
    seconds = Seconds(payer="billing", day=NOW.date(), anomalies=(told,))
    expected = said or "AWS's own detector has not told it, asked on 20 Nov"
    assert (opinion(LIFE, seconds), same(LIFE, seconds) is not None) == (expected, bool(said))


def test_what_aws_tells_of_a_payer_is_one_line() -> None:
    lead = "its own detector, asked on 20 Nov"
    other = replace(SAID, id="a-2", service="Amazon SageMaker", impact_usd=400.0)
    lines = [
        standing(ONE, Seconds(payer="billing", day=NOW.date(), anomalies=told)) for told in [(), (SAID,), (SAID, other)]
    ]
    assert lines == [
        f"{lead}: 0 anomalies in 30 days",
        f"{lead}: 1 anomaly in 30 days, told here too",
        f"{lead}: 2 anomalies in 30 days; 1 not open here, the largest Amazon SageMaker from 18 Nov, $400",
    ]
    assert standing(ONE, None) == opinion(LIFE, None) == ""
    denied = Seconds(payer="billing", day=NOW.date(), note="anomalies: denied")
    assert "could not be asked: anomalies: denied" in standing(ONE, denied)
    assert "could not be asked: anomalies: denied" in opinion(LIFE, denied)


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = fresh()
    yield opened
    opened.close()


def test_it_is_asked_once_a_week_and_when_something_new_was_found(store: SqlStore) -> None:
    costs, trail = store.costs(), Trail(anomalies_told=Seconds(payer="billing", day=START, anomalies=(SAID,)))
    charged = []
    for days, news in ((0, False), (0, True), (1, False), (2, True), (8, False), (9, False)):
        one = replace(ONE, morning=NOW.date() + timedelta(days=days))
        told = asked(trail.bills, costs, one, news=news)
        assert told is not None
        assert told.anomalies == (SAID,)
        charged.append(trail.charged)
    assert charged == [1, 1, 1, 2, 2, 3]


def test_a_look_at_the_past_asks_nothing_and_knows_nothing_of_what_came_later(store: SqlStore) -> None:
    costs, trail, today = store.costs(), Trail(), NOW.date()
    read = CostReading(payer="billing", morning=today, first=START, end=today)
    costs.keep(Shown(payer="billing", morning=today, currency="USD", readings=(read,)))
    costs.keep_seconds(Seconds(payer="billing", day=today))
    told = [asked(trail.bills, costs, replace(ONE, morning=today + timedelta(days=ago)), news=True) for ago in (-1, 0)]
    assert ([one and one.day for one in told], trail.charged) == ([None, today], 0)


def test_it_is_not_asked_beyond_the_limits_nor_instead_of_an_export(store: SqlStore) -> None:
    trail, costs = Trail(), store.costs()
    used_up = replace(ONE, limits=replace(ONE.limits, per_day=0))
    exported = replace(ONE, payer=replace(PAYER, cost_export="s3://bill/daily"))
    unread = replace(ONE, read=False, gaps=(CostGap(why="denied", first=START, end=START),))
    assert [asked(trail.bills, costs, one, news=True) for one in (used_up, exported, unread)] == [None] * 3
    assert trail.charged == 0


def test_what_failed_is_told_and_asked_again(store: SqlStore) -> None:
    trail, costs = Trail(anomalies_told=Seconds(payer="billing", day=START, note="anomalies: denied")), store.costs()
    told = asked(trail.bills, costs, ONE, news=False)
    assert (told and told.note, costs.seconds("billing")) == ("anomalies: denied", None)


def test_what_is_kept_comes_back_whole(store: SqlStore) -> None:
    costs = store.costs()
    whole = Seconds(payer="billing", day=START, anomalies=(SAID, replace(SAID, id="a-2", end=START)))
    costs.keep_seconds(Seconds(payer="billing", day=START))
    costs.keep_seconds(whole)
    assert (costs.seconds("billing"), costs.seconds("other"), costs.advice("billing")) == (whole, None, None)


@pytest.mark.parametrize(("left", "calls"), [(10, (3, 2, 1)), (4, (3, 1, 0)), (0, (0, 0, 0))])
def test_an_estimate_prices_all_of_it_within_the_requests(store: SqlStore, left: int, calls: tuple[int, ...]) -> None:
    priced, readings = PricedBills(Trail().bills), list[CostReading]()
    allowance = store.costs().allowance("billing", START, per_day=left, per_month=310)
    priced.bill(PAYER, START, readings, allowance)
    priced.advice(PAYER, START)
    priced.advice(PAYER, START, allowance)
    priced.anomalies(PAYER, START, START, allowance)
    plan = priced.added(Estimate(calls=(), metrics=0, datapoints=0, usd=0.5))
    told = dict(plan.calls)
    assert (told.get(CALL, 0), sum(told.get(call, 0) for call in ADVICE), told.get(SECONDS, 0)) == calls
    assert plan.usd == pytest.approx(0.5 + 0.01 * sum(calls))
