"""Every mistake a person makes has its exact message; every file in `ok/` has none."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from opsbot.config import LARGEST, load
from opsbot.model.check import Missing
from opsbot.model.environment import Environment

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BAD = sorted((HERE / "bad").glob("*.toml"))
OK = [*sorted((HERE / "ok").glob("*.toml")), ROOT / "config.toml"]
_SECRETS = ("xoxb-", "hunter2", "correct horse", "AKIA", "ghp_", "PRIVATE KEY", "B000", "4711", "$SMTP")


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(BAD) >= 100
    assert all(file.with_suffix(".err").is_file() for file in BAD)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_mistake_has_its_message(file: Path) -> None:
    config, problems = load(file)
    assert config is None
    assert [str(problem) for problem in problems] == file.with_suffix(".err").read_text().splitlines()


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_no_message_repeats_a_secret(file: Path) -> None:
    told = "\n".join(map(str, load(file)[1]))
    assert [secret for secret in _SECRETS if secret in told] == []


@pytest.mark.parametrize("file", OK, ids=lambda file: file.stem)
def test_a_right_file_has_no_problem(file: Path) -> None:
    config, problems = load(file)
    assert problems == []
    assert config is not None


def test_a_full_file_is_read_as_it_was_meant() -> None:
    config, _ = load(HERE / "ok" / "full.toml")
    assert config is not None
    assert config.timezone == "Europe/Berlin"
    assert config.defaults.window == timedelta(hours=24)
    assert config.defaults.missing is Missing.UNKNOWN
    assert (config.defaults.coverage_min, config.defaults.max_usd_per_run, config.defaults.threads) == (90.0, 2.5, 8)
    assert config.environments[0] == Environment(
        name="shop-prod",
        tenant="shop",
        tier="production",
        regions=("eu-central-1", "us-east-1", "eu-central-3"),
        account_id="123456789012",
        role_arn="arn:aws:iam::123456789012:role/ops/opsbot",
        external_id="env:SHOP_EXTERNAL_ID",
        labels=(("cost-centre", "4711"), ("team", "web")),
    )
    assert config.checks[0]["overrides"] == {"shop-*": {"critical": "> 97 % for 5m"}}
    assert config.job("daily_health").channels == ("ops-slack", "ops-mail")
    assert config.channels["ops-mail"]["port"] == 587
    assert config.store_url == "sqlite:////var/lib/opsbot/opsbot.db"
    assert config.url_base == "https://ops.example.org/reports"


def test_an_empty_file_has_the_defaults() -> None:
    config, _ = load(HERE / "ok" / "empty.toml")
    assert config is not None
    assert (config.timezone, config.environments, config.store_url) == ("UTC", (), "sqlite:///var/opsbot.db")
    assert (config.defaults.coverage_min, config.defaults.max_usd_per_run) == (80.0, 5.0)
    assert config.job("daily_health").schedule is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b'timezone = "UTC"\nx = "\xff"\n', "config.toml:2:6: expected UTF-8 text", id="not text"),
        pytest.param("timezone = 'UTC'".encode("utf-16"), "config.toml:1:1: expected UTF-8 text", id="saved as UTF-16"),
        pytest.param(b"# " * LARGEST, "config.toml: expected at most 1,048,576 bytes", id="far too long"),
        pytest.param(b"a = " + b"[" * 5000, "config.toml:1: tables or lists stand more than 32 deep", id="brackets"),
        pytest.param(b"\x00", "config.toml:1:1: expected a key such as", id="a zero byte"),
    ],
)
def test_bytes_that_are_no_toml(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    config, problems = load(file)
    assert config is None
    assert len(problems) == 1
    assert str(problems[0]).startswith(told)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    _, problems = load(tmp_path / "config.toml")
    assert [str(problem) for problem in problems] == [
        f"config.toml: cannot be read from {tmp_path}: no such file or directory"
    ]


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    _, problems = load(tmp_path / "config.toml")
    assert [str(problem) for problem in problems] == [f"config.toml: cannot be read from {tmp_path}: is a directory"]
