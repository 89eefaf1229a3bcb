"""Heartbeats: jobs that must report by themselves. Their addresses, and whether one is late.

An address is the probe's name and a signature made with a key that the store keeps: nobody can guess it, the
configuration holds no secret, and whoever takes a call needs no list.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from opsbot.model.heartbeat import Beat, Pulse
from opsbot.model.period import show_duration
from opsbot.model.probe import ProbeResult, ProbeState, Reason
from opsbot.probes import evidence
from opsbot.probing import Probe
from opsbot.schedule import next_fire
from opsbot.secrets import redact

LARGEST_BODY = 10_000
_ADDRESS = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,199})\.(?P<mac>[0-9a-f]{32})")
_EXIT = re.compile(r"[0-9]{1,3}")
# Clocks differ: a call this much before its time is the one that was awaited.
_EARLY = timedelta(seconds=60)


def address(key: bytes, name: str) -> str:
    """The part of a heartbeat's URL behind `/ping/`."""
    return f"{name}.{_mac(key, name)}"


def whose(key: bytes, given: str) -> str | None:
    """The probe that an address belongs to; None if it is none of ours."""
    match = _ADDRESS.fullmatch(given)
    return match["name"] if match and hmac.compare_digest(_mac(key, match["name"]), match["mac"]) else None


def read(word: str) -> tuple[Beat, int | None] | None:
    """What stands behind an address: "" or a 0 is a success, `start`, `fail`, or a job's exit code; None for anything else."""
    if word in ("", "0"):
        return Beat.OK, 0 if word else None
    if word in (Beat.START, Beat.FAIL):
        return Beat(word), None
    return (Beat.FAIL, int(word)) if _EXIT.fullmatch(word) and int(word) < 256 else None


def said(body: bytes) -> str:
    """What a job sent along, fit to be kept."""
    return redact(evidence.excerpt(body[:LARGEST_BODY]))


def after(pulse: Pulse, beat: Beat, at: datetime, exit_code: int | None = None, text: str = "") -> Pulse:
    """What is known once a call has come."""
    if beat is Beat.START:
        return replace(pulse, started=at)
    took = (at - pulse.started).total_seconds() if pulse.started else None
    seconds = max(took, 0.0) if took is not None else None
    return replace(
        pulse, at=at, ok=beat is Beat.OK, exit_code=exit_code, started=None, seconds=seconds, said=text
    )  # fmt: skip


def look(probes: Iterable[Probe], pulses: Mapping[str, Pulse], now: datetime) -> tuple[ProbeResult, ...]:
    """What there is to say of each heartbeat now; probes of other kinds are left out."""
    return tuple(
        verdict(probe, pulses.get(probe.name) or Pulse(probe=probe.name, known=now), now)
        for probe in probes
        if probe.heartbeat
    )


def verdict(probe: Probe, pulse: Pulse, now: datetime) -> ProbeResult:
    """Up, or down because the job said so or because it has not said anything in time. Pure."""
    until = deadline(probe, pulse)
    if pulse.at and not pulse.ok:
        code = f" with exit code {pulse.exit_code}" if pulse.exit_code else ""
        return _result(
            probe, pulse, now, Reason.HEARTBEAT_FAILED, f"the job said that it failed{code}, {_ago(pulse.at, now)}"
        )
    if now <= until:
        return _result(probe, pulse, now, None, "")
    last = f"it last came {_ago(pulse.at, now)}" if pulse.at else "it has never come"
    begun = f"; it began {_ago(pulse.started, now)} and did not end" if pulse.started else ""
    late = show_duration(timedelta(seconds=max(int((now - until).total_seconds()), 1)))
    why = f"expected by {until.isoformat(timespec='seconds')}, now late by {late}; {last}{begun}"
    return _result(probe, pulse, now, Reason.HEARTBEAT_LATE, why)


def facts(probe: Probe, pulse: Pulse | None, now: datetime) -> Iterator[tuple[str, str]]:
    """Its times in words."""
    if pulse is None:
        yield "last came", "never; nobody has awaited it yet: that begins with opsbot serve"
        return
    end = f"{'well' if pulse.ok else 'failed'}, {_ago(pulse.at, now)}" if pulse.at else "never"
    took = f", after {show_duration(timedelta(seconds=round(pulse.seconds)))}" if pulse.at and pulse.seconds else ""
    yield "last came", f"{end}{took}"
    if pulse.started:
        yield "running", f"since {_ago(pulse.started, now).removesuffix(' ago')}"
    yield "due by", deadline(probe, pulse).isoformat(sep=" ", timespec="seconds")


def deadline(probe: Probe, pulse: Pulse) -> datetime:
    """By when it must have come: its next time and its grace; a run that began has its grace from its beginning."""
    beat = probe.heartbeat
    if beat is None:
        raise ValueError(f"{probe.name} is no heartbeat")
    due = _due(probe, pulse)
    zone = due.tzinfo
    if pulse.started:
        due = max(due, pulse.started)
    # Seconds are added in UTC: on a wall's clock an hour that comes twice would be over before it began again.
    return (due.astimezone(UTC) + timedelta(seconds=beat.grace)).astimezone(zone)


def _due(probe: Probe, pulse: Pulse) -> datetime:
    beat = probe.heartbeat
    last = pulse.at or pulse.known
    if beat is None or not beat.cron:
        return last + timedelta(seconds=probe.every)
    early = min(_EARLY, timedelta(seconds=beat.grace)) if pulse.at else timedelta(0)
    return next_fire(beat.cron, last + early, ZoneInfo(beat.zone))


def _result(probe: Probe, pulse: Pulse, now: datetime, reason: Reason | None, why: str) -> ProbeResult:
    return ProbeResult(
        target=probe.name,
        kind=probe.kind,
        state=ProbeState.DOWN if reason else ProbeState.UP,
        at=now,
        seconds=pulse.seconds or 0.0,
        reason=reason,
        why=why,
        excerpt=pulse.said if reason is Reason.HEARTBEAT_FAILED else "",
    )


def _ago(moment: datetime, now: datetime) -> str:
    return f"{show_duration(timedelta(seconds=max(int((now - moment).total_seconds()), 0)))} ago"


def _mac(key: bytes, name: str) -> str:
    return hmac.new(key, b"opsbot heartbeat\0" + name.encode(), hashlib.sha256).hexdigest()[:32]
