"""A report's verdict is its worst item's, and a blind spot is never OK."""

from __future__ import annotations

import pytest

from opsbot.model.status import Status, verdict_of, worst


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        pytest.param([], "ok", id="nothing found"),
        pytest.param([Status.OK, Status.INFO], "ok", id="news is no trouble"),
        pytest.param([Status.OK, Status.UNKNOWN], "no-data", id="blindness is not health"),
        pytest.param([Status.UNKNOWN, Status.WARNING], "attention", id="a known trouble is named before a blind spot"),
        pytest.param([Status.WARNING, Status.CRITICAL, Status.UNKNOWN], "action", id="somebody must act"),
    ],
)
def test_verdict(statuses: list[Status], verdict: str) -> None:
    assert verdict_of(statuses) == verdict


def test_for_one_resource_blindness_outranks_a_warning() -> None:
    assert worst([Status.WARNING, Status.UNKNOWN]) is Status.UNKNOWN
