"""A call that no policy allows fails the whole run, whoever made it; and the run says who, what and where it belongs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recording import held
from tests.recording.held import Asked
from tests.recording.inside.sitecustomize import FOLDER, OPSBOT, REMEDIATION, ROLE, RUNBOOKS

ROOT = Path(__file__).parents[2]
ALLOW = {
    ROLE: frozenset({"ecs:ListClusters"}),
    RUNBOOKS: frozenset({"ecs:ListClusters"}),
    REMEDIATION: frozenset({"ecs:UpdateService"}),
    OPSBOT: frozenset({"sts:AssumeRole"}),
}


def asked(policy: str, action: str, test: str = "tests/a.py::test_a") -> Asked:
    return Asked(policy=policy, action=action, test=test)


def test_what_is_allowed_is_nothing_to_speak_of() -> None:
    fine = [asked(ROLE, "ecs:ListClusters"), asked(OPSBOT, "sts:AssumeRole"), asked(ROLE, "sts:GetCallerIdentity")]
    assert list(held.outside(fine, ALLOW)) == []


def test_a_call_outside_names_itself_its_role_its_first_test_and_its_policy() -> None:
    (told,) = held.outside([asked(RUNBOOKS, "ecs:UpdateService")], ALLOW)
    assert told == (
        "ecs:UpdateService is not allowed to the role that reads in each account, for a runbook's step; "
        "first asked by tests/a.py::test_a; `opsbot iam-policy --for runbooks` should have it: "
        "add it to the action's `reads` in opsbot/actions (allowed only for remediation)"
    )


@pytest.mark.parametrize("gone", ["ecs:DescribeServices", "cloudwatch:GetMetricData", "tag:GetResources"])
def test_an_action_taken_out_of_a_policy_is_missed(gone: str) -> None:
    whole = held.everything()
    less = whole | {ROLE: whole[ROLE] - {gone}}
    assert list(held.outside([asked(ROLE, gone)], whole)) == []
    assert [line.partition(" ")[0] for line in held.outside([asked(ROLE, gone)], less)] == [gone]


def test_what_nobody_asked_for_needs_a_reason_and_a_reason_needs_somebody_who_does_not_ask() -> None:
    calls = [asked(ROLE, "ecs:ListClusters"), asked(OPSBOT, "sts:AssumeRole")]
    reasons = {(REMEDIATION, "ecs:UpdateService"): "x", (OPSBOT, "sts:AssumeRole"): "x", (ROLE, "ecs:Gone"): "x"}
    told = list(held.unasked(calls, ALLOW, reasons))
    assert [line.partition(", ")[0] for line in told] == [
        "ecs:ListClusters is allowed to the role that reads in each account",
        "sts:AssumeRole is asked for by a test: take its reason out of UNASKED",
        "ecs:Gone is not allowed any more: take its reason out of UNASKED",
    ]


def test_the_first_of_all_processes_is_the_one_that_is_named(tmp_path: Path) -> None:
    for process, test, at in ((1, "late", 9.5), (2, "early", 3.0)):
        line = {"policy": ROLE, "call": "elastic-load-balancing-v2:DescribeTargetHealth", "test": test, "at": at}
        (tmp_path / f"{process}.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    (one,) = held.kept(tmp_path)
    assert (one.action, one.test) == ("elasticloadbalancing:DescribeTargetHealth", "early")


def test_a_child_that_cannot_be_heard_is_told(tmp_path: Path) -> None:
    bare = next(iter(held.BARE))
    (tmp_path / "7.unseen").write_text(f"tests/a.py::test_a\n{bare}::test_b\n\n", encoding="utf-8")
    assert [line.partition(" starts")[0] for line in held.unseen(tmp_path)] == ["a fixture", "tests/a.py::test_a"]


# As code of opsbot's that nobody has told the policy of.
NOVEL = """
import boto3, botocore.config, botocore.exceptions

def read(client, operation):
    try:
        getattr(client, operation)(QueueUrl="http://127.0.0.1:9/1/q")
    except botocore.exceptions.BotoCoreError:
        return

def client():
    once = botocore.config.Config(retries={"total_max_attempts": 1})
    return boto3.client("sqs", "eu-central-1", endpoint_url="http://127.0.0.1:9", config=once)
"""
SUITE = """
import subprocess, sys
from pathlib import Path

NOVEL = (Path(__file__).parent / "novel.txt").read_text()
product = {"__name__": "opsbot.aws.readers.novel"}
exec(NOVEL, product)

def test_asks_for_what_no_policy_has():
    product["read"](product["client"](), "purge_queue")

def test_has_a_child_that_does():
    code = f"product = {product['__name__']!r}; told = {{'__name__': product}}; exec({NOVEL!r}, told); "
    subprocess.run([sys.executable, "-c", code + "told['read'](told['client'](), 'delete_queue')"], check=True)

def test_has_a_child_that_cannot_be_heard():
    subprocess.run([sys.executable, "-c", "pass"], check=True, env={})

def test_asks_for_itself():
    own = {"__name__": "tests.own"}
    exec(NOVEL, own)
    own["read"](product["client"](), "get_queue_attributes")
"""
HOOKS = "pytest_configure, pytest_sessionfinish, pytest_terminal_summary, pytest_unconfigure"


@pytest.mark.parametrize("workers", [pytest.param((), id="alone"), pytest.param(("-n", "1"), id="with workers")])
def test_a_run_with_a_call_outside_fails_though_its_tests_pass(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text(f"from tests.recording.suite import {HOOKS}\n", encoding="utf-8")
    (tmp_path / "novel.txt").write_text(NOVEL, encoding="utf-8")
    (tmp_path / "test_novel.py").write_text(SUITE, encoding="utf-8")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith((FOLDER, "PYTHONPATH", "PYTEST_"))},
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers, "test_novel.py"]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True)
    told = [line for line in done.stdout.splitlines() if "test_novel.py::" in line]
    assert (done.returncode, "4 passed" in done.stdout, len(told)) == (1, True, 3), done.stdout + done.stderr
    assert told[0].startswith("test_novel.py::test_has_a_child_that_cannot_be_heard starts Python")
    for line, operation, test in zip(
        told[1:], ("DeleteQueue", "PurgeQueue"), ("has_a_child_that_does", "asks_for_what_no_policy_has"), strict=True
    ):
        assert line.startswith(
            f"sqs:{operation} is not allowed to the role that reads in each account; first asked by "
        )
        assert f"test_novel.py::test_{test}; `opsbot iam-policy --for role` should have it" in line
