"""The quick checks and those with words never disagree."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opsbot.evaluate import expect
from opsbot.model.probe import Answer, ProbeResult, ProbeState
from opsbot.probes.quick import quick

AT = datetime(2026, 11, 21, tzinfo=UTC)
LINES = (
    *("status == 200", "status != 200", "status < 400", "status >= 500", "status == 2xx", "status in [200, 204]"),
    *("latency < 500ms", "latency <= 500ms", "latency > 0.5s", "latency.tls < 1s"),
    *('body matches "^ok$"', 'body not matches "ok"', 'body matches "\\bgr.n\\b"', 'body contains "ok"'),
    *('body matches "^$"', 'body matches "(?i)OK"', "size < 10", "json.a == 1"),
)
STATUSES = (None, 200, 204, 404, 503)
SECONDS = (0.1, 0.5, 2.0)
BODIES = (b"", b"ok", b"not ok", b"OK\n", "grün grin".encode(), b"gr\xffn", b'{"a": 1}')


@pytest.mark.parametrize("line", LINES)
def test_both_agree(line: str) -> None:
    one = expect.parse(line)
    check = quick(one)
    verdicts = set()
    for status in STATUSES:
        for seconds in SECONDS:
            for body in BODIES:
                result = ProbeResult(
                    target="t", kind="http", state=ProbeState.UP, at=AT, seconds=seconds, status=status,
                    body_size=len(body),
                )  # fmt: skip
                answer = Answer(b"HTTP/1.1 200 OK", body)
                met = not expect.unmet((one,), result, answer, AT)
                assert check(result, answer) is met, (status, seconds, body)
                verdicts.add(met)
    assert verdicts == {True, False} or "tls" in line
