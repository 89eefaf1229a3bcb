"""Leaves out of two-way tables: exact where the tables tell, whole in their accounts where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.evaluate.costdata import Margins, joined, region_of
from opsbot.evaluate.costdata.join import NOT_TOLD, shared

Truth = dict[tuple[str, str, str], float]


def margins(truth: Truth, *, third: bool = True) -> Margins:
    def table(i: int, j: int, only: frozenset[str] | None = None) -> dict[tuple[str, str], np.ndarray]:
        found: dict[tuple[str, str], np.ndarray] = {}
        for key, amount in truth.items():
            if only is None or key[2] in only:
                pair = key[i], key[j]
                found[pair] = found.get(pair, np.zeros(4)) + np.asarray([amount, amount, amount / 2, 10 * amount])
        return found

    told = Margins(by_account=table(0, 2), by_service=table(1, 2))
    names = frozenset(shared(told.by_account, told.by_service))
    return Margins(by_account=told.by_account, by_service=told.by_service, by_both=table(0, 1, names) if third else {})


STORIES: list[tuple[str, Truth, tuple[str, ...]]] = [
    ("a usage type of one service", {("a", "s3", "p"): 1, ("b", "s3", "p"): 2}, ()),
    ("a usage type of one account", {("a", "s3", "p"): 1, ("a", "sqs", "p"): 2}, ()),
    ("each account has its own service", {("a", "s3", "p"): 1, ("b", "sqs", "p"): 2}, ("p",)),
    ("the third table tells them apart", {("a", "s3", "p"): 5, ("a", "sqs", "p"): 1, ("b", "sqs", "p"): 2}, ("p",)),
    ("a run-away in one of four", {("a", "s3", "p"): 1, ("a", "sqs", "p"): 1, ("b", "s3", "p"): 900, ("b", "sqs", "p"): 1}, ("p",)),
]  # fmt: skip


@pytest.mark.parametrize(("truth", "ambiguous"), [pytest.param(*rest, id=story) for story, *rest in STORIES])
def test_what_the_tables_tell_comes_out_exactly(truth: Truth, ambiguous: tuple[str, ...]) -> None:
    told = margins(truth)
    assert shared(told.by_account, told.by_service) == ambiguous
    found = {
        (leaf.account, leaf.service, leaf.usage_type): row[0] for leaf, row in joined(told).items() if row[0] > 1e-6
    }
    assert found == pytest.approx(truth, rel=1e-5)


names = st.sampled_from("abcd")
bills = st.dictionaries(st.tuples(names, names, names), st.floats(-50, 1000), min_size=1, max_size=30)


@settings(max_examples=40)
@given(truth=bills, third=st.booleans())
def test_no_account_loses_or_gains_by_it(truth: Truth, third: bool) -> None:
    told = margins(truth, third=third)
    sums: dict[tuple[str, str], np.ndarray] = {}
    for leaf, row in joined(told).items():
        pair = leaf.account, leaf.usage_type
        sums[pair] = sums.get(pair, np.zeros(4)) + row
    assert sums.keys() == told.by_account.keys()
    for pair, row in sums.items():
        assert row == pytest.approx(told.by_account[pair], abs=1e-6)


def test_a_usage_type_without_a_service_says_so() -> None:
    found = joined(Margins(by_account={("a", "p"): np.ones(4)}, by_service={}))
    assert [leaf.service for leaf in found] == [NOT_TOLD]


@pytest.mark.parametrize(
    ("usage_type", "service", "region"),
    [
        ("EUC1-BoxUsage:m7g.large", "", "eu-central-1"),
        ("BoxUsage:m7g.large", "", "us-east-1"),
        ("EU-Requests-Tier1", "Amazon Simple Storage Service", "eu-west-1"),
        ("EU-DataTransfer-Out-Bytes", "Amazon CloudFront", "global"),
        ("USE1-EUC1-AWS-Out-Bytes", "", "us-east-1"),
        ("APS3-Lambda-GB-Second", "", "ap-south-1"),
        ("XYZ7-Request", "", "XYZ7"),
        ("ComputeSP:1yrNoUpfront", "Savings Plans for AWS Compute usage", "global"),
        ("", "", "us-east-1"),
    ],
)
def test_the_region_of_a_usage_type(usage_type: str, service: str, region: str) -> None:
    assert region_of(usage_type, service) == region
