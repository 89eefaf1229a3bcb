"""When the prober itself is the trouble: not at the first answer that came late, and not any more when it is over."""

from __future__ import annotations

import pytest

from opsbot.daemon.own import SEVERAL, WITHIN, Own
from opsbot.model.probe import ProbeState, Reason
from opsbot.model.uptime import Sample
from opsbot.prober.wire import Found, Said
from tests.daemon.parts import START

STALLED, RESOURCES = Reason.SELF_STALLED, Reason.SELF_RESOURCES


def said(*reasons: str, network: str = "") -> Said:
    found = [
        Found(sample=Sample(probe="api", at=START, state=ProbeState.UNSURE, reason=reason), why=f"because {reason}")
        for reason in reasons
    ]
    return Said(found=tuple(found), network=network)


@pytest.mark.parametrize(
    ("lines", "ill"),
    [
        pytest.param([(n, said()) for n in range(5)], [False] * 5, id="well"),
        pytest.param([(0, said(STALLED)), (1, said()), (2, said(STALLED))], [False] * 3, id="two are chance"),
        pytest.param([(0, said(STALLED)), (60, said(STALLED)), (119, said(STALLED))], [False, False, True], id="three"),
        pytest.param([(0, said(STALLED, STALLED, STALLED))], [True], id="three at once"),
        pytest.param([(n * WITHIN, said(STALLED)) for n in range(6)], [False] * 6, id="now and then"),
        pytest.param([(n, said(Reason.SELF_TARGET)) for n in range(5)], [False] * 5, id="one probe's own mistake"),
        pytest.param([(n, said(Reason.TCP_REFUSED)) for n in range(5)], [False] * 5, id="the target's"),
        pytest.param(
            [(0, said(*[RESOURCES] * SEVERAL)), (WITHIN, said()), (WITHIN + 1, said())], [True, True, False], id="over",
        ),
        pytest.param(
            [(0, said(*[STALLED] * SEVERAL)), (100, said(STALLED)), (WITHIN + 5, said()), (100 + WITHIN + 1, said())],
            [True, True, True, False],
            id="not over while it goes on slowly",
        ),
    ],
)  # fmt: skip
def test_overload(lines: list[tuple[float, Said]], ill: list[bool]) -> None:
    own = Own()
    assert [bool(own.hear(line, at)[0]) for at, line in lines] == ill


def test_the_network_is_believed_at_once_and_named_before_overload() -> None:
    own = Own()
    assert own.hear(said(STALLED, STALLED, STALLED), 0) == (STALLED, f"its machine is overloaded: because {STALLED}")
    assert own.hear(said(network="the prober's own network is down"), 1) == (
        Reason.SELF_NETWORK,
        "the prober's own network is down",
    )
    assert own.hear(said(), 2)[0] == STALLED
