"""What is written up: the order, the headline, money, the track record; and what can be set, with errors that help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import cast

import numpy as np
import pytest
from pydantic import ValidationError

from opsbot.checks.capacity import CapacitySettings, Forecasts
from opsbot.checks.capacity.headline import capacity_headline, capacity_lede
from opsbot.checks.capacity.method import told
from opsbot.checks.capacity.report import capacity_sections
from opsbot.evaluate.cost.bill import Leaf
from opsbot.evaluate.costdata import CostDay, CostReading, Shown
from opsbot.evaluate.costdata.days import Budget, BudgetsRead
from opsbot.evaluate.costdata.ports import Bills
from opsbot.evaluate.trend.record import Record
from opsbot.model.budget import OwnBudget
from opsbot.model.environment import Environment
from opsbot.model.report import Charts, Report, Section, Table
from opsbot.model.resource import Resource
from opsbot.model.status import Status
from opsbot.render.headline import LIMIT
from opsbot.store.sql import SqlStore
from tests.checks.capacity.looks import (
    GIB,
    NOW,
    Course,
    Written,
    database,
    evidence,
    found,
    free,
    look,
    resource,
    straight,
)
from tests.outbox.world import fresh

CALM = straight(120, noise=6)


def databases(**used: Course) -> Forecasts:
    courses = {f"FreeStorageSpace {name}": free(course) for name, course in used.items()}
    return look(Written(tuple(map(database, used)), {**courses, "DatabaseConnections": CALM}))


def section(forecasts: Forecasts, id: str) -> Section:
    return next(one for one in capacity_sections(forecasts) if one.id == id)


def rows(forecasts: Forecasts, id: str) -> list[list[str]]:
    tables = [block for block in section(forecasts, id).blocks if isinstance(block, Table)]
    return [[cell.text for cell in row.cells] for table in tables for row in table.rows]


FULL, SOON, LATER = straight(500), straight(449, 2.8, noise=1, days=150), straight(430, 1.0, noise=1)
JUMPED, FLAT = straight(470, -0.1, noise=1), straight(250, noise=2)


@pytest.mark.parametrize(
    ("used", "headline"),
    [
        pytest.param({"a": FULL, "b": SOON}, "prod RDS storage a is at its limit", id="full goes first"),
        pytest.param({"a": FULL, "b": FULL}, "prod RDS storage a is at its limit, and 1 other", id="two are full"),
        pytest.param({"a": LATER, "b": SOON}, "prod RDS storage b runs out first, around 9 Dec", id="the first date"),
        pytest.param({"a": JUMPED}, "prod RDS storage a is nearly full: 470 GiB (94.1 %)", id="no date, but no room"),
        pytest.param(
            {"a": LATER, "b": FLAT}, "prod RDS storage a runs out first, around 30 Jan", id="nothing to do yet"
        ),
        pytest.param({"a": FLAT}, "Nothing reaches its limit within 90 days", id="nothing at all"),
        pytest.param({}, "Nothing was found that can run full", id="nothing there"),
        pytest.param({"n" * 90: SOON}, "prod RDS storage nnnnnnn", id="a long name"),
    ],
)
def test_the_headline_is_what_runs_out_first(used: dict[str, Course], headline: str) -> None:
    said = capacity_headline(databases(**used))
    assert said.startswith(headline)
    assert len(said) <= LIMIT


def test_the_table_is_sorted_by_time_left_and_the_calm_are_counted() -> None:
    all = databases(flat=FLAT, later=LATER, jumped=JUMPED, soon=SOON, full=FULL)
    assert [row[0] for row in rows(all, "time_left")] == ["prod full", "prod soon", "prod jumped", "prod later"]
    assert [row[-1] for row in rows(all, "time_left")][:1] == ["now"]
    assert section(all, "time_left").aside == "4 of 10 resources with a limit, within 90 days"
    assert section(all, "time_left").status is Status.CRITICAL
    (drawn,) = [block for block in section(all, "time_left").blocks if isinstance(block, Charts)]
    assert [len(spec.ahead.times) for spec in drawn.specs if spec.ahead] == [60] * 4
    assert all_inside(drawn)
    assert capacity_lede(all).startswith("3 of 10 resources with a limit will likely reach it within 90 days. 3 need a")


def all_inside(drawn: Charts) -> bool:
    """The middle way runs inside its band, and begins the day after the last that is known."""
    for spec in drawn.specs:
        assert spec.ahead is not None
        assert spec.ahead.times[0] == spec.series.times[-1] + 86_400
        low, middle, high = np.array(spec.ahead.low), np.array(spec.ahead.middle), np.array(spec.ahead.high)
        if not ((low <= middle) & (middle <= high)).all():
            return False
    return True


def test_every_part_is_there_every_time() -> None:
    ids = [one.id for one in capacity_sections(databases())]
    assert ids == [one.id for one in capacity_sections(databases(a=SOON))]
    assert ids == [
        "time_left",
        "exceptions",
        "growth_cost",
        "unused",
        "no_data",
        "not_forecast",
        "recommendations",
        "method",
    ]
    assert all(one.blocks for one in capacity_sections(databases()))


WASTE = [
    pytest.param([database()], {"FreeStorageSpace": free(straight(60, noise=1))}, [["prod RDS storage db", "$46"]], id="disk"),
    pytest.param([database()], {"FreeStorageSpace": free(straight(60, noise=1, days=9))}, [], id="not known for long"),
    pytest.param([database()], {"FreeStorageSpace": free(straight(200, noise=1))}, [], id="used enough"),
    pytest.param([resource("dynamodb-throughput", "t", write=100.0)],
                 {"ConsumedWriteCapacityUnits": straight(3600 * 10.0)}, [["prod DynamoDB writes t", "$40"]], id="table"),
    pytest.param([resource("loose-volume", "v", size_bytes=100 * GIB, volume_type="gp3")], {}, [["prod volume v", "$8"]],
                 id="volume"),
    pytest.param([resource("loose-volume", "v", size_bytes=100 * GIB, volume_type="new")], {},
                 [["prod volume v", "not known"]], id="a price nobody knows"),
]  # fmt: skip


@pytest.mark.parametrize(("resources", "courses", "expected"), WASTE)
def test_what_is_paid_for_and_not_used(
    resources: list[Resource], courses: dict[str, Course], expected: list[list[str]]
) -> None:
    all = look(Written(tuple(resources), courses), skip=["db-connections"])
    found = [[row[0], row[-1].removesuffix(".00")] for row in rows(all, "unused")]
    assert [name for name, _ in found] == [name for name, _ in expected]
    for (_, have), (_, want) in zip(found, expected, strict=True):
        assert have == want or abs(float(have[1:]) - float(want[1:])) <= 3


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = fresh()
    yield opened
    opened.close()


def billed(store: SqlStore, days: int, usd: float, per_day: float) -> None:
    """A payer's bill, `usd` yesterday; yesterday is estimated still."""
    leaf, morning = Leaf("1", "EC2", "eu-central-1", "BoxUsage"), NOW.date()
    told = []
    for ago in range(days, 0, -1):
        amount = usd - per_day * (ago - 1)
        amounts = np.array([[amount, amount, amount, 1.0]])
        told.append(CostDay(day=morning - timedelta(days=ago), leaves=(leaf,), amounts=amounts, estimated=ago == 1))
    reading = CostReading(
        payer="prod", morning=morning, first=told[0].day, end=morning, requests=1, rows=1, page_rows=1
    )
    store.costs().keep(Shown(payer="prod", morning=morning, currency="USD", days=tuple(told), readings=(reading,)))


