"""What one customer gets tells of nobody else: no name, no account, no resource, no sum of others, in any format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from opsbot.checks.weekly import Week
from opsbot.evaluate.savings.advice import Advised
from opsbot.model.budget import OwnBudget
from opsbot.model.environment import Environment
from opsbot.model.report import About, Report
from opsbot.render import email, html, json, markdown, slack, text
from opsbot.store.sql import SqlStore
from tests.checks.weekly.estate import Payers, Written, alert, alerted, bill, finding, fleet, foreseen, incident, look
from tests.checks.weekly.stories import BUSY_WEEK, TEMPLATES, THURSDAY, written_up
from tests.outbox.world import fresh

FLEET = fleet()
BUDGETS = (
    OwnBudget(name="northlake-budget", usd=900.0, tenant="northlake"),
    OwnBudget(name="brightwell-budget", usd=900.0, tenant="brightwell"),
    OwnBudget(name="everything", usd=9000.0),
)


@pytest.fixture
def store() -> Iterator[SqlStore]:
    """Trouble everywhere: an anomaly, incidents, needless alerts and forecasts of every tenant."""
    opened = fresh()
    bill(opened, FLEET, jump=4.0)
    for place in FLEET:
        incident(opened, place, f"{place.tenant} is down", THURSDAY)
        foreseen(opened, place, f"{place.tenant}-db", days=18)
    alerted(opened, *(alert(finding(one.name, f"{one.tenant}-job"), THURSDAY, timedelta(minutes=6)) for one in FLEET))
    yield opened
    opened.close()


def of(tenant: str, store: SqlStore, *, by_setting: bool = False) -> Week:
    advised = tuple(
        Advised(source="Cost Optimization Hub", kind="ec2-instance", account=one.account_id, resource=f"i-{one.tenant}",
                region="eu-central-1", what="rightsize", usd_month=500.0)
        for one in FLEET
    )  # fmt: skip
    mine = FLEET if by_setting else tuple(one for one in FLEET if one.tenant == tenant)
    settings: dict[str, Any] = {"tenant": tenant} if by_setting else {}
    return look(
        Written(BUSY_WEEK), mine, store, everywhere=FLEET, payers=Payers(limit=10_300.0, advised=advised), budgets=BUDGETS,
        **settings,
    )  # fmt: skip


def formats(week: Week) -> Iterator[tuple[str, str]]:
    told, about = written_up(week)
    yield "text", text.render(told, about, colour=False, verbose=True)
    yield "html", html.render(told, about, TEMPLATES)
    yield "slack", orjson.dumps(slack.render(told, about)).decode()
    yield "markdown", markdown.render(told, about)
    yield "json", as_json(told, about, week)
    sent = email.render(
        told, about, TEMPLATES, sender="a@b.example", to=["c@d.example"], domain="b.example", message_id="<1@b>"
    )
    yield "email", sent.decode("ascii")


def as_json(told: Report, about: About, week: Week) -> str:
    from opsbot.checks.weekly import weekly_findings

    return json.render(
        told, about, weekly_findings(week), window=week.calendar.this, scheduled_for=None, exit_code=0, artifacts=(),
        deliveries=(), verbose=True,
    )  # fmt: skip


def secrets(one: Environment) -> tuple[str, ...]:
    """All that names a tenant in this world begins with its name."""
    return one.tenant, one.account_id


@pytest.mark.parametrize("by_setting", [False, True], ids=["--tenant", "the job's setting"])
@pytest.mark.parametrize("tenant", ["brightwell", "northlake", "meridian"])
def test_nothing_of_others_is_told(tenant: str, by_setting: bool, store: SqlStore) -> None:
    week = of(tenant, store, by_setting=by_setting)
    others = [secret for one in FLEET if one.tenant != tenant for secret in secrets(one)]
    for name, shown in formats(week):
        assert tenant in shown
        assert not [secret for secret in (*others, "everything", "all-of-it") if secret in shown], name


def test_a_tenant_sees_its_own_money_budget_and_trouble(store: SqlStore) -> None:
    week = of("brightwell", store)
    shown = dict(formats(week))["text"]
    spend = next(kpi for kpi in week.kpis if kpi.id == "spend")
    assert spend.course.now is not None
    assert 380 < spend.course.now < 460
    for said in ("brightwell-budget", "Cost anomaly, RDS", "brightwell is down", "brightwell-db", "Told for nothing"):
        assert said in shown


def test_one_account_of_two_tenants_is_nobodys(store: SqlStore) -> None:
    """Where a charge may be another's, neither is told of it."""
    shared = replace(FLEET[2], name="northlake-guest", tenant="guest")
    everywhere = (*FLEET, shared)
    week = look(Written(), (FLEET[2],), store, everywhere=everywhere, payers=Payers())
    assert week.spent.of().size == 0
    whole = look(Written(), everywhere, store, everywhere=everywhere, payers=Payers())
    assert whole.spent.course(None, whole.calendar).now is not None


def test_who_sees_every_environment_sees_the_whole_bill(store: SqlStore) -> None:
    week = of("", store, by_setting=True)
    shown = dict(formats(week))["text"]
    assert week.whole
    assert all(one.name in shown for one in FLEET)
    assert "everything" in shown
