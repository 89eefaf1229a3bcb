"""`opsbot ack KEY --as ...`: somebody's word on a cost finding, said offline and kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.evaluate.costdata.verdicts import Meaning
from opsbot.model.finding import Finding
from opsbot.model.run import RunState
from opsbot.model.status import Status
from opsbot.model.units import Unit
from tests.cli.test_runs import NOW, SEVEN, Opsbot, opsbot
from tests.executors.home import Home, home

__all__ = ["opsbot"]

KEYS = ("billing/cost-anomaly/nat-gateway", "shop-prod/saving-idle-nat/nat-1", "shop-eu/saving-idle-nat/nat-1")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Home]:
    made = home(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def told(house: Home) -> Home:
    """A run that told of three cost findings, and of one that is none."""
    begun = house.claimed(SEVEN, SEVEN)
    parts = [key.split("/") for key in (*KEYS, "shop-prod/ecs-cpu/api")]
    findings = [
        Finding(check=check, environment=environment, resource=name, status=Status.INFO, at=SEVEN, unit=Unit.USD,
                title=check, area="cost")
        for environment, check, name in parts
    ]  # fmt: skip
    house.store.commit(replace(begun, state=RunState.SUCCEEDED), findings, (), ())
    return house


def test_a_word_is_kept_with_who_when_and_why(opsbot: Opsbot, told: Home) -> None:
    said = opsbot("ack", KEYS[0], "--as", "planned", "--as-who", "ann", "--reason", " migration ")
    assert (said.code, said.out, said.err) == (
        0,
        f"{KEYS[0]} is planned, says ann: it is not told again unless it grows by half\n",
        "",
    )
    (kept,) = told.store.costs().verdicts()
    assert (kept.key, kept.meaning, kept.who, kept.at, kept.reason) == (
        KEYS[0],
        Meaning.PLANNED,
        "ann",
        NOW,
        "migration",
    )


def test_the_last_part_is_enough_if_it_is_the_only_one_and_the_user_is_known(opsbot: Opsbot, told: Home) -> None:
    said = opsbot("ack", "nat-gateway", "--as", "real")
    (kept,) = told.store.costs().verdicts()
    assert (said.code, kept.key) == (0, KEYS[0])
    assert kept.who
    assert said.out.endswith("it stays open until it is over\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param(["billing/cost-anomaly/nat-gatway", "--as", "real"], f"the nearest: {KEYS[0]}", id="a slip"),
        pytest.param(["nat-1", "--as", "real"], f"several findings end in \"nat-1\": {KEYS[2]}, {KEYS[1]}; give the whole key", id="one of two"),
        pytest.param(["zzz", "--as", "real"], f"there are: {KEYS[0]}", id="nothing near"),
        pytest.param(["shop-prod/ecs-cpu/api", "--as", "real"], "no cost finding is called", id="no cost finding"),
        pytest.param([KEYS[0], "--as", "maybe"], "'maybe' is not one of 'expected', 'planned', 'real'", id="no such word"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_what_could_be(
    opsbot: Opsbot, told: Home, words: list[str], why: str
) -> None:
    said = opsbot("ack", *words)
    assert (said.code, said.out) == (2, "")
    assert why in " ".join(said.err.split())
    assert told.store.costs().verdicts() == ()


def test_before_the_first_run_it_says_what_to_do(opsbot: Opsbot, house: Home) -> None:
    said = opsbot("ack", "x", "--as", "real")
    assert said.code == 2
    assert "no run has told of one yet: opsbot run cost_anomalies" in said.err
