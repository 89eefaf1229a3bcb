"""Savings case by case, on written series: what is too young, too small, measured otherwise, or AWS's alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from opsbot.checks.kind import When
from opsbot.checks.savings import Thrift, savings, savings_section
from opsbot.checks.savings.merging import merged
from opsbot.evaluate.savings.advice import HUB, PLANS, RESERVATIONS, Advice, Advised, Covered
from opsbot.model.finding import Finding
from opsbot.model.report import Prose, Table
from opsbot.model.resource import Gap, Resource
from opsbot.model.status import Status
from tests.fakes import DAY, NOW, Estate, WrittenCloud, context, environment

AGO = {days: NOW.timestamp() - days * 86_400 for days in (1, 3, 200, 300, 400)}
WEEK = 7 * 24


def resource(kind: str, name: str = "one", *, dimension: str = "", **facts: str | float) -> Resource:
    dims = ((dimension, name),) if dimension else ()
    return Resource(kind=kind, name=name, region="eu-central-1", dimensions=dims, facts=tuple(sorted(facts.items())))


def look(
    *resources: Resource,
    series: Mapping[str, str] | None = None,
    thrift: Thrift | None = None,
    gaps: tuple[Gap, ...] = (),
) -> tuple[Finding, ...]:
    cloud = WrittenCloud({"dhbw-prod": Estate(resources, gaps)}, series or {})
    return savings(context(cloud, []), thrift)


def said(found: tuple[Finding, ...]) -> list[str]:
    return [f"{one.status} {one.check} {one.resource}: {one.summary}" for one in found]


FUNCTION = resource("lambda-function", dimension="FunctionName", memory_mb=1024.0, architecture="x86_64", insights=1.0)
VOLUME = resource("loose-volume", volume="vol-1", volume_type="gp3", size_bytes=100.0 * 2**30)
NAT = resource("nat-gateway", dimension="NatGatewayId")
MACHINE = resource("ec2-instance", dimension="InstanceId", instance_type="m5.large", platform="Linux/UNIX")
CPU, OUT, IDLE, BYTES = (
    "AWS/EC2 CPUUtilization",
    "AWS/EC2 NetworkOut",
    "AWS/EBS VolumeIdleTime",
    "AWS/NATGateway BytesOutToDestination",
)
INSIGHTS = {"LambdaInsights memory_utilization": f"30x{WEEK}", "AWS/Lambda Duration": f"3600000x{WEEK}"}
CASES = [
    pytest.param(FUNCTION, INSIGHTS, "info saving-lambda-memory one: 1024 MB for calls that used 30 % at most: 384 MB would do", id="memory that Insights measured"),
    pytest.param(FUNCTION, {}, "ok saving-lambda-memory one: Lambda Insights told no use of memory in a week", id="Insights without a figure"),
    pytest.param(MACHINE, {CPU: f"2x{WEEK}", OUT: f"5000000000x{WEEK}"}, "info saving-idle-ec2 one: m5.large idles: CPU 2.0 % on average over 7 days, 2 % at most; but it sent 840 GB, as a proxy or NAT does", id="a machine that only forwards"),
    pytest.param(MACHINE, {CPU: f"2x{WEEK - 1} 99"}, "info saving-idle-ec2 one: m5.large idles: CPU 2.6 % on average over 7 days, 99 % at most; but it works at times (99 % CPU)", id="a burst in one hour of the week"),
    pytest.param(MACHINE, {CPU: "2x70"}, "ok saving-idle-ec2 one: seen for less than 7 days", id="started three days ago"),
    pytest.param(MACHINE, {}, "ok saving-idle-ec2 one: no CPU metric came in a week", id="a machine without metrics"),
    pytest.param(VOLUME, {}, "info saving-loose-volume one: gp3 volume of 100 GB belongs to no instance", id="a loose volume"),
    pytest.param(VOLUME, {IDLE: "60x30 _x100"}, "ok saving-loose-volume one: ", id="it was attached five days ago"),
    pytest.param(replace(VOLUME, facts=(*VOLUME.facts, ("created", AGO[3]))), {}, "ok saving-loose-volume one: ", id="a volume made three days ago"),
    pytest.param(NAT, {BYTES: f"100x{WEEK}"}, "info saving-idle-nat one: NAT gateway that sent next to nothing in 7 days", id="a NAT gateway that sends keep-alives"),
    pytest.param(NAT, {BYTES: f"10000x{WEEK}"}, "ok saving-idle-nat one: ", id="a NAT gateway in use"),
    pytest.param(NAT, {}, "ok saving-idle-nat one: no metric came in a week", id="a NAT gateway without metrics"),
    pytest.param(replace(NAT, facts=(("created", AGO[1]),)), {}, "ok saving-idle-nat one: ", id="a NAT gateway of yesterday"),
    pytest.param(resource("alb", dimension="LoadBalancer", created=AGO[3]), {}, "ok saving-idle-balancer one: ", id="a load balancer of this week"),
    pytest.param(resource("alb", dimension="LoadBalancer", created=AGO[400]), {}, "info saving-idle-balancer one: load balancer with fewer than 10 requests in 7 days", id="no request is no datum"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "series", "wanted"), CASES)
def test_one_thing(one: Resource, series: Mapping[str, str], wanted: str) -> None:
    assert said(look(one, series=series)) == [wanted]


def snapshot(name: str, age: int, volume: str = "vol-9", **facts: str | float) -> Resource:
    known: dict[str, Any] = {"id": name, "volume": volume, "volume_there": 0.0, "size_gb": 500.0, "created": AGO[age]}
    return resource("ebs-snapshot", name, **{**known, **facts})


SNAPSHOTS = [
    pytest.param([snapshot("a", 400, full_gb=100.0), snapshot("b", 200, full_gb=120.0)], 6.48, "0.054 USD/GB x 120 GB: what the largest holds", id="as much as the largest holds"),
    pytest.param([snapshot("a", 400), snapshot("b", 200, full_gb=120.0)], 27.0, "0.054 USD/GB x 500 GB: the volume's size: AWS did not tell how much they hold", id="one that is not told"),
    pytest.param([snapshot("a", 400, full_gb=100.0), snapshot("b", 3, full_gb=120.0)], 5.4, "0.054 USD/GB x 100 GB: what the largest holds; newer ones that stay may hold the same", id="a newer one stays"),
    pytest.param([snapshot("a", 3)], None, "", id="none is old"),
    pytest.param([snapshot("a", 400, volume_there=1.0)], None, "", id="the volume is there"),
    pytest.param([snapshot("a", 400, kept_by="an image")], None, "", id="an image needs it"),
]  # fmt: skip


@pytest.mark.parametrize(("many", "usd", "how"), SNAPSHOTS)
def test_snapshots_of_one_volume_are_one_thing(many: list[Resource], usd: float | None, how: str) -> None:
    found = [one for one in look(*many) if one.status is Status.INFO]
    assert [one.value for one in found] == ([] if usd is None else [pytest.approx(usd)])
    assert [dict(one.evidence)["how"] for one in found] == ([] if usd is None else [how])


def logs(count: int, stored_gb: float) -> list[Resource]:
    names = (f"/app/{n}" for n in range(count))
    return [resource("log-group", name, stored_bytes=stored_gb * 2**30, created=AGO[400]) for name in names]


def test_small_ones_are_added_up_and_told_once() -> None:
    found = look(*logs(20, 10.0))
    (one,) = [one for one in found if one.status is Status.INFO]
    assert one.resource == "smaller ones"
    assert one.value == pytest.approx(20 * 10 * 0.0324 * 0.775)
    assert one.summary == "20 more, each below 1 USD a month; the largest: log group keeps its 10 GB for ever"
    assert dict(one.evidence)["confidence"] == "medium"


def test_small_ones_that_stay_small_together_are_only_counted() -> None:
    assert said(look(*logs(3, 1.0))) == [
        "ok saving-log-retention smaller ones: 3 that are worth 0.08 USD a month together"
    ]
    assert len(look(*logs(3, 1.0), thrift=Thrift(least_usd=0.01))) == 3


def test_nothing_at_all_is_said_as_such() -> None:
    assert [block.text for block in savings_section(()).blocks if isinstance(block, Prose)] == [
        "Nothing to save was found among 0 things looked at."
    ]
    well = savings_section(look(resource("elastic-ip", used=1.0)))
    assert (well.status, well.aside) == (Status.OK, "")
    assert [block.text for block in well.blocks if isinstance(block, Prose)] == [
        "Nothing to save was found among 1 thing looked at."
    ]


def test_hundreds_of_things_cost_less_than_two_cents() -> None:
    machines = [replace(MACHINE, name=f"m{n}", dimensions=(("InstanceId", f"i-{n}"),)) for n in range(300)]
    functions = [replace(FUNCTION, name=f"f{n}", dimensions=(("FunctionName", f"f{n}"),)) for n in range(300)]
    cloud = WrittenCloud({"dhbw-prod": Estate((*machines, *functions))})
    savings(context(cloud, []))
    (ask,) = cloud.asked
    assert len({(one.namespace, one.name, one.dimensions) for one in ask.queries}) * 0.00001 < 0.02
    assert ask.window.length == timedelta(days=7)
    assert {one.period for one in ask.queries} == {3600}


def test_names_and_words_of_aws_stay_words() -> None:
    evil = resource("elastic-ip", "\x1b[31mred\u202e\n| x |", used=0.0)
    table = next(block for block in savings_section(look(evil)).blocks if isinstance(block, Table))
    assert table.rows[0].cells[0].text == "Unused address: red | x |"


# ---- AWS's advice ------------------------------------------------------------------------------------------------

PAYER = replace(environment("billing"), payer=True, account_id="999999999999")
SHOP = environment("shop", account_id="111111111111")
MINE = look(replace(VOLUME, facts=tuple(sorted({**dict(VOLUME.facts), "volume": "vol-0123456789abcdef0"}.items()))))
FIRST, END = date(2026, 10, 21), date(2026, 11, 20)


def advised(resource: str = "i-0aaaaaaaaaaaaaaa1", usd: float | None = 50.0, **more: str) -> Advised:
    usual = {"account": "111111111111", "region": "eu-central-1", "kind": "Ec2Instance", "what": "stop m5.large"}
    return Advised(source=HUB, resource=resource, usd_month=usd, **{**usual, **more})


def covered(plans: float, reservations: float = 0.0, paid: float = 3000.0) -> tuple[Covered, ...]:
    shares = {PLANS: plans, RESERVATIONS: reservations}
    return tuple(Covered(by=by, share=share, on_demand_usd=paid, first=FIRST, end=END) for by, share in shares.items())


def together(*advice: Advised, covered: tuple[Covered, ...] = ()) -> list[Finding]:
    told = Advice(payer="billing", day=END, advised=advice, covered=covered)
    when = When(now=NOW, window=DAY)
    return list(merged(MINE, [told], (PAYER, SHOP), when, Thrift()))


def test_advice_goes_to_the_environment_of_its_account_and_else_to_the_payer() -> None:
    found = together(advised(), advised("i-0aaaaaaaaaaaaaaa2", account="222222222222"))[len(MINE) :]
    assert [(one.environment, one.resource, one.value) for one in found] == [
        ("shop", "i-0aaaaaaaaaaaaaaa1", 50.0),
        ("billing", "i-0aaaaaaaaaaaaaaa2", 50.0),
    ]
    assert {dict(one.evidence)["how"] for one in found} == {"told by Cost Optimization Hub"}


@pytest.mark.parametrize(
    "name", ["vol-0123456789abcdef0", "arn:aws:ec2:eu-central-1:111111111111:volume/vol-0123456789abcdef0"]
)
def test_the_same_thing_is_one_finding_with_both_figures(name: str) -> None:
    (one,) = together(advised(name, 8.0, what="delete gp3 100 GB"))
    told = dict(one.evidence)
    assert (one.check, told["aws_usd_month"]) == ("saving-loose-volume", 8.0)
    assert one.value == pytest.approx(9.52)
    assert told["aws_says"] == "delete gp3 100 GB: 8.00 USD a month (Cost Optimization Hub)"


def test_another_currency_is_never_taken_for_dollars() -> None:
    (one,) = together(advised(currency="CNY"))[len(MINE) :]
    assert (one.value, dict(one.evidence)["how"]) == (None, "Cost Optimization Hub says 50.00 CNY a month")
    (bare,) = together(advised(usd=None))[len(MINE) :]
    assert (bare.value, dict(bare.evidence)["how"]) == (None, "Cost Optimization Hub gives no figure")


BUYING = advised("rec-1", 400.0, what="purchase savings plans 2.4 USD/h", account="999999999999")
COMMITMENTS = [
    pytest.param((), covered(0.2), None, id="low, and AWS gives no figure"),
    pytest.param((BUYING,), covered(0.2), 400.0, id="low, with what buying would save"),
    pytest.param((BUYING,), covered(0.9), 400.0, id="AWS advises to buy all the same"),
    pytest.param((BUYING,), (), 400.0, id="AWS advises to buy, coverage is not known"),
    pytest.param((), covered(0.7), "none", id="enough under plans"),
    pytest.param((), covered(0.1, 0.8), "none", id="enough under reservations"),
    pytest.param((), covered(0.1, paid=90.0), "none", id="too little money"),
    pytest.param((), (), "none", id="nothing known"),
]


@pytest.mark.parametrize(("advice", "shares", "usd"), COMMITMENTS)
def test_low_commitment(advice: tuple[Advised, ...], shares: tuple[Covered, ...], usd: float | str | None) -> None:
    found = [one for one in together(*advice, covered=shares) if one.check == "saving-commitment"]
    assert [one.value for one in found] == ([] if usd == "none" else [usd])
    assert all(one.environment == "billing" for one in found)
    assert not [one for one in together(*advice, covered=shares) if one.check == "saving-aws"]


def test_one_kind_of_commitment_alone_is_no_verdict() -> None:
    when = When(now=NOW, window=DAY)
    half = Advice(payer="billing", day=END, covered=covered(0.0)[:1])

    def sure(advice: Advice) -> list[object]:
        found = merged((), [advice], (PAYER,), when, Thrift())
        return [dict(one.evidence)["confidence"] for one in found if one.check == "saving-commitment"]

    assert sure(replace(half, cut=True)) == []
    assert sure(replace(half, denied=("ce:GetReservationCoverage",))) == ["low"]
