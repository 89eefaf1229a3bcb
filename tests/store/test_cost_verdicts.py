"""What people said of cost findings, and AWS's last advice: kept, replaced by the later word, and forgotten in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from opsbot.errors import StoreError
from opsbot.evaluate.costdata.verdicts import Meaning, Verdict, last_words
from opsbot.evaluate.savings.advice import HUB, PLANS, Advice, Advised, Covered
from opsbot.model.finding import Finding
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.store.cost_verdicts_tables import cost_advice
from opsbot.store.engine import writing
from opsbot.store.sql import SqlStore
from tests.outbox.world import run

NOW = datetime(2026, 11, 20, 7, 0, 0, 250, tzinfo=UTC)
KEY = "billing/cost-anomaly/nat-gateway"
EXPECTED = Verdict(key=KEY, meaning=Meaning.EXPECTED, who="ann", at=NOW, reason="black friday")


def test_words_come_back_oldest_first_and_the_last_one_holds(store: SqlStore) -> None:
    costs = store.costs()
    real = replace(EXPECTED, meaning=Meaning.REAL, who="ben", at=NOW + timedelta(hours=1), reason="")
    other = replace(EXPECTED, key="billing/cost-anomaly/logs", at=NOW - timedelta(days=1))
    for one in (real, EXPECTED, other, EXPECTED):
        costs.judge(one)
    assert costs.verdicts() == (other, EXPECTED, real)
    assert last_words(costs.verdicts()) == {KEY: real, other.key: other}


def test_names_that_no_database_can_hold_are_made_fit(store: SqlStore) -> None:
    store.costs().judge(replace(EXPECTED, who="nul\0", reason="half \ud800"))
    (kept,) = store.costs().verdicts()
    assert (kept.who, kept.reason) == ("nul?", "half ?")


def test_only_cost_findings_that_were_told_can_be_judged(store: SqlStore) -> None:
    def finding(check: str, resource: str) -> Finding:
        return Finding(check=check, environment="billing", resource=resource, status=Status.INFO, at=NOW, unit=Unit.USD,
                       title=check, area="cost")  # fmt: skip

    told = [("cost-anomaly", "nat-gateway"), ("saving-idle-nat", "a/b"), ("ecs-cpu", "cost-anomaly"), ("costly", "x")]
    for id in ("r1", "r2"):
        held = run(id)
        store.commit(held, [finding(*one) for one in told], (), ())
    assert store.costs().judgeable() == (KEY, "billing/saving-idle-nat/a/b")


def test_the_last_advice_of_a_payer_stands_in_for_the_one_before(store: SqlStore) -> None:
    costs = store.costs()
    one = Advised(
        source=HUB, account="1", region="eu-central-1", resource="i-1", kind="Ec2Instance", what="stop", usd_month=3.5
    )
    share = Covered(by=PLANS, share=0.25, on_demand_usd=900.0, first=date(2026, 10, 21), end=date(2026, 11, 20))
    first = Advice(payer="billing", day=NOW.date(), advised=(one,), covered=(share,), notes=("a",), denied=("ce:Get",))
    later = replace(first, day=NOW.date() + timedelta(days=7), advised=(), covered=(), notes=('odd "\0"',))
    costs.keep_advice(first)
    assert (costs.advice("billing"), costs.advice("other")) == (first, None)
    costs.keep_advice(later)
    assert costs.advice("billing") == later


def test_advice_that_cannot_be_read_any_more_says_so(store: SqlStore) -> None:
    store.costs().keep_advice(Advice(payer="billing", day=NOW.date()))
    with writing(store.engine) as db:
        db.execute(update(cost_advice).values(body='{"payer": 1}'))
    with pytest.raises(StoreError, match="the advice kept for billing cannot be read any more"):
        store.costs().advice("billing")


def test_words_and_advice_are_kept_for_thirteen_months(store: SqlStore) -> None:
    costs = store.costs()
    costs.judge(EXPECTED)
    costs.keep_advice(Advice(payer="billing", day=NOW.date()))
    store.prune(NOW + timedelta(days=429))
    assert (costs.verdicts(), costs.advice("billing") is not None) == ((EXPECTED,), True)
    store.prune(NOW + timedelta(days=432))
    assert (costs.verdicts(), costs.advice("billing")) == ((), None)
