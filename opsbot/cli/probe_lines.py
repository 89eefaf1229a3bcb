"""One probe as a person reads it, and as a script does: the phases as bars on one time line, and what to do next."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsbot.evaluate.advice import next_step
from opsbot.model.probe import Certificate, Hop, Phases, ProbeResult, ProbeState, Reason, Target
from opsbot.probes.evidence import safe
from opsbot.probes.judge import Line

Paint = Callable[[str, str], str]
_MARKS = {
    ProbeState.UP: ("✓", "32"), ProbeState.DEGRADED: ("!", "33"), ProbeState.DOWN: ("✗", "31"),
    ProbeState.UNSURE: ("?", "35"),
}  # fmt: skip
_NAMES = {
    "dns": "dns", "connect": "connect", "proxy": "proxy", "tls": "tls", "first_byte": "first byte",
    "transfer": "transfer",
}  # fmt: skip
# Which bar a reason's phase is about; of an answer that did not come in time, the one not reached yet.
_ABOUT = {
    "dns": ("dns",), "tcp": ("connect", "first_byte", "transfer"), "tls": ("tls",), "proxy": ("connect", "proxy"),
    "http": ("first_byte", "transfer"), "ws": ("first_byte", "transfer"),
}  # fmt: skip
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_EXCERPT = 5
_HOPS = 6
# From here on the prober's own share is worth a line: at its first TLS probe it reads the trusted roots, for one.
_OWN_SHARE, _OWN_SECONDS = 0.2, 0.005
_DIM, _BOLD = "2", "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A result with its expectations; `explain` shows what a probe that is up would leave out. `facts` are further
    names and values, such as a heartbeat's times; one that is `awaited` has not come yet and is not late."""

    result: ProbeResult
    title: str
    lines: tuple[Line, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    explain: bool = False
    awaited: bool = False


def plain(text: str, style: str) -> str:
    return text


def coloured(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if text else ""


def page(told: Told, *, width: int, paint: Paint) -> Iterator[str]:
    """The lines of one probe, none wider than `width`."""
    result = told.result
    mark, style = ("…", _DIM) if told.awaited else _MARKS[result.state]
    facts = [
        str(result.status) if result.status else "",
        result.protocol or "",
        result.rcode or "",
        _ms(result.seconds) if result.kind != "heartbeat" else "",
    ]
    head = f"{mark} {'awaited' if told.awaited else result.state:<8} {told.title}"
    tail = "  ".join(fact for fact in facts if fact)
    yield from _head(head, tail, width, style, paint)
    yield from _why(result, width, paint, style)
    bars = list(_bars(told, width, paint))
    yield from ["", *bars] if bars else []
    yield from _facts(told, width, paint)
    yield from _hops(result, width, paint)
    yield from _expectations(told.lines, width, paint)
    yield from _parts(result, width, paint)
    yield from _evidence(told, width, paint)


def _head(head: str, tail: str, width: int, style: str, paint: Paint) -> Iterator[str]:
    if len(head) + len(tail) + 2 <= width:
        yield paint(head, f"{_BOLD};{style}") + (f"  {tail}" if tail else "")
        return
    yield from (paint(row, f"{_BOLD};{style}") for row in _wrap(head, width, "", "  "))
    yield f"  {tail}"


def _why(result: ProbeResult, width: int, paint: Paint, style: str) -> Iterator[str]:
    if result.reason is None:
        return
    yield from _wrap(f"{result.reason}: {result.why}", width, "  ", "  ")
    yield from (
        paint(row, _DIM) for row in _wrap(f"next: {next_step(result.reason, result.status)}", width, "  ", "        ")
    )


def _bars(told: Told, width: int, paint: Paint) -> Iterator[str]:
    """Each phase where it began on one time line; the one that failed is as long as it took to fail."""
    result = told.result
    phases = {name: getattr(result.phases, name) for name in _NAMES}
    failed = _failed(result.reason, result.phases)
    if failed and phases[failed] is None:
        spent = sum(seconds for seconds in phases.values() if seconds is not None)
        phases[failed] = max(result.seconds - spent, 0.0)
    else:
        failed = ""
    whole = sum(seconds for seconds in phases.values() if seconds is not None)
    room = max(width - 27, 16)
    at = 0.0
    for name, seconds in phases.items():
        if seconds is None:
            continue
        bar = _bar(at / whole if whole else 0.0, seconds / whole if whole else 0.0, room)
        style = "31" if name == failed else "36"
        mark = paint(" ✗", "31") if name == failed else ""
        yield f"  {_NAMES[name]:<11} {paint(bar, style)} {_ms(seconds):>9}{mark}"
        at += seconds
    if (number := sum(_took(hop) > 0 for hop in result.hops)) > 1:
        yield paint(f"  the sum over {number} requests; each of them stands below", _DIM)
    if whole and (rest := result.seconds - whole) > max(_OWN_SHARE * result.seconds, _OWN_SECONDS):
        yield paint(f"  {_ms(rest)} more were in no phase: the prober's own work", _DIM)
    if missing := [word for name, word in _NAMES.items() if phases[name] is None and _expected(told, name)]:
        yield paint(f"  {', '.join(missing)}: not reached", _DIM)


def _bar(start: float, share: float, room: int) -> str:
    """A bar on a line of `room` cells; whatever took any time at all is at least an eighth wide."""
    begin = min(int(start * room), room - 1)
    eighths = min(max(round(share * room * 8), 1), (room - begin) * 8)
    full, rest = divmod(eighths, 8)
    bar = " " * begin + "█" * full + (_EIGHTHS[rest] if rest else "")
    return bar.ljust(room)


def _failed(reason: Reason | None, phases: Phases) -> str:
    names = _ABOUT.get(reason.phase, ()) if reason else ()
    return next((name for name in names if getattr(phases, name) is None), "")


def _expected(told: Told, name: str) -> bool:
    """Whether this kind of probe has this phase when all goes well, so that its absence says something."""
    result = told.result
    if result.state in (ProbeState.UP, ProbeState.DEGRADED) or result.kind not in ("http", "flow", "websocket"):
        return False
    secure = "https://" in told.title or "wss://" in told.title
    return name in ("connect", "first_byte", "transfer") or (secure and name == "tls")


def _facts(told: Told, width: int, paint: Paint) -> Iterator[str]:
    result = told.result
    facts = [*told.facts, *_network(result)]
    if result.secured and result.secured.path:
        facts += _certificates(result)
    if result.body_size is not None:
        cut = ", cut there" if result.truncated else ""
        facts.append(("body", f"{result.body_size:,} bytes{cut}"))
    facts += [("record" if not number else "", _record(record)) for number, record in enumerate(result.records[:20])]
    if told.explain:
        facts += _inner(result)
    if facts:
        yield ""
    for name, value in facts:
        rows = _wrap(value, width - 14, "", "")
        yield f"  {paint(f'{name:<11}', _DIM)} {rows[0]}"
        yield from (f"{'':14}{row}" for row in rows[1:])


def _network(result: ProbeResult) -> Iterator[tuple[str, str]]:
    if result.address:
        others = [address for address in result.addresses if address != result.address]
        more = f" (also {', '.join(others[:6])}{' …' if len(others) > 6 else ''})" if others else ""
        yield "address", f"{result.address}{more}"
    elif result.addresses:
        yield "addresses", ", ".join(result.addresses[:8])
    if result.secured and result.secured.version:
        trusted = "verified" if result.secured.verified else "not verified"
        yield "tls", ", ".join(filter(None, (result.secured.version, result.secured.cipher, trusted)))


def _certificates(result: ProbeResult) -> list[tuple[str, str]]:
    path = result.secured.path if result.secured else ()
    rows = [("certificate" if not depth else "", _certificate(one, depth, result.at)) for depth, one in enumerate(path)]
    if path and path[0].names:
        names = ", ".join(path[0].names[:6]) + (f" and {len(path[0].names) - 6} more" if len(path[0].names) > 6 else "")
        rows.insert(1, ("", f"for {names}"))
    return rows


def _certificate(one: Certificate, depth: int, now: datetime) -> str:
    left = (one.not_after - now).total_seconds() / 86400
    days = f"{_days(left)} left" if left >= 0 else f"expired {_days(-left)} ago"
    if one.not_before > now:
        days = f"valid from {one.not_before:%Y-%m-%d}"
    branch = f"{'  ' * (depth - 1)}└ " if depth else ""
    return f"{branch}{_safe(one.subject)}: {days} ({one.not_after:%Y-%m-%d}), {one.key}"


def _days(number: float) -> str:
    told = f"{number:,.0f}"
    return f"{told} day{'' if told == '1' else 's'}"


def _record(record: Any) -> str:
    return f"{record.type} {_safe(record.value)} (ttl {record.ttl})"


def _inner(result: ProbeResult) -> Iterator[tuple[str, str]]:
    yield "measured", "by the kernel's receive stamps" if result.kernel_stamps else "by the prober's own clock"
    if result.rtt is not None:
        yield "round trip", f"{_ms(result.rtt)}, {result.retransmits or 0} segments sent again"
    yield "prober", f"waited {_ms(result.queued)} for its turn; its own lag was {_ms(result.lag)}"


def _hops(result: ProbeResult, width: int, paint: Paint) -> Iterator[str]:
    """Every request of a chain or a flow with its own phases; of a long chain the first ones and the last."""
    if len(result.hops) < 2 and not any(hop.step for hop in result.hops):
        return
    yield ""
    yield paint("  step by step" if any(hop.step for hop in result.hops) else "  redirects", _BOLD)
    left_out = len(result.hops) - _HOPS if not result.hops[0].step else 0
    for place, hop in enumerate(result.hops):
        if place == _HOPS - 2 and left_out > 0:
            yield paint(f"{'':18}… {left_out} more", _DIM)
        if _HOPS - 2 <= place < _HOPS - 2 + left_out:
            continue
        step = f"{hop.step}: " if hop.step else ""
        rows = _wrap(f"{step}{safe(hop.url)}", width - 20, "", "")
        yield f"  {hop.status or '-':>4} {_ms(_took(hop)):>9}  {rows[0]}"
        yield from (f"{'':18}{row}" for row in rows[1:])
        yield from (paint(f"{'':18}{row}", _DIM) for row in _phases_of(hop, width - 20))


def _phases_of(hop: Hop, width: int) -> Iterator[str]:
    """`dns 0.3 ms, connect <0.1 ms`; a name and its number stay together."""
    row = ""
    for name, word in _NAMES.items():
        if seconds := getattr(hop.phases, name):
            told = f"{word} {_ms(seconds)}"
            if row and len(row) + len(told) + 2 > width:
                yield f"{row},"
                row = ""
            row = f"{row}, {told}" if row else told
    if row:
        yield row


def _took(hop: Hop) -> float:
    return math.fsum(seconds for name in _NAMES if (seconds := getattr(hop.phases, name)) is not None)


def _expectations(lines: tuple[Line, ...], width: int, paint: Paint) -> Iterator[str]:
    if not lines:
        return
    yield ""
    yield paint("  expected", _BOLD)
    for line in lines:
        mark, style = ("✓", "32") if line.met else ("·", _DIM) if line.met is None else ("✗", "31")
        if line.met is False and line.degrading:
            mark, style = "!", "33"
        ending = "  (nothing came to hold it against)" if line.met is None else ""
        rows = _wrap(line.shown + ending, width - 4, "", "    ")
        yield f"  {paint(mark, style)} {rows[0]}"
        yield from (f"  {row}" for row in rows[1:])


def _parts(result: ProbeResult, width: int, paint: Paint) -> Iterator[str]:
    if not result.parts:
        return
    yield ""
    yield paint("  each address", _BOLD)
    for part in result.parts:
        mark, style = _MARKS[part.state]
        rows = _wrap(f"{part.address or '-'}  {_ms(part.seconds)}  {part.why}".rstrip(), width - 4, "", "    ")
        yield f"  {paint(mark, style)} {rows[0]}"
        yield from (f"  {row}" for row in rows[1:])


def _evidence(told: Told, width: int, paint: Paint) -> Iterator[str]:
    result = told.result
    if told.explain and result.headers:
        yield ""
        yield paint("  headers", _BOLD)
        for name, value in result.headers:
            yield from _wrap(f"{name}: {value}", width, "  ", "    ")
    if result.excerpt:
        yield ""
        yield paint("  the answer began", _BOLD)
        rows = _wrap(" ".join(result.excerpt.split()), width, "  │ ", "  │ ")
        yield from rows if told.explain or len(rows) <= _EXCERPT else [*rows[:_EXCERPT], paint("  │ …", _DIM)]


def summary(told: Sequence[Told], *, width: int, paint: Paint) -> Iterator[str]:
    """Under several probes: how many are how, and which of them are not up."""
    groups = {state: [one for one in told if one.result.state is state and not one.awaited] for state in _MARKS}
    waiting = [one for one in told if one.awaited]
    counts = [f"{len(found)} {state}" for state, found in groups.items() if found]
    counts += [f"{len(waiting)} awaited"] if waiting else []
    yield paint(f"{len(told)} probes: {', '.join(counts)}", _BOLD)
    for state, found in groups.items():
        if state is not ProbeState.UP and found:
            mark, style = _MARKS[state]
            names = ", ".join(_safe(one.result.target) for one in found)
            yield from (paint(row, style) for row in _wrap(f"{mark} {state:<8} {names}", width, "  ", " " * 13))


def as_json(told: Told) -> dict[str, Any]:
    """For `--format json`: seconds, ISO 8601; absent phases are absent."""
    result = told.result
    found: dict[str, Any] = {
        "name": result.target, "kind": result.kind, "state": result.state.value,
        "reason": result.reason.value if result.reason else None, "why": result.why,
        "next": next_step(result.reason, result.status) if result.reason else None, "at": result.at.isoformat(),
        "seconds": result.seconds, "phases": _phases(result.phases), "status": result.status,
        "protocol": result.protocol, "address": result.address, "addresses": list(result.addresses),
        "rcode": result.rcode, "records": [_record(record) for record in result.records],
        "body_size": result.body_size, "truncated": result.truncated, "headers": [list(pair) for pair in result.headers],
        "excerpt": result.excerpt,
        "expected": [{"line": line.shown, "met": line.met, "degrading": line.degrading} for line in told.lines],
        "hops": [{"step": hop.step, "url": safe(hop.url), "address": hop.address, "status": hop.status,
                  "phases": _phases(hop.phases)} for hop in result.hops],
        "parts": [{"address": part.address, "state": part.state.value, "why": part.why} for part in result.parts],
        "kernel_stamps": result.kernel_stamps,
    }  # fmt: skip
    if result.secured:
        found["tls"] = {
            "version": result.secured.version, "cipher": result.secured.cipher, "verified": result.secured.verified,
            "path": [{"subject": one.subject, "issuer": one.issuer, "names": list(one.names), "serial": one.serial,
                      "not_before": one.not_before.isoformat(), "not_after": one.not_after.isoformat(),
                      "key": one.key, "fingerprint": one.fingerprint} for one in result.secured.path],
        }  # fmt: skip
    return found


def _phases(phases: Phases) -> dict[str, float]:
    return {name: seconds for name in _NAMES if (seconds := getattr(phases, name)) is not None}


def title_of(target: Target) -> str:
    """What is probed, without credentials: a URL, or host and port."""
    from opsbot.probes import urls

    spec: Any = target.spec
    match target.kind:
        case "http":
            return safe(str(urls.parse(spec.url)))
        case "websocket":
            return safe(str(urls.parse(spec.url, ("ws", "wss"))))
        case "dns":
            server = f" at {target.dns_servers[0]}" if target.dns_servers else ""
            return f"dns {spec.name} {spec.record}{server}"
        case "flow":
            return f"{len(spec.steps)} steps"
        case kind:
            return f"{kind} {spec.host}:{spec.port}"


def _ms(seconds: float) -> str:
    milli = seconds * 1000
    if milli >= 10_000:
        return f"{seconds:.1f} s"
    if 0 < milli < 0.05:
        return "<0.1 ms"
    return f"{milli:,.0f} ms" if milli >= 10 else f"{milli:.1f} ms"


def _safe(text: str) -> str:
    return "".join(mark if mark.isprintable() else "?" for mark in text)


def _wrap(text: str, width: int, first: str, then: str) -> list[str]:
    return textwrap.wrap(_safe(text), width, initial_indent=first, subsequent_indent=then, break_on_hyphens=False) or [
        first
    ]
