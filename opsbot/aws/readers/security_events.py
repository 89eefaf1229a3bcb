"""What people did, as CloudTrail kept it: sign-ins without a second factor, security groups, IAM.

LookupEvents takes one attribute and two calls a second in a region, so single names are asked for, the newest events
first, and a busy name is cut off and said to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from opsbot.aws.readers.opened import opened
from opsbot.aws.readers.place import DAY, Found, Look, Reader, facts, partition
from opsbot.aws.readers.trail_event import Event, event
from opsbot.aws.words import clipped
from opsbot.model.resource import Fact, Resource

MOST_PAGES = 4
"""Of one name: 200 events a day are told as that many at least."""
GROUPS = (
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "ModifySecurityGroupRules",
    "RevokeSecurityGroupIngress",
)
NEW_WAYS_IN = (
    "CreateAccessKey",
    "CreateLoginProfile",
    "CreateUser",
    "DeactivateMFADevice",
)
POLICIES = (
    "AttachGroupPolicy",
    "AttachRolePolicy",
    "AttachUserPolicy",
)
IDENTITIES = (
    *NEW_WAYS_IN,
    *POLICIES,
    "AddUserToGroup",
    "CreatePolicyVersion",
    "PutGroupPolicy",
    "PutRolePolicy",
    "PutUserPolicy",
    "UpdateAssumeRolePolicy",
)
_GRAND = ("/AdministratorAccess", "/IAMFullAccess", "/PowerUserAccess")
# Where IAM keeps its events, and where those who sign in without a region are counted.
_GLOBAL = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
# Federated people bring their second factor from elsewhere, and CloudTrail does not know of it.
_OWN_FACTOR = frozenset({"IAMUser", "Root"})

Kept = tuple[list[Event], bool]
"""The newest events, and whether there were more."""


def logins(look: Look) -> Iterator[Found]:
    for place in _with_global(look):
        events, cut = _kept(place, ("ConsoleLogin",))
        signed_in = [one for one in events if one.answer("ConsoleLogin") == "Success"]
        bare = [one for one in signed_in if one.identity in _OWN_FACTOR and one.additional("MFAUsed") == "No"]
        refused = [one for one in events if one.answer("ConsoleLogin") == "Failure"]
        yield _told(
            place, "console-logins", "console", events, cut,
            without_mfa=float(len(bare)), bare=_summary(bare) if bare else None,
            refused=float(len(refused)), refused_whom=_summary(refused) if refused else None,
        )  # fmt: skip


def group_changes(look: Look) -> Iterator[Found]:
    events, cut = _kept(look, GROUPS)
    ways = [f"{way} by {one.by_whom}" for one in events for way in opened(one)]
    yield _told(
        look, "firewall-changes", "security groups", events, cut,
        changes=float(len(events)), opened=float(len(ways)), opened_what=_several(ways),
    )  # fmt: skip


def identity_changes(look: Look) -> Iterator[Found]:
    place = replace(look, region=_GLOBAL[partition(look.region)])
    events, cut = _kept(place, IDENTITIES)
    given = [one for one in events if _gives_access(one)]
    # Told of the environment and not of the region that keeps its events.
    yield _told(
        look, "identity-changes", "IAM", events, cut,
        changes=float(len(events)), given=float(len(given)), given_what=_summary(given) if given else None,
    )  # fmt: skip


def _with_global(look: Look) -> Iterator[Look]:
    yield look
    other = _GLOBAL[partition(look.region)]
    if look.region == look.regions[0] and other not in look.regions:
        yield replace(look, region=other)


def _kept(look: Look, names: Sequence[str]) -> Kept:
    """Events of the last day that went through, newest first."""
    found: list[Event] = []
    cut = False
    for name in names:
        asked = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name}]}
        period = {"StartTime": look.now - DAY, "EndTime": look.now}
        for page in islice(look.pages("cloudtrail", "lookup_events", **asked, **period), MOST_PAGES):
            found += [one for raw in page.get("Events") or () if not (one := event(raw)).refused]
            more = bool(page.get("NextToken"))
        cut = cut or more
    return sorted(found, key=lambda one: one.at, reverse=True), cut


def _gives_access(one: Event) -> bool:
    if one.name in NEW_WAYS_IN:
        return True
    return one.name in POLICIES and str(one.asked("policyArn")).endswith(_GRAND)


def _told(look: Look, kind: str, name: str, events: Sequence[Event], cut: bool, **more: Fact | None) -> Resource:
    latest = events[0] if events else None
    return Resource(
        kind=kind,
        name=name,
        region=look.region,
        facts=facts(
            **more,
            events=float(len(events)),
            at_least=1.0 if cut else 0.0,
            who=_summary(events) + ("; there were more than are read" if cut else "") if events else None,
            last_at=latest.at.timestamp() if latest else None,
        ),
    )


def _summary(events: Sequence[Event]) -> str:
    """The newest in words, and who else: `CreateAccessKey deploy-bot by ana.keller 04:10 UTC; 2 more by ci-deploy`."""
    latest, *others = events
    words = [f"{latest.name} {latest.whom}".rstrip(), f"by {latest.by_whom}"]
    more = Counter(one.who for one in others)
    told = ", ".join(f"{times} more by {who}" for who, times in more.most_common(3))
    return clipped(" ".join(words) + (f"; {told}" if told else ""))


def _several(ways: Sequence[str]) -> str | None:
    if not ways:
        return None
    return clipped(ways[0] + (f" and {len(ways) - 1} more" if len(ways) > 1 else ""))


_ACTIONS = ("cloudtrail:LookupEvents",)
READERS = {
    "console-logins": Reader(kinds=("console-logins",), actions=_ACTIONS, read=logins),
    "firewall-changes": Reader(kinds=("firewall-changes",), actions=_ACTIONS, read=group_changes),
    "identity-changes": Reader(
        kinds=("identity-changes",), actions=_ACTIONS, read=identity_changes, global_service=True
    ),
}
