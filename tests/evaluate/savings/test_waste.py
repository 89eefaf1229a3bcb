"""What could be saved, computed: figures anybody can check by hand, and none where no price is known."""

from __future__ import annotations

import re
from typing import Any

import pytest

from opsbot.evaluate.savings import Confidence, Left, Prices, Saving, Thrift, waste
from opsbot.evaluate.savings.waste import Function, Machine, Snapshots

GIB = 2**30
LIST, LIMITS = Prices(), Thrift()
HIGH, MEDIUM, LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW


def machine(**more: object) -> Machine:
    idle = {"name": "web-1", "region": "us-east-1", "type": "t3.medium", "days": 7.0, "mean_cpu": 1.2, "max_cpu": 9.0}
    return Machine(**{"sent_bytes": 2e6, **idle, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("region", "thing", "usd"),
    [
        pytest.param("us-east-1", "t3.nano-hour", 0.0052, id="a sixteenth of a large"),
        pytest.param("us-east-1", "t3.medium-hour", 0.0416, id="half a large"),
        pytest.param("us-west-2", "m5.24xlarge-hour", 4.608, id="48 large ones"),
        pytest.param("eu-central-1", "m5.xlarge-hour", 0.23, id="Frankfurt has its own list"),
        pytest.param("eu-central-1", "ebs-gp2-gb", 0.119, id="a thing by its name"),
        pytest.param("eu-central-1", "m7g.large-hour", None, id="not known for certain in Frankfurt"),
        pytest.param("us-east-1", "m5.metal-hour", None, id="metal has no regular size"),
        pytest.param("us-east-1", "zz9.large-hour", None, id="a family nobody knows"),
        pytest.param("us-east-1", "large-hour", None, id="no type at all"),
        pytest.param("sa-east-1", "nat-hour", None, id="a region that is not listed"),
    ],
)
def test_a_price_is_the_list_s_or_none(region: str, thing: str, usd: float | None) -> None:
    assert LIST.of(region, thing) == (usd if usd is None else pytest.approx(usd))


def test_a_price_of_one_s_own_wins_and_that_of_a_region_most() -> None:
    own = Prices(own={"nat-hour": 0.01, "sa-east-1/nat-hour": 0.02, "zz9.large-hour": 3.0})
    asked = [("us-east-1", "nat-hour"), ("sa-east-1", "nat-hour"), ("sa-east-1", "zz9.large-hour")]
    assert [own.of(*one) for one in asked] == [0.01, 0.02, 3.0]
    assert own.of("us-east-1", "alb-hour") == 0.0225


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"days": 0}, "expected days from 1 to 60, got 0"),
        ({"days": 400}, "expected days from 1 to 60, got 400"),
        ({"least_usd": -1.0}, "least_usd: expected a number of 0 or more, got -1.0"),
        ({"prices": {"nat-hour": float("nan")}}, "nat-hour: expected a number of 0 or more, got nan"),
    ],
)
def test_limits_that_mean_nothing_are_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        Thrift(**wrong)


IDLE = [
    pytest.param(machine(), 30.37, MEDIUM, "0.0416 USD/h x 730 h x 1", id="idle"),
    pytest.param(machine(max_cpu=41.0), 30.37, LOW, "works at times (41 % CPU)", id="but it has bursts"),
    pytest.param(machine(sent_bytes=60e9), 30.37, LOW, "sent 60 GB, as a proxy or NAT does", id="but it sends a lot"),
    pytest.param(machine(forwards=True), 30.37, LOW, "forwards other machines' traffic", id="but it is a NAT instance"),
    pytest.param(machine(name="prod-Bastion"), 30.37, LOW, 'its name says "bastion"', id="but it waits by trade"),
    pytest.param(machine(sent_bytes=None), 30.37, MEDIUM, "CPU 1.2 % on average over 7 days, 9 % at most", id="without network figures"),
    pytest.param(machine(type="zz9.large"), None, MEDIUM, "no list price is known for zz9.large in us-east-1", id="of an unknown type"),
    pytest.param(machine(platform="Windows"), None, MEDIUM, "Windows has no price in this list", id="with Windows"),
    pytest.param(machine(platform="Linux/UNIX"), 30.37, MEDIUM, "0.0416 USD/h", id="with Linux"),
    pytest.param(machine(spot=True), None, MEDIUM, "a spot instance has no list price", id="spot"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "usd", "sure", "said"), IDLE)
def test_an_idle_machine(one: Machine, usd: float | None, sure: Confidence, said: str) -> None:
    found = waste.idle_machine(one, LIMITS, LIST)
    assert isinstance(found, Saving)
    assert found.usd_month == (usd if usd is None else pytest.approx(usd, abs=0.005))
    assert found.confidence is sure
    assert said in f"{found.summary}; {found.how}"


@pytest.mark.parametrize(
    ("one", "limits"),
    [
        pytest.param(machine(mean_cpu=5.0), LIMITS, id="five percent are not below five"),
        pytest.param(machine(mean_cpu=1.2), Thrift(cpu=1.0), id="a limit of one's own"),
    ],
)
def test_a_machine_that_works(one: Machine, limits: Thrift) -> None:
    assert waste.idle_machine(one, limits, LIST) is None


def test_a_machine_that_was_not_seen_all_week_is_left_out() -> None:
    assert waste.idle_machine(machine(days=5.5), LIMITS, LIST) == Left("seen for less than 7 days")
    assert isinstance(waste.idle_machine(machine(days=6.1), LIMITS, LIST), Saving)


