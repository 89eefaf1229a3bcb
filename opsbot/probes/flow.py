"""Flows: HTTP requests one after another, where a later one says what an earlier one was told: a login, then what is behind it.

What was extracted is treated as a secret: it stands in no URL, reason or excerpt that leaves the prober.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from urllib.parse import quote, quote_plus

from opsbot.evaluate import expect
from opsbot.model.probe import Answer, Flow, Http, ProbeState, Reason, Secured, Step
from opsbot.probes import evidence, http
from opsbot.probes.failure import Failure
from opsbot.probes.reach import Ways
from opsbot.probes.trace import Trace, total
from opsbot.probes.wait import Steps

HOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SHORTEST_HIDDEN = 4
_LONGEST_VALUE = 8192


def probe(trace: Trace, spec: Flow, ways: Ways) -> Steps[Answer]:
    """Raises Failure that names the step; the certificate that expires first is the flow's."""
    found: dict[str, str] = {}
    shown: Secured | None = None
    if any(step.http.http2 for step in spec.steps):
        http.load(trace)
    for number, step in enumerate(spec.steps, 1):
        trace.step, trace.secured = step.name, None
        before = len(trace.hops)
        try:
            yield from _step(trace, step, found, ways)
        except Failure as failure:
            why = f'step {number} of {len(spec.steps)}, "{step.name}": {_hidden(failure.why, found)}'
            raise Failure(failure.reason, why) from failure
        finally:
            _hide(trace, step, before, found)
            shown = _sooner(shown, trace.secured)
            trace.secured = trace.secured or shown
    trace.secured = shown
    return trace.answer


def _step(trace: Trace, step: Step, found: dict[str, str], ways: Ways) -> Steps[None]:
    began, before = monotonic(), len(trace.hops)
    spec = filled(step.http, found)
    # A request that holds what was extracted is good for this once only.
    request = http.prepared(spec) if spec is step.http else http.first_request(spec)
    for _ in range(http.MOST_REDIRECTS + 1):
        if trace.hops:
            trace.begin_hop()
        try:
            answer, location = yield from http.exchange(trace, spec, request, ways)
        finally:
            trace.end_hop(request.url)
        if location is None:
            break
        request = http.redirected(request, spec, trace.status or 0, location)
    else:
        raise Failure(
            Reason.HTTP_REDIRECTS, f"more than {http.MOST_REDIRECTS} redirects; the last led to {request.url}"
        )
    _judge(trace, step, answer, monotonic() - began, before)
    for name, place in step.extract:
        found[name] = _extracted(place, answer)


def _judge(trace: Trace, step: Step, answer: Answer, seconds: float, before: int) -> None:
    """Raises Failure with everything about this step's answer that is not as expected."""
    wanted = expectations(step.expect)
    if (trace.status or 0) >= 400 and not any(one.subject == "status" for one in wanted):
        raise Failure(Reason.HTTP_STATUS, f"the server answered {trace.status}")
    hops = trace.hops[before:]
    result = replace(trace.result(ProbeState.UP), seconds=seconds, hops=hops, phases=total(hops))
    unmet = expect.unmet(wanted, result, answer, trace.at)
    if unmet:
        own = evidence.own_secrets(trace.target)
        raise Failure(unmet[0].expectation.reason, "; ".join(evidence.line(met, own) for met in unmet))


@lru_cache(maxsize=4096)
def expectations(lines: tuple[str, ...]) -> tuple[expect.Expectation, ...]:
    """The lines parsed, once. Raises ValueError."""
    return tuple(map(expect.parse, lines))


def _extracted(place: str, answer: Answer) -> str:
    kind, _, name = place.partition(".")
    value: str | expect.Absent | None
    match kind:
        case "header":
            value = answer.header(name.lower())
        case "cookie":
            value = _cookie(name, answer)
        case _:
            value = expect.extract(expect.parse_path(place), answer)
    if value is None or isinstance(value, expect.Absent):
        why = value.why if isinstance(value, expect.Absent) else "absent"
        raise Failure(Reason.ASSERT_EXTRACT, f"{place} cannot be extracted: {why}")
    if len(value) > _LONGEST_VALUE:
        raise Failure(Reason.ASSERT_EXTRACT, f"{place} is {len(value):,} characters long; at most {_LONGEST_VALUE:,}")
    return value


def _cookie(name: str, answer: Answer) -> str | None:
    for key, value in answer.headers:
        if key == "set-cookie" and value.partition("=")[0].strip() == name:
            try:
                return SimpleCookie(value)[name].value
            except (CookieError, KeyError):
                return value.partition("=")[2].partition(";")[0].strip()
    return None


def filled(spec: Http, found: Mapping[str, str]) -> Http:
    """The request with what was extracted in its holes, written so that no value can become another part of it."""
    holes = set(HOLE.findall(spec.url)) | {hole for _, text in spec.headers for hole in HOLE.findall(text)}
    holes |= set(HOLE.findall(spec.body.decode("latin-1"))) | set(HOLE.findall(spec.bearer))
    if not holes & found.keys():
        return spec
    return replace(
        spec,
        url=_fill(spec.url, {name: quote(value, safe="") for name, value in found.items()}),
        headers=tuple((name, _fill(text, found)) for name, text in spec.headers),
        body=_body(spec, found),
        bearer=_fill(spec.bearer, found),
    )


def _body(spec: Http, found: Mapping[str, str]) -> bytes:
    kind = next((value.lower() for name, value in spec.headers if name.lower() == "content-type"), "")
    text = spec.body.decode("utf-8", "surrogateescape")
    if "json" in kind or (not kind and text.lstrip()[:1] in ("{", "[")):
        found = {name: json.dumps(value)[1:-1] for name, value in found.items()}
    elif "form-urlencoded" in kind:
        found = {name: quote_plus(value) for name, value in found.items()}
    return _fill(text, found).encode("utf-8", "surrogateescape")


def _fill(text: str, found: Mapping[str, str]) -> str:
    return HOLE.sub(lambda hole: found.get(hole[1], hole[0]), text) if "{" in text else text


def _hide(trace: Trace, step: Step, before: int, found: Mapping[str, str]) -> None:
    """Take what was extracted out of everything this step leaves behind."""
    if not found:
        return
    hops = [replace(hop, url=_hidden(hop.url, found)) for hop in trace.hops[before:]]
    if hops and HOLE.search(step.http.url):
        hops[0] = replace(hops[0], url=step.http.url)
    trace.hops = (*trace.hops[:before], *hops)
    trace.answer = replace(trace.answer, hidden=_forms(found))


def _hidden(text: str, found: Mapping[str, str]) -> str:
    for form in _forms(found):
        text = text.replace(form, evidence.HIDDEN)
    return text


def _forms(found: Mapping[str, str]) -> tuple[str, ...]:
    """The values as they may come back, the longest first; a value of three characters would hide half of any text."""
    values = [value for value in found.values() if len(value) >= _SHORTEST_HIDDEN]
    forms = {form for value in values for form in (value, quote(value, safe=""), quote(value))}
    # In JSON, and in JSON that is quoted in JSON by a server that echoes what it was sent.
    once = {json.dumps(value)[1:-1] for value in values}
    forms |= once | {json.dumps(form)[1:-1] for form in once}
    return tuple(sorted(forms, key=len, reverse=True))


def _sooner(one: Secured | None, other: Secured | None) -> Secured | None:
    if one is None or other is None or one.not_after is None or other.not_after is None:
        return one or other
    return min(one, other, key=lambda secured: secured.not_after.timestamp() if secured.not_after else 0.0)
