"""The log of a run: what is kept of it, what is hidden in it, and for how long."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsbot.executors.runlog import Masked, RunLog, lines, name, prune

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
LETTERS = b"abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        pytest.param(0, "", id="nothing"),
        pytest.param(8, "abcdefgh", id="as much as there is room"),
        pytest.param(9, "abcd\n[... 2 bytes cut here ...]\nghi", id="one more"),
        pytest.param(26, "abcd\n[... 18 bytes cut here ...]\nwxyz", id="much more"),
    ],
)
@pytest.mark.parametrize("at_once", [1, 5, 26])
def test_head_and_tail_are_kept_and_what_was_cut_is_counted(
    tmp_path: Path, printed: int, kept: str, at_once: int
) -> None:
    log = RunLog(tmp_path / "log", cap=8)
    for start in range(0, printed, at_once):
        log.write(LETTERS[start : min(start + at_once, printed)])
    log.close()
    assert (tmp_path / "log").read_text() == kept
    assert len(list(tmp_path.iterdir())) == 1


def test_a_log_can_be_read_while_it_grows(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log", cap=40)
    for n in range(5):
        log.write(f"line {n}\n".encode())
    assert list(lines(tmp_path / "log", 2)) == ["line 3", "line 4"]
    assert list(lines(tmp_path / "no such log")) == []


def test_a_full_disk_is_remembered_and_breaks_nothing() -> None:
    log = RunLog(Path("/dev/full"), cap=100)
    log.write(b"hello")
    log.close()
    assert log.error == "/dev/full: No space left on device"


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        pytest.param([b"AKIAIOSFODNN7EXAMPLE\n"], b"(hidden)\n", id="looks like one"),
        pytest.param([b"a horse bat", b"tery b\n"], b"a (hidden) b\n", id="in two pieces"),
        pytest.param([b"no newline: horse battery"], b"no newline: (hidden)", id="last line"),
        pytest.param([b"x" * 70_000 + b"horse ", b"battery" + b"y" * 70_000], b"x" * 70_000 + b"(hidden)" + b"y" * 70_000, id="endless line"),
        pytest.param([b"first line of it\nsecond line of it\n"], b"(hidden)\n", id="of several lines"),
        pytest.param([b"second line of it\n"], b"(hidden)\n", id="one of its lines"),
        pytest.param([b"abc stays\n"], b"abc stays\n", id="three letters are a word"),
        pytest.param([b"\xff\xfe horse battery\n"], b"\xff\xfe (hidden)\n", id="not text"),
    ],
)  # fmt: skip
def test_secrets_are_hidden_however_they_arrive(pieces: list[bytes], shown: bytes) -> None:
    masked = Masked()
    for value in ("horse battery", "first line of it\nsecond line of it", "abc", ""):
        masked.hide(value)
    assert b"".join([*map(masked.feed, pieces), masked.end()]) == shown


def test_logs_go_after_a_month_with_their_empty_folders(tmp_path: Path) -> None:
    for job, age in (("old", 31), ("both", 31), ("both", 29), ("new", 1)):
        path = tmp_path / name(job, f"RUN{age}", 1)
        path.parent.mkdir(exist_ok=True)
        path.write_text("said")
        moment = (NOW - timedelta(days=age)).timestamp()
        os.utime(path, (moment, moment))
    assert prune(tmp_path, NOW) == 2
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "both", "both/RUN29.1.log", "new", "new/RUN1.1.log",
    ]  # fmt: skip
    assert prune(tmp_path / "never made", NOW) == 0
