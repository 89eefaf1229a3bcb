"""Calls against policies: what was asked and is not allowed, what is allowed and nobody asked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsbot.actions import ACTIONS, reads, writes
from opsbot.aws import policy
from opsbot.aws.actions import action_of, call_name
from opsbot.aws.readers import KINDS
from tests.recording.inside.sitecustomize import OPSBOT, REMEDIATION, ROLE, RUNBOOKS

NEEDS_NOTHING = {"sts:GetCallerIdentity"}
"""Everybody may ask who he is."""

WHO = {
    ROLE: "the role that reads in each account",
    RUNBOOKS: "the role that reads in each account, for a runbook's step",
    REMEDIATION: "the role that approved changes are made with",
    OPSBOT: "the identity opsbot itself runs as",
}

WHERE = {
    ROLE: "the reader's `actions` in opsbot/aws/readers, or opsbot/aws/policy.py",
    RUNBOOKS: "the action's `reads` in opsbot/actions",
    REMEDIATION: "the change's `writes` in opsbot/actions",
    OPSBOT: "`own` in opsbot/aws/policy.py",
}

UNASKED = {
    (ROLE, "ecs:ListTagsForResource"): "no call of ours: ECS asks it itself for DescribeServices with tags",
    (ROLE, "s3:GetBucketLocation"): "only where S3 does not tell the region in its list of buckets, as of old",
    (RUNBOOKS, "cloudwatch:GetMetricData"): "the step `metric` asks through the collector, heard as the reading role",
    (REMEDIATION, "iam:PassRole"): "no call: ECS and SSM ask it themselves for the roles they are handed",
    (OPSBOT, "ses:SendRawEmail"): "no call of ours: SES asks it itself for SendEmail with a whole message",
    (OPSBOT, "sqs:ReceiveMessage"): "kombu receives with a client of its own, past botocore",
    (OPSBOT, "sqs:DeleteMessage"): "kombu deletes with a client of its own, past botocore",
    (OPSBOT, "sqs:ChangeMessageVisibility"): "kombu, for messages that a worker gives back as it ends",
    (OPSBOT, "sqs:GetQueueAttributes"): "kombu, for a message that it rejects",
}
"""Allowed and asked by no test, each with its reason."""

BARE = {
    "tests/cli/test_surroundings.py": "is about surroundings that hold nothing; lists what is configured",
    "tests/contracts/test_recording.py": "runs a suite that is heard by itself",
    "tests/house/test_layers.py": "runs import-linter",
    "tests/runbooks/test_show_runbook.py": "shows a page where nothing is at hand",
}
"""Tests that start Python without the suite's environment, and why that hides no call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One kind of call, and the first test that made it. `policy` is one of those of `iam-policy --for`."""

    policy: str
    action: str
    test: str
    at: float = 0.0


def kept(folder: Path) -> list[Asked]:
    """What all processes of the suite have written down, each call once, as its first test made it."""
    lines = (line for file in folder.glob("*.jsonl") for line in file.read_text(encoding="utf-8").splitlines())
    first: dict[tuple[str, str], Asked] = {}
    for asked in sorted(map(_read, lines), key=lambda one: one.at):
        first.setdefault((asked.policy, asked.action), asked)
    return list(first.values())


def _read(line: str) -> Asked:
    told = json.loads(line)
    action = action_of(call_name(*told["call"].split(":", 1)))
    return Asked(policy=told["policy"], action=action, test=told["test"], at=told["at"])


def unseen(folder: Path) -> Iterator[str]:
    """A line for each test whose child could have asked AWS without being heard."""
    tests = {line for file in folder.glob("*.unseen") for line in file.read_text(encoding="utf-8").splitlines()}
    for test in sorted(tests):
        if test.partition("::")[0] not in BARE:
            yield (
                f"{test or 'a fixture'} starts Python with an environment of its own, where AWS calls are not heard: "
                "add tests.recording.suite.surroundings() to it, or give the reason in BARE of tests/recording/held.py"
            )


def allowed(document: Mapping[str, Any]) -> frozenset[str]:
    """The actions of a policy document."""
    return frozenset(action for one in document["Statement"] if one["Effect"] == "Allow" for action in one["Action"])


def everything() -> dict[str, frozenset[str]]:
    """What the policies allow with everything switched on."""
    role = policy.actions(KINDS, custom=True, payer=True, logs=True)
    own = policy.own(
        roles=["arn:aws:iam::123456789012:role/opsbot"], secrets=["ssm:/opsbot/a", "secretsmanager:b"], mails=["a@b.c"],
        logs="/opsbot", metrics=["Opsbot"], topics=["arn:aws:sns:eu-central-1:123456789012:ops"], texts=True,
        queue="sqs://sqs.eu-central-1.amazonaws.com/123456789012/runs",
    )  # fmt: skip
    documents = {
        ROLE: policy.policy(role, ["s3://bucket/prefix"]),
        RUNBOOKS: policy.policy(reads(ACTIONS)),
        REMEDIATION: policy.remedying(writes(ACTIONS)),
        OPSBOT: own,
    }
    return {name: allowed(document) for name, document in documents.items()}


def outside(asked: Iterable[Asked], allow: Mapping[str, Set[str]]) -> Iterator[str]:
    """A line for each call that its policy does not allow."""
    for one in sorted(asked, key=lambda one: (one.policy, one.action)):
        if one.action not in allow[one.policy] | NEEDS_NOTHING:
            elsewhere = [name for name, actions in allow.items() if one.action in actions]
            yield (
                f"{one.action} is not allowed to {WHO[one.policy]}; first asked by {one.test}; "
                f"`opsbot iam-policy --for {one.policy}` should have it: add it to {WHERE[one.policy]}"
                + (f" (allowed only for {', '.join(elsewhere)})" if elsewhere else "")
            )


def unasked(
    asked: Iterable[Asked], allow: Mapping[str, Set[str]], reasons: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    """A line for each action that is allowed, that nobody asked for and that has no reason, and for each reason gone."""
    seen = {(one.policy, one.action) for one in asked}
    granted = {(name, action) for name, actions in allow.items() for action in actions}
    for name, action in sorted(granted - seen - reasons.keys()):
        yield (
            f"{action} is allowed to {WHO[name]}, and no test of the whole suite asked for it: "
            f"take it from `opsbot iam-policy --for {name}`, test what needs it, or give the reason in UNASKED"
        )
    for name, action in sorted(reasons.keys() & seen | reasons.keys() - granted):
        why = "is asked for by a test" if (name, action) in seen else "is not allowed any more"
        yield f"{action} {why}: take its reason out of UNASKED, under {name}"
