"""Secrets are read at the last moment; no error carries one."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsbot.errors import ConfigError
from opsbot.secrets import HIDDEN, is_reference, looks_like_secret, redact, resolve


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("env:SLACK_BOT_TOKEN", True),
        ("file:/run/secrets/slack", True),
        ("file:secrets/slack", True),
        ("ssm:/ops/slack/token", True),
        ("secretsmanager:ops/slack", True),
        ("secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:ops-AbCdEf", True),
        ("env:", False),
        ("env:1A", False),
        ("env:A B", False),
        ("ENV:A", False),
        ("$A", False),
        ("", False),
        ("file:/a\nb", False),
        ("vault:x", False),
        ("env:xoxb-000000000000-abcd", False),
    ],
)
def test_what_is_a_reference(text: str, is_one: bool) -> None:
    assert is_reference(text) is is_one


@pytest.mark.parametrize(
    "text",
    [
        "xoxb-000000000000-abcd",
        "token is xapp-1-A000-000",
        "AKIA" + "Q" * 16,
        "ASIA" + "7" * 16,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ghp_" + "a" * 36,
        "https://hooks.slack.com/services/T0/B0/x",
        "postgresql://ops:pass@db/ops",
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2ln",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    assert looks_like_secret(text)
    assert HIDDEN in redact(text)
    assert not looks_like_secret(redact(text))


@pytest.mark.parametrize(
    "text",
    [
        "ops-slack",
        "arn:aws:iam::123456789012:role/opsbot",
        "https://slack.com/api/",
        "sqlite:///var/opsbot.db",
        "C0123456",
    ],
)
def test_what_does_not(text: str) -> None:
    assert not looks_like_secret(text)


def test_values_are_taken_out_longest_first() -> None:
    assert redact("abc abcd a", ["abc", "abcd", ""]) == f"{HIDDEN} {HIDDEN} a"


def test_reading(tmp_path: Path) -> None:
    (tmp_path / "slack").write_text("from-file\n")
    asked: list[str] = []

    def from_aws(reference: str) -> str:
        asked.append(reference)
        return "from-aws"

    assert resolve("env:TOKEN", environ={"TOKEN": "from-env"}) == "from-env"
    assert resolve(f"file:{tmp_path}/slack") == "from-file"
    assert resolve("ssm:/ops/token", ssm=from_aws) == "from-aws"
    assert resolve("secretsmanager:ops", ssm=from_aws) == "from-aws"
    assert asked == ["ssm:/ops/token", "secretsmanager:ops"]


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("env:ABSENT", "env:ABSENT: the environment variable ABSENT is not set"),
        ("env:BLANK", "env:BLANK: is empty"),
        ("file:/nowhere/at/all", "file:/nowhere/at/all: cannot be read: no such file or directory"),
        ("ssm:/ops", "ssm:/ops: cannot be read here: nothing that reads secrets from AWS is at hand"),
        ("hunter2", 'secret: expected a reference such as "env:NAME"'),
    ],
)
def test_what_cannot_be_read_is_named(reference: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(reference, environ={"BLANK": " "})
    assert caught.value.message.startswith(told)


@pytest.mark.parametrize("content", [b"\xff\xfesecret-bytes", b"secret-bytes" * 10_000], ids=["not text", "too large"])
def test_a_file_that_is_no_secret_is_not_quoted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        resolve(f"file:{tmp_path}/key")
    assert "secret-bytes" not in repr((caught.value, caught.value.__cause__))
    assert "expected a file that holds the secret alone" in caught.value.message
