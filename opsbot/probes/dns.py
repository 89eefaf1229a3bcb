"""DNS probes: one question, its records, and the server's code for how it went."""

from __future__ import annotations

import time

from opsbot.model.probe import Answer, Dns, Reason
from opsbot.probes.dnswire import NXDOMAIN, TYPES, encode_name
from opsbot.probes.failure import Failure
from opsbot.probes.reach import Ways
from opsbot.probes.trace import Trace
from opsbot.probes.wait import Steps


def probe(trace: Trace, spec: Dns, ways: Ways) -> Steps[Answer]:
    """Raises Failure; the records and the rcode are in the trace either way."""
    type = TYPES.get(spec.record.upper())
    if type is None:
        raise Failure(Reason.SELF_TARGET, f"record: expected one of {', '.join(TYPES)}, got {spec.record!r}")
    try:
        encode_name(spec.name)
    except ValueError as error:
        raise Failure(Reason.SELF_TARGET, f"name: {error}") from error
    began = time.monotonic()
    try:
        replies = yield from ways.resolver.ask(trace, spec.name, (type,))
    finally:
        trace.dns = time.monotonic() - began
    reply = replies[type]
    trace.rcode, trace.records = reply.code, reply.records
    wanted = [record for record in reply.records if record.type == spec.record.upper()]
    if reply.rcode == NXDOMAIN:
        raise Failure(Reason.DNS_NXDOMAIN, f"{spec.name}: no such name")
    if not wanted:
        raise Failure(Reason.DNS_NODATA, f"{spec.name} has no {spec.record.upper()} record")
    return Answer(b"", "\n".join(record.value for record in wanted).encode())
