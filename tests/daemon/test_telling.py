"""What the daemon says while it runs: sentences for a terminal, lines for CloudWatch Logs."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsbot.daemon.shipping import Shipping
from opsbot.daemon.words import Spoken
from opsbot.errors import OpsbotError
from tests.daemon.test_loops import until

AT = datetime(2026, 11, 20, 7, 0, 1, tzinfo=UTC).timestamp()


def record(event: str, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": event, "levelno": level, "levelname": logging.getLevelName(level), **fields})
    made.created = AT
    return made


@pytest.mark.parametrize(
    ("said", "line"),
    [
        pytest.param(record("run queued", job="costs", late_seconds=0.0), "costs               due", id="due"),
        pytest.param(
            record("run queued", job="costs", late_seconds=7384.0),
            "costs               made up for, 123 min 4 s late",
            id="made up for",
        ),
        pytest.param(record("run started", job="costs", attempt=1), "costs               started", id="started"),
        pytest.param(
            record("run started", job="costs", attempt=3), "costs               started, attempt 3", id="again"
        ),
        pytest.param(
            record("run ended", job="costs", headline="All is well", seconds=2.04, peak_mb=84),
            "costs               All is well (2.0 s, 84 MB)",
            id="ended with its headline",
        ),
        pytest.param(
            record("run ended", job="costs", state="failed", reason="exit code 1", seconds=1, peak_mb=9, again="soon"),
            "costs               failed: exit code 1 (1.0 s, 9 MB); again at soon",
            id="failed and tried again",
        ),
        pytest.param(
            record("loop failed", logging.WARNING, loop="beat", error="the disk is full"),
            "warning             loop failed loop=beat error=the disk is full",
            id="what has no sentence is said with its fields",
        ),
        pytest.param(record("stopped", exit_code=0), "opsbot              stopped", id="of the daemon itself"),
    ],
)
def test_a_line_at_a_terminal(said: logging.LogRecord, line: str) -> None:
    assert Spoken("Europe/Berlin").format(said) == f"08:00:01  {line}"


def shipping(script: str) -> Shipping:
    return Shipping([sys.executable, "-S", "-c", script], os.environ)


COPY = "import sys; open({path!r}, 'w').write(sys.stdin.read())"


def test_every_line_goes_to_the_copy_as_json_with_the_runs_id(tmp_path: Path) -> None:
    path = tmp_path / "shipped"
    copy = shipping(COPY.format(path=str(path)))
    copy.emit(record("too early"))
    copy.look()
    copy.emit(record("run started", job="costs", run="01ABC"))
    copy.emit(record("run ended", run="01ABC", reason="x" * 10_000))
    copy.close()
    until(path.exists)
    until(lambda: path.read_text().count("\n") == 2)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == {"timestamp": "2026-11-20T07:00:01Z", "level": "info", "event": "run started", "job": "costs",
                     "run": "01ABC", "lines_lost_before": 1}  # fmt: skip
    assert (second["event"], second["run"], "reason" in second) == ("run ended", "01ABC", False)


def test_a_copy_that_stands_still_or_dies_holds_nothing_up() -> None:
    copy = shipping("import time; time.sleep(60)")
    copy.look()
    for _ in range(100):
        copy.emit(record("a line", text="x" * 3000))
    assert copy._lost > 0
    copy._child.kill()  # type: ignore[union-attr]
    copy._child.wait()  # type: ignore[union-attr]
    copy.emit(record("a line"))
    with pytest.raises(OpsbotError, match="started again"):
        copy.look()
    copy._child.kill()  # type: ignore[union-attr]
    copy.close()
