"""What the prober tells of certificates: each path once, and anew whenever anything of it changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opsbot.model.probe import Certificate, ProbeResult, ProbeState, Secured
from opsbot.prober import wire
from opsbot.probes.der import certificate
from tests.probes import pki
from tests.probes.pki import DAY, NOW, Made, make

AT = datetime(2026, 11, 21, tzinfo=UTC)


def facts(*chain: Made) -> tuple[Certificate, ...]:
    return tuple(certificate(one.der) for one in chain)


LEAF, ABOVE, ROOT = facts(pki.leaf(), pki.intermediate(), pki.root())
(REISSUED,) = facts(make("test intermediate", pki.root(), authority=True, ends=NOW + 5 * DAY))
(RENEWED,) = facts(make("localhost", pki.intermediate(), ends=NOW + 200 * DAY))


def shown(*path: Certificate, verified: bool = True) -> ProbeResult:
    secured = Secured(version="TLSv1.3", verified=verified, path=path)
    return ProbeResult(target="api", kind="tls", state=ProbeState.UP, at=AT, seconds=0.1, secured=secured)


@pytest.mark.parametrize(
    ("then", "told"),
    [
        pytest.param(shown(LEAF, ABOVE, ROOT), False, id="the same path is not told again"),
        pytest.param(shown(RENEWED, ABOVE, ROOT), True, id="a renewed certificate is"),
        pytest.param(shown(LEAF, REISSUED, ROOT), True, id="and one above it, which may end sooner"),
        pytest.param(shown(LEAF, verified=False), True, id="and a path that leads nowhere any more"),
        pytest.param(shown(), False, id="no certificate tells nothing"),
    ],
)
def test_a_path_is_told_once(then: ProbeResult, told: bool) -> None:
    first = shown(LEAF, ABOVE, ROOT)
    (one,) = wire.read(wire.said([wire.found(first, 1)], 0.0, 0.0, "", 0)).found
    assert one.certified is not None
    assert one.certified.not_after == first.secured.not_after  # type: ignore[union-attr]
    (next_one,) = wire.read(wire.said([wire.found(then, 2, wire.fingerprint(first))], 0.0, 0.0, "", 0)).found
    assert (next_one.certified is not None) is told
    if told:
        assert next_one.certified is not None
        assert next_one.certified.not_after == then.secured.not_after  # type: ignore[union-attr]
