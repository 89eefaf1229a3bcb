"""The life of an anomaly, morning by morning: what is told, what people's words change, what stays silent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time

import pytest

from opsbot.checks.spending.life import Life, Replay
from opsbot.checks.spending.names import Accounts
from opsbot.evaluate.cost import Leaf, Sensitivity
from opsbot.evaluate.costdata.verdicts import Meaning, Verdict
from opsbot.model.environment import Environment
from tests.evaluate.cost.bills import Account, account, day

PAYER = Environment(name="shop-billing", regions=("eu-central-1",), account_id="pay", payer=True)
ACCOUNTS = Accounts(
    payer=PAYER,
    environments=(PAYER, Environment(name="shop-prod", regions=("eu-central-1",), account_id="prod")),
)
NAT = Leaf("prod", "EC2 - Other", "eu-central-1", "EUC1-NatGateway-Bytes")
KEY = "shop-prod/cost-anomaly/ec2-other.natgateway-bytes.eu-central-1"
BEGIN, END = 108, 150


def said(meaning: Meaning, on: int) -> Verdict:
    at = datetime.combine(day(on), time(9), UTC)
    return Verdict(key=KEY, meaning=meaning, who="kim", at=at, reason="load test")


def lives(story: Account, word: Verdict | None = None, until: int = END) -> Mapping[int, Life]:
    """By morning: what is known of the NAT gateway."""
    replay = Replay(sensitivity=Sensitivity(), key=ACCOUNTS.key, words={KEY: word} if word else {})
    found: dict[int, Life] = {}
    for morning in range(BEGIN, until + 1):
        replay.morning(story.bill(morning))
        found.update((morning, one) for one in replay.lives if one.key == KEY)
    return found


def step(days: int = 60, excess: float = 100.0, start: int = 120) -> Account:
    it = account()
    it.add(NAT, 0, 20.0, 170)
    it.add(NAT, start, excess, min(days, 170 - start))
    return it


def stages(found: Mapping[int, Life]) -> list[str]:
    """Each stage with its first morning; what people hear of is in capitals."""
    told: list[str] = []
    for morning, one in found.items():
        word = f"{one.stage.upper() if one.news else one.stage}"
        if not told or told[-1].split(" ")[0] != word:
            told.append(f"{word} {morning}")
    return told


def grown() -> Account:
    it = step()
    it.add(NAT, 135, 100.0, 35)
    return it


def grown_a_little() -> Account:
    it = step()
    it.add(NAT, 135, 20.0, 35)
    return it


def twice() -> Account:
    it = step(days=3)
    it.add(NAT, 140, 100.0, 3)
    return it


def larger_the_second_time() -> Account:
    it = step(days=3)
    it.add(NAT, 140, 300.0, 3)
    return it


@pytest.mark.parametrize(
    ("story", "word", "told"),
    [
        pytest.param(step, None, ["OPENED 121", "open 122", "EXPLAINED 150"], id="a step is normal after four weeks"),
        pytest.param(lambda: step(days=3), None, ["OPENED 121", "open 122", "OVER 126"], id="three days, then over"),
        pytest.param(
            step, said(Meaning.EXPECTED, 123), ["OPENED 121", "open 122", "EXPLAINED 123", "explained 125"],
            id="expected: told once as such, then silent, after four weeks too",
        ),
        pytest.param(
            step, said(Meaning.PLANNED, 121), ["EXPLAINED 121", "explained 123"], id="planned, said on its first morning"
        ),
        pytest.param(
            step, said(Meaning.REAL, 123), ["OPENED 121", "open 122"], id="real: open for longer than four weeks"
        ),
        pytest.param(
            lambda: step(start=112, days=31), said(Meaning.REAL, 120), ["OPENED 113", "open 114", "OVER 146"],
            id="real: until it is over",
        ),
        pytest.param(
            lambda: step(days=3), said(Meaning.EXPECTED, 121), ["EXPLAINED 121", "explained 123", "over 126"],
            id="expected: its end is not told",
        ),
        pytest.param(
            grown, said(Meaning.EXPECTED, 123),
            ["OPENED 121", "open 122", "EXPLAINED 123", "explained 125", "GROWING 137", "open 138", "EXPLAINED 150"],
            id="expected, and grown by more than half again",
        ),
        pytest.param(
            grown_a_little, said(Meaning.EXPECTED, 123), ["OPENED 121", "open 122", "EXPLAINED 123", "explained 125"],
            id="expected, and grown by less",
        ),
        pytest.param(
            twice, said(Meaning.EXPECTED, 121), ["EXPLAINED 121", "explained 123", "over 126", "explained 141", "over 146"],
            id="expected: the same again within a month is not told",
        ),
        pytest.param(
            twice, said(Meaning.PLANNED, 121), ["EXPLAINED 121", "explained 123", "over 126", "OPENED 141", "open 142", "OVER 146"],
            id="planned was that one time: the same again is told",
        ),
        pytest.param(
            larger_the_second_time, said(Meaning.EXPECTED, 121), ["EXPLAINED 121", "explained 123", "over 126", "OPENED 141", "open 142", "OVER 146"],
            id="expected, but three times the size the next time",
        ),
        pytest.param(
            lambda: step(start=145), said(Meaning.EXPECTED, 112), ["OPENED 146", "open 147"],
            id="expected more than a month before",
        ),
    ],
)  # fmt: skip
def test_what_people_hear_of_an_anomaly(story: Callable[[], Account], word: Verdict | None, told: list[str]) -> None:
    found = stages(lives(story(), word))
    assert found == told