PAYER = Environment(name="prod", regions=("eu-central-1",), payer=True)


@pytest.mark.parametrize(
    ("limit", "status"),
    [(None, Status.INFO), ("$3,500", Status.CRITICAL), ("$3,900", Status.WARNING), (90_000, Status.OK)],
    ids=str,
)
def test_the_bill_grows_too(store: SqlStore, limit: object, status: Status) -> None:
    billed(store, 120, 120.0, 0.5)
    own = [{"metric": "cost", "limit": limit}] if limit else []
    one = found(look(Written(()), costs=store.costs(), environment=PAYER, limits=own), "capacity-cost")
    assert one.value == pytest.approx(30.4 * (119.5 - 1.5), rel=0.001)
    assert (one.resource, one.status) == ("bill", status), one.summary


OWN = OwnBudget(name="all of it", usd=3500.0)
PART = OwnBudget(name="a part", usd=100.0, service="RDS")
ELSEWHERE = OwnBudget(name="elsewhere", usd=100.0, payer="another")
AWS = Budget(name="finance", limit=3900.0, actual=0.0, forecast=None, currency="USD", unit="MONTHLY")


@dataclass(frozen=True)
class Kept:
    """A payer with these budgets, and nothing else that AWS would say."""

    kept: tuple[Budget, ...]

    def budgets(self, environment: Environment) -> BudgetsRead:
        return BudgetsRead(account="1", budgets=self.kept)


