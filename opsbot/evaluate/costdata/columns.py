"""The columns of a bill's file: which of the known forms it has, and what one row of it says.

Known are the Cost and Usage Report (`lineItem/UsageAccountId`), CUR 2.0 (`line_item_usage_account_id`), FOCUS 1.0 and
later (`ChargePeriodStart`, `BilledCost`) and a plain table (`date`, `cost`, and what else there is).
Sources: docs.aws.amazon.com/cur/latest/userguide, focus.finops.org.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Row = Mapping[str, str]
Money = Callable[[str], float]
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one form is read. Each of `places` is by what the row calls it; the first that is there and not empty counts.

    `amounts` gives unblended, amortized and net amortized cost and the quantity of a row of that record type.
    """

    name: str
    needs: tuple[str, ...]
    day: tuple[str, ...]
    account: tuple[str, ...]
    service: tuple[str, ...]
    region: tuple[str, ...]
    usage_type: tuple[str, ...]
    currency: tuple[str, ...]
    id: tuple[str, ...] = ()
    record_type: Callable[[Row], str]
    amounts: Callable[[Row, str, Money], tuple[float, float, float, float]]

    @property
    def used(self) -> frozenset[str]:
        """Every column that may be looked at: the others need not be kept."""
        places = (self.day, self.account, self.service, self.region, self.usage_type, self.currency, self.id)
        return frozenset(column for place in places for column in place) | _MORE[self.name]


def normal(column: str) -> str:
    """`lineItem/UsageAccountId`, `line_item_usage_account_id` and `LineItem_UsageAccountId` are one column."""
    words = _WORD.sub("_", column.strip().strip("\ufeff")).replace("/", "_").replace(" ", "_")
    return re.sub(r"_+", "_", words).lower()


def form_of(columns: Sequence[str]) -> Form | None:
    """The form whose columns these (normal) names are; None if it is none."""
    there = set(columns)
    return next((form for form in FORMS if all(set(need.split("|")) & there for need in form.needs)), None)


def first(row: Row, places: tuple[str, ...]) -> str:
    """The first of these columns that says something."""
    return next((row[place] for place in places if row.get(place)), "")


def _cur_record(row: Row) -> str:
    return row.get("line_item_line_item_type", "") or "Usage"


def _cur_amounts(row: Row, record: str, money: Money) -> tuple[float, float, float, float]:
    """Amortized as AWS's guide reckons it: covered usage at its effective cost, fees for what was not used."""
    charged = money("line_item_unblended_cost")
    match record:
        case "SavingsPlanCoveredUsage":
            spread = money("savings_plan_savings_plan_effective_cost")
            net = money("savings_plan_net_savings_plan_effective_cost") or spread
        case "DiscountedUsage":
            spread = money("reservation_effective_cost")
            net = money("reservation_net_effective_cost") or spread
        case "SavingsPlanRecurringFee":
            unused = money("savings_plan_total_commitment_to_date") - money("savings_plan_used_commitment")
            spread = net = unused
        case "RIFee":
            upfront = money("reservation_unused_amortized_upfront_fee_for_billing_period")
            spread = net = upfront + money("reservation_unused_recurring_fee")
        case "SavingsPlanNegation" | "SavingsPlanUpfrontFee":
            spread = net = 0.0
        case "Fee" if row.get("reservation_reservation_a_r_n") or row.get("reservation_reservation_arn"):
            spread = net = 0.0
        case _:
            spread, net = charged, money("line_item_net_unblended_cost") or charged
    return charged, spread, net, money("line_item_usage_amount")


_FOCUS_RECORDS = {"tax": "Tax", "credit": "Credit", "adjustment": "Refund", "purchase": "Fee"}


def _focus_record(row: Row) -> str:
    category = row.get("charge_category", "").lower()
    discount = (row.get("commitment_discount_type", "") or row.get("commitment_discount_category", "")).lower()
    plan = "savings" in discount or "spend" in discount
    committed = bool(row.get("commitment_discount_id"))
    if category == "usage" and committed:
        if row.get("commitment_discount_status", "").lower() == "unused":
            return "SavingsPlanRecurringFee" if plan else "RIFee"
        return "SavingsPlanCoveredUsage" if plan else "DiscountedUsage"
    if category == "purchase" and committed:
        return "SavingsPlanRecurringFee" if plan else "RIFee"
    return _FOCUS_RECORDS.get(category, "Usage")


def _focus_amounts(row: Row, _: str, money: Money) -> tuple[float, float, float, float]:
    """FOCUS's effective cost is amortized and has the discounts taken off."""
    billed, effective = money("billed_cost"), money("effective_cost")
    if not row.get("effective_cost"):
        effective = billed
    return billed, effective, effective, money("consumed_quantity")


def _plain_record(row: Row) -> str:
    return row.get("record_type", "") or "Usage"


def _plain_amounts(row: Row, _: str, money: Money) -> tuple[float, float, float, float]:
    cost = money(next(name for name in _PLAIN_COST if name in row))
    return cost, cost, cost, money("quantity")


_PLAIN_COST = ("cost", "amount", "unblended_cost", "usd")
_CUR_MORE = (
    "line_item_line_item_type line_item_unblended_cost line_item_net_unblended_cost line_item_usage_amount "
    "savings_plan_savings_plan_effective_cost savings_plan_net_savings_plan_effective_cost "
    "savings_plan_total_commitment_to_date savings_plan_used_commitment reservation_effective_cost "
    "reservation_net_effective_cost reservation_unused_amortized_upfront_fee_for_billing_period "
    "reservation_unused_recurring_fee reservation_reservation_a_r_n reservation_reservation_arn"
)
_FOCUS_MORE = (
    "charge_category commitment_discount_type commitment_discount_category commitment_discount_id "
    "commitment_discount_status billed_cost effective_cost consumed_quantity"
)
_MORE = {
    "CUR": frozenset(_CUR_MORE.split()),
    "FOCUS": frozenset(_FOCUS_MORE.split()),
    "plain": frozenset(("record_type", "quantity", *_PLAIN_COST)),
}
FORMS = (
    Form(
        name="CUR",
        needs=("line_item_usage_start_date", "line_item_unblended_cost"),
        day=("line_item_usage_start_date",),
        account=("line_item_usage_account_id",),
        service=("product_product_name", "product_servicename", "product_servicecode", "line_item_product_code"),
        region=("product_region_code", "product_region"),
        usage_type=("line_item_usage_type",),
        currency=("line_item_currency_code", "pricing_currency"),
        id=("identity_line_item_id",),
        record_type=_cur_record,
        amounts=_cur_amounts,
    ),
    Form(
        name="FOCUS",
        needs=("charge_period_start", "billed_cost|effective_cost"),
        day=("charge_period_start",),
        account=("sub_account_id",),
        service=("service_name",),
        region=("region_id", "region"),
        usage_type=("x_usage_type", "sku_meter", "sku_id"),
        currency=("billing_currency",),
        record_type=_focus_record,
        amounts=_focus_amounts,
    ),
    Form(
        name="plain",
        needs=("date|day", "|".join(_PLAIN_COST)),
        day=("date", "day"),
        account=("account", "account_id", "linked_account"),
        service=("service",),
        region=("region",),
        usage_type=("usage_type",),
        currency=("currency",),
        id=("id",),
        record_type=_plain_record,
        amounts=_plain_amounts,
    ),
)