VOLUMES = [
    pytest.param("us-east-1", 100.0, 2.0, "(0.1 - 0.08) USD/GB x 100 GB", HIGH, id="a fifth"),
    pytest.param("eu-central-1", 2000.0, 29.6, "- 0.006 USD x 3000 IOPS", MEDIUM, id="what it does above 3,000 IOPS is counted"),
    pytest.param("us-east-1", 16_000.0, 255.0, "- 0.005 USD x 13000 IOPS", MEDIUM, id="gp2 does 16,000 at most"),
    pytest.param("sa-east-1", 100.0, None, "no list price is known for gp2 and gp3 in sa-east-1", HIGH, id="no price"),
]  # fmt: skip


@pytest.mark.parametrize(("region", "size", "usd", "how", "sure"), VOLUMES)
def test_the_old_volume_type(region: str, size: float, usd: float | None, how: str, sure: Confidence) -> None:
    found = waste.old_volume_type(region, size, LIST)
    assert found is not None
    assert found.usd_month == (usd if usd is None else pytest.approx(usd))
    assert how in found.how
    assert found.confidence is sure


def test_a_change_that_saves_nothing_is_not_told() -> None:
    dear = Prices(own={"ebs-gp3-iops": 0.05})
    assert waste.old_volume_type("us-east-1", 2000.0, dear) is None


@pytest.mark.parametrize(
    ("kind", "region", "usd", "how"),
    [
        ("gp3", "us-east-1", 40.0, "0.08 USD/GB x 500 GB"),
        ("io2", "eu-central-1", 74.5, "its provisioned IOPS cost on top of that"),
        ("gp3", "mars-1", None, "no list price is known for gp3 in mars-1"),
        ("gp9", "us-east-1", None, "no list price is known for gp9"),
    ],
)
def test_a_loose_volume(kind: str, region: str, usd: float | None, how: str) -> None:
    found = waste.loose_volume(region, kind, 500.0, LIST)
    assert found.usd_month == (usd if usd is None else pytest.approx(usd))
    assert how in found.how
    assert found.confidence is HIGH


def snapshots(**more: object) -> Snapshots:
    usual = {"volume": "vol-1", "region": "us-east-1", "count": 3, "newest_days": 200.4, "largest_gb": 80.0}
    return Snapshots(**{"whole": True, "shared": False, **usual, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "sure", "said"),
    [
        pytest.param(snapshots(), MEDIUM, "3 snapshots of a volume that is gone, the newest 200 days old", id="three"),
        pytest.param(snapshots(count=1), MEDIUM, "a snapshot of a volume that is gone, 200 days old", id="one"),
        pytest.param(
            snapshots(whole=False), LOW, "the volume's size: AWS did not tell how much they hold", id="guessed"
        ),
        pytest.param(snapshots(shared=True), LOW, "newer ones that stay may hold the same", id="shared"),
    ],
)
def test_old_snapshots_are_worth_what_the_largest_holds(one: Snapshots, sure: Confidence, said: str) -> None:
    found = waste.old_snapshots(one, LIST)
    assert found.usd_month == pytest.approx(80 * 0.05)
    assert found.confidence is sure
    assert said in f"{found.summary}; {found.how}"


@pytest.mark.parametrize(
    ("region", "stored", "age", "usd", "said"),
    [
        pytest.param(
            "us-east-1", 100 * GIB, 180.0, 1.5, "0.03 USD/GB x 100.0 GB x 50 % older than 90 days", id="half is older"
        ),
        pytest.param("us-east-1", 100 * GIB, 30.0, 0.0, "x 0 % older", id="nothing is that old yet"),
        pytest.param("us-east-1", 100 * GIB, 0.0, 0.0, "x 0 % older", id="made this moment"),
        pytest.param("us-east-1", 5 * 2**20, None, None, "its age is not known", id="of unknown age"),
        pytest.param("mars-1", 100 * GIB, 180.0, None, "no list price is known for log storage", id="no price"),
    ],
)
def test_logs_kept_for_ever(region: str, stored: float, age: float | None, usd: float | None, said: str) -> None:
    found = waste.endless_logs(region, stored, age, LIMITS, LIST)
    assert found is not None
    assert found.usd_month == (usd if usd is None else pytest.approx(usd))
    assert said in found.how


def test_empty_logs_are_no_waste() -> None:
    assert waste.endless_logs("us-east-1", 0.0, 900.0, LIMITS, LIST) is None


def function(**more: object) -> Function:
    usual = {"region": "us-east-1", "architecture": "arm64", "memory_mb": 2048.0, "used_percent": 20.0}
    return Function(**{"seconds": 700_000.0, "days": 7.0, **usual, **more})  # type: ignore[arg-type]


def test_memory_that_no_call_used() -> None:
    found = waste.large_function(function(), LIST)
    assert found is not None
    # 2,048 MB x 20 % and a quarter = 512 MB; 1.5 GB less for 100,000 s a day and 730/24 days.
    assert found.usd_month == pytest.approx(0.0000133334 * 1.5 * 100_000 * 730 / 24)
    assert found.summary == "2048 MB for calls that used 20 % at most: 512 MB would do"
    assert found.confidence is LOW


@pytest.mark.parametrize(
    ("one", "told"),
    [
        pytest.param(function(used_percent=59.0), True, id="a quarter less would do"),
        pytest.param(function(used_percent=61.0), False, id="not a quarter"),
        pytest.param(function(memory_mb=128.0, used_percent=5.0), False, id="there is nothing smaller"),
    ],
)
def test_memory_is_told_of_where_a_quarter_can_go(one: Function, told: bool) -> None:
    assert (waste.large_function(one, LIST) is not None) is told
