"""Turns the scenario's `[[payers]]` and `[[runaways]]` into who pays for whom and what ran away."""

import re
from typing import cast

from opsbot.replica.draft import Draft
from opsbot.replica.reading import Section
from opsbot.replica.signals import DAY
from opsbot.replica.spending import NEVER, BudgetSpec, Culprit, Growth, PayerSpec, Runaway
from opsbot.replica.usage import EVERYWHERE, PREFIXES
from opsbot.replica.world import EnvironmentSpec


def read_spending(file: Section, draft: Draft, anchor: int | None) -> None:
    """Both lists; incidents of money are compared with their own past, so without an anchor there are none."""
    for section in file.tables("payers"):
        _read_payer(section, draft)
    for section in file.tables("runaways"):
        _read_runaway(section, draft, anchor)


def _environment(section: Section, key: str, name: str, draft: Draft) -> EnvironmentSpec | None:
    found = next((one for one in draft.environments if one.name == name), None)
    if name and found is None:
        section.problem(key, f"no environment is called {name!r}")
    return found


def _accounts(section: Section, key: str, draft: Draft) -> tuple[str, ...]:
    found = (_environment(section, key, name, draft) for name in section.texts(key, ()))
    return tuple(one.account for one in found if one is not None)


def _read_payer(section: Section, draft: Draft) -> None:
    own = _environment(section, "environment", section.text("environment"), draft)
    others = _accounts(section, "pays_for", draft)
    budgets = []
    for one in section.tables("budgets"):
        limit = one.number("limit", low=0)
        budgets.append(BudgetSpec(name=one.text("name"), limit=limit, accounts=_accounts(one, "for", draft)))
        one.done()
    terms = {name: section.number(name, 0.0, low=0) for name in ("commitment", "credit")}
    shares = {name: section.number(name, 0.0, low=0, high=1) for name in ("support", "tax", "discount")}
    section.done()
    if own is None:
        return
    pays_for = tuple(dict.fromkeys((own.account, *others)))
    if taken := [account for payer in draft.payers for account in payer.pays_for if account in pays_for]:
        section.problem("pays_for", f"account {taken[0]} is paid for by another payer")
    draft.payers.append(PayerSpec(account=own.account, pays_for=pays_for, budgets=tuple(budgets), **terms, **shares))


def _read_runaway(section: Section, draft: Draft, anchor: int | None) -> None:
    """`from = "-2d"` is the day two days before the anchor's; `for` ends it, `usage_type` is without its region."""
    environment = _environment(section, "environment", section.text("environment"), draft)
    ago, length = _days(section, "from"), _days(section, "for")
    region = section.text("region", environment.regions[0] if environment else "us-east-1")
    growth = cast(Growth, section.choice("growth", ("flat", "leak"), "flat"))
    usage_type, service = section.text("usage_type"), section.text("service")
    usd, price = section.number("usd", low=0), section.number("price", 1.0, low=1e-9)
    told = {"operation": section.text("operation", ""), "story": section.text("story")}
    expect = section.flag("expect", True)
    begun_by = tuple(map(_culprit, section.tables("begun_by")))
    section.done()
    if environment is None:
        return
    begin = NEVER if anchor is None else anchor // DAY - ago
    draft.runaways.append(
        Runaway(
            account=environment.account,
            service=service,
            usage_type=(PREFIXES.get(region, "") if region != EVERYWHERE else "") + usage_type,
            region=region,
            usd=usd,
            price=price,
            begin=begin,
            end=begin + length if length else NEVER + 1,
            growth=growth,
            expect=expect,
            begun_by=begun_by,
            **told,
        )
    )


def _culprit(section: Section) -> Culprit:
    """`hours` counts from the midnight (UTC) on which the first day begins."""
    told = {name: section.text(name) for name in ("event", "source", "who")}
    found = Culprit(about=section.text("about", ""), hours=section.number("hours", low=-48, high=48), **told)
    section.done()
    return found


def _days(section: Section, key: str) -> int:
    text = section.text(key, None if key == "from" else "")
    found = re.fullmatch(r"-(\d+)d" if key == "from" else r"(\d+)d", text)
    if text and not found:
        section.problem(key, f'expected a number of days such as "{"-2d" if key == "from" else "2d"}", found {text!r}')
    return int(found[1]) if found else 0
