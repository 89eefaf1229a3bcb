"""What goes between the daemon and its prober: one JSON object a line, down the prober's stdin and up its stdout.

Down: the probes, secrets in their places, and which of them are to have a turn at once. Up, each second: a sign of life
and what was found since the last.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson

from opsbot import probing
from opsbot.model.probe import ProbeResult, ProbeState
from opsbot.model.uptime import Certified, Sample
from opsbot.probes.draft import draft
from opsbot.probing import Probe

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_STATES = tuple(ProbeState)
_PLACES = {state: place for place, state in enumerate(_STATES)}
PHASES = ("dns", "connect", "proxy", "tls", "first_byte", "transfer")
_LONGEST = 1000
_PIPE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One result as the daemon takes it: the sample, which slot of its probe it was asked for (None: besides them), the
    sentence, and what else is worth keeping. `evidence` is empty for a probe that is up."""

    sample: Sample
    slot: int | None = None
    why: str = ""
    evidence: tuple[tuple[str, str], ...] = ()
    certified: Certified | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One line of the prober. `late` is how many seconds the worst turn of the last second began after its time, `network`
    what is wrong with the prober's own network, `busy` how many probes are under way."""

    found: tuple[Found, ...]
    late: float = 0.0
    stalled: float = 0.0
    network: str = ""
    busy: int = 0


def widen(pipe: int) -> None:
    """Let a pipe hold a second's results of thousands of probes, where the system allows it."""
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
    except (OSError, AttributeError):
        return


def orders(probes: Iterable[Probe], soon: Iterable[str]) -> bytes:
    """A line for the prober. Holds secrets: for the pipe alone."""
    return orjson.dumps({"probes": [probing.plain(probe) for probe in probes], "soon": list(soon)}) + b"\n"


def read_orders(line: bytes) -> tuple[tuple[Probe, ...], tuple[str, ...]]:
    """The inverse of `orders`. Raises ValueError for anything else."""
    try:
        told = orjson.loads(line)
        return probing.read(told["probes"]), tuple(told["soon"])
    except (TypeError, KeyError) as error:
        raise ValueError(f"no orders: {error}") from error


def found(result: ProbeResult, slot: int | None, shown: str = "") -> list[Any]:
    """A result on its way up. `shown` is the `fingerprint` of what was told last: the same path is not told again."""
    phases = result.phases
    up = result.state is ProbeState.UP
    row: list[Any] = [
        result.target,
        slot,
        (result.at - _EPOCH) // _MICROSECOND,
        _PLACES[result.state],
        result.seconds,
        result.reason or "",
        (phases.dns, phases.connect, phases.proxy, phases.tls, phases.first_byte, phases.transfer),
    ]
    certificate = _certificate(result, shown) if result.secured is not None else None
    if not up or certificate:
        row += [result.why[:_LONGEST], () if up else _evidence(result), certificate]
    return row


def fingerprint(result: ProbeResult) -> str:
    """Of all certificates shown, "" if none was: one above the leaf may be renewed alone, and have other dates."""
    return "/".join([one.fingerprint[:32] for one in result.secured.path]) if result.secured else ""


def said(rows: Iterable[Any], late: float, stalled: float, network: str, busy: int) -> bytes:
    """A line for the daemon."""
    return orjson.dumps([late, stalled, network, busy, list(rows)]) + b"\n"


def read(line: bytes) -> Said:
    """The inverse of `said`. Raises ValueError for anything else."""
    try:
        late, stalled, network, busy, rows = orjson.loads(line)
        return Said(found=tuple(map(_read, rows)), late=late, stalled=stalled, network=network, busy=busy)
    except (TypeError, IndexError, KeyError) as error:
        raise ValueError(f"no line of the prober: {error}") from error


_SampleDraft, _FoundDraft = draft(Sample), draft(Found)


def _read(row: list[Any]) -> Found:
    sample = _SampleDraft()
    sample.probe, slot, at, state, sample.seconds, sample.reason, phases, *rest = row
    sample.at = _EPOCH + timedelta(microseconds=at)
    sample.state = _STATES[state]
    sample.phases = tuple([one for one in zip(PHASES, phases, strict=True) if one[1] is not None])
    sample.excused = False
    sample.__class__ = Sample
    found = _FoundDraft()
    found.sample, found.slot = sample, slot
    found.why, found.evidence, found.certified = "", (), None
    if rest:
        found.why, evidence, certificate = rest
        found.evidence = tuple((name, value) for name, value in evidence)
        found.certified = certificate and _read_certificate(sample.probe, sample.at, certificate)
    found.__class__ = Found
    return cast("Found", found)


def _evidence(result: ProbeResult) -> list[tuple[str, str]]:
    """What helps a person on: already redacted by the engine, and short."""
    facts: list[tuple[str, object]] = [
        ("status", result.status),
        ("address", result.address),
        ("protocol", result.protocol),
        ("retransmits", result.retransmits or None),
        ("excerpt", result.excerpt[:_LONGEST] or None),
        ("rcode", result.rcode),
    ]
    facts += [(f"step {hop.step}", hop.status) for hop in result.hops if hop.step]
    facts += [("redirect", hop.url) for hop in result.hops[1:] if not hop.step][:5]
    return [(name, str(value)) for name, value in facts if value is not None]


def _certificate(result: ProbeResult, shown: str) -> list[Any] | None:
    secured = result.secured
    if secured is None or not secured.path or secured.not_after is None or fingerprint(result) == shown:
        return None
    leaf = secured.path[0]
    path = [one.subject for one in secured.path]
    return [secured.not_after, leaf.subject, leaf.issuer, leaf.fingerprint, path, secured.verified]


def _read_certificate(probe: str, at: datetime, told: list[Any]) -> Certified:
    not_after, subject, issuer, mark, path, verified = told
    return Certified(
        probe=probe,
        at=at,
        not_after=datetime.fromisoformat(not_after),
        subject=subject,
        issuer=issuer,
        fingerprint=mark,
        path=tuple(path),
        verified=verified,
    )
