"""TLS probes: a handshake, for the certificate chain and nothing else."""

from __future__ import annotations

from opsbot.model.probe import Answer, Tls
from opsbot.probes import reach
from opsbot.probes.reach import Ways
from opsbot.probes.trace import Trace
from opsbot.probes.wait import Steps


def probe(trace: Trace, spec: Tls, ways: Ways) -> Steps[Answer]:
    """Raises Failure; what the server showed is in the trace either way."""
    plain = yield from reach.plain(trace, ways, spec.host, spec.port)
    sealed = yield from reach.secure(trace, ways, plain, spec.host, spec.port, spec.trust)
    sealed.close()
    trace.protocol = trace.secured.version if trace.secured else None
    return Answer()
