"""F33: the places a container or a cron job starts a program in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BARE = {"PATH": os.environ["PATH"]}
COMMAND = [sys.executable, "-m", "opsbot"]


@pytest.mark.parametrize(
    "surroundings",
    [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}, {"HOME": "/nonexistent"}, {"TZ": "Nowhere/Atlantis"}],
    ids=["LC_ALL=C", "no UTF-8", "no home folder", "an unknown TZ"],
)
def test_f33_it_works_in_bare_surroundings(surroundings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('timezone = "Europe/Berlin"\n', encoding="utf-8")
    for words in (["checks"], ["runbook", "show", "system-down"]):
        done = subprocess.run(
            [*COMMAND, "--home", str(tmp_path), *words], env=BARE | surroundings, capture_output=True, timeout=60
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr.decode()
        assert done.stdout


def test_f33_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    """`opsbot checks | head -1`"""
    (tmp_path / "config.toml").touch()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "--home", str(tmp_path), "checks"], env=BARE, stdout=writer, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writer)
    assert b"Traceback" not in done.stderr, done.stderr.decode()


def test_f33_no_stdout_at_all(tmp_path: Path) -> None:
    """As a daemon manager may start it."""
    (tmp_path / "config.toml").touch()
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "--home", str(tmp_path), "jobs"],
        env=BARE,
        capture_output=True,
        timeout=60,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