@pytest.mark.parametrize(
    ("own", "aws", "limit"),
    [
        ((OWN,), (AWS,), (3500.0, "your budget all of it")),
        ((replace(OWN, usd=9000.0), OWN), (), (3500.0, "your budget all of it")),
        ((PART, ELSEWHERE), (AWS,), (3900.0, "AWS's budget finance")),
        ((), (replace(AWS, unit="QUARTERLY"), replace(AWS, about="Service EC2"), replace(AWS, currency="EUR")), None),
        ((), (), None),
    ],
    ids=["one's own comes first", "the least", "of all of it alone", "of a month alone", "none"],
)
def test_a_budget_is_the_limit_of_the_bill(
    store: SqlStore, own: tuple[OwnBudget, ...], aws: tuple[Budget, ...], limit: tuple[float, str] | None
) -> None:
    billed(store, 120, 120.0, 0.5)
    bills = cast(Bills, Kept(aws))
    one = found(look(Written(()), costs=store.costs(), bills=bills, budgets=own, environment=PAYER), "capacity-cost")
    assert (one.limit, evidence(one).get("limit_from")) == (limit or (None, None))


def test_a_bill_of_some_days_is_no_trend(store: SqlStore) -> None:
    billed(store, 5, 120.0, 0.5)
    assert look(Written(()), costs=store.costs(), environment=PAYER).findings == ()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record(), "No forecast is thirty days old yet: there is nothing to hold them against."),
        (
            Record(made=40, reached=3, brier=0.031, always=0.069, since=date(2026, 9, 1)),
            "Of 40 forecasts of thirty days, 3 met the limit; Brier score 0.031 (0 is perfect, always saying 8 % scores 0.069).",
        ),
        (
            Record(ranges=5, held=4),
            "Of 5 ranges of days that have passed, 4 held the day (80 %, as they should). Too few to judge by.",
        ),
    ],
    ids=["none", "odds", "ranges"],
)
def test_the_track_record_in_words(record: Record, said: str) -> None:
    assert told(record) == said


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"skip": ["rds-storge"]}, 'did you mean "rds-storage"?'),
        ({"lead_days": {"disk": -1}}, "expected 0 to 180 days for disk, got -1"),
        ({"lead_days": {"dsk": 1}}, 'did you mean "disk"?'),
        ({"limits": [{"metric": "s3", "limit": "500 apples"}]}, "'apples' does not fit a check in bytes"),
        ({"limits": [{"metric": "s3", "limit": "much"}]}, "expected a number with"),
        ({"limits": [{"metric": "s3", "limit": 0}]}, "expected a limit above zero for s3"),
        ({"limits": [{"metric": "bucket", "limit": 1}]}, "expected one of rds-storage"),
        ({"days": 10}, "greater than or equal to 30"),
        ({"dayz": 90}, "Extra inputs"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_an_error(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError) as error:
        CapacitySettings.model_validate(settings)
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("limit", "amount"), [("500 GiB", 500 * GIB), ("1,000 GB", 1e12), (7, 7.0), ("7", 7.0)], ids=str
)
def test_an_own_limit_is_written_as_people_write_it(limit: str | float, amount: float) -> None:
    settings = CapacitySettings.model_validate({"limits": [{"metric": "s3", "limit": limit}]})
    assert settings.limits[0].amount == amount


def test_a_report_is_made_of_it() -> None:
    all = databases(a=SOON)
    report = Report(title="Capacity", period=None, sections=capacity_sections(all))  # type: ignore[arg-type]
    assert len(report.sections) == 8
    assert [one.key for one in all.noted] == ["prod/capacity-rds-storage/a", "prod/capacity-db-connections/a"]
    (said,) = [one for one in all.noted if "storage" in one.key]
    assert said.p10 is not None
    assert said.made == NOW.date()
    assert said.p_breach_90d > 0.9
