"""The least that the role in each account must be allowed: reading, and only of what is switched on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opsbot.aws.readers import KINDS, needed
from opsbot.aws.readers.listed import ACTION as LIST_METRICS

ALWAYS = ("cloudwatch:GetMetricData",)
TAGS = "tag:GetResources"


def actions(kinds: Iterable[str], custom: bool) -> tuple[str, ...]:
    """All IAM actions needed to find these kinds and read their metrics; `custom`: also metrics of one's own.

    Signing in needs none: sts:GetCallerIdentity is allowed to everybody. Raises KeyError for an unknown kind.
    """
    wanted = {kind for kind in kinds if not kind.startswith("metric:")}
    if unknown := wanted - KINDS:
        raise KeyError(f"no resource kind is called {', '.join(sorted(unknown))}")
    readers = list(needed(wanted))
    found = {action for reader in readers for action in reader.actions} | set(ALWAYS)
    if any(reader.tagged for reader in readers):
        found.add(TAGS)
    if custom:
        found.add(LIST_METRICS)
    return tuple(sorted(found))


def policy(actions: Iterable[str]) -> dict[str, Any]:
    """An IAM policy document that allows exactly these actions. Listing and describing know no narrower resource."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "OpsbotRead", "Effect": "Allow", "Action": sorted(set(actions)), "Resource": "*"}],
    }
