"""What people expect of an answer, made into the engine's judge: the final state, and everything that is not as it should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from opsbot.evaluate import expect
from opsbot.evaluate.expect import Expectation, Met
from opsbot.model.probe import Answer, Flow, ProbeResult, ProbeState, Reason
from opsbot.probes import evidence
from opsbot.probes.engine import Judge
from opsbot.probes.quick import quick
from opsbot.probing import Probe

LONGEST_WHY = 1000
# The engine's own opinion of a complete answer gives way to somebody who says what that answer must be.
_GIVES_WAY = {
    Reason.HTTP_STATUS: ("status",),
    Reason.DNS_NXDOMAIN: ("rcode", "records"),
    Reason.DNS_NODATA: ("rcode", "records"),
    Reason.DNS_REFUSED: ("rcode",),
    Reason.DNS_SERVFAIL: ("rcode",),
}
_RCODES = {Reason.DNS_NXDOMAIN: "NXDOMAIN", Reason.DNS_REFUSED: "REFUSED", Reason.DNS_SERVFAIL: "SERVFAIL"}


@dataclass(frozen=True, slots=True)
class Line:
    """An expectation held against an answer: `shown` is safe to keep and to print. `met` is None if there was no answer
    to hold it against. `degrading`: unmet it means slow or ugly, not down."""

    shown: str
    met: bool | None
    degrading: bool = False


def judging(probe: Probe, told: Callable[[tuple[Line, ...]], None] | None = None) -> Judge:
    """The judge of a probe, for `Engine.submit`. `told` gets every line with what was found, met or not.

    Raises ValueError if a line cannot be parsed, which `opsbot validate` tells first.
    """
    wanted = tuple(map(expect.parse, probe.expect))
    wished = tuple(map(expect.parse, probe.degraded))
    own = evidence.own_secrets(probe.target) if probe.target else ()
    checks = tuple(map(quick, (*wanted, *wished)))

    if not checks:
        return lambda result, _: result

    def judge(result: ProbeResult, answer: Answer) -> ProbeResult:
        if result.state is ProbeState.UP and told is None:
            # Nearly always: all is well, and nothing more needs to be made of it.
            for check in checks:
                if not check(result, answer):
                    break
            else:
                return result
        # A step of a flow that failed was judged by its own lines; those of the probe are about the last answer.
        whole = result.kind != Flow.kind
        excused = whole and result.reason is not None and _excused(result.reason, wanted)
        answered = whole and result.reason is Reason.HTTP_STATUS
        if result.state is ProbeState.DOWN and not excused and not answered:
            if told:
                told(_unasked(wanted, wished))
            return result
        if excused and result.rcode is None and result.reason in _RCODES:
            result = replace(result, rcode=_RCODES[result.reason])
        secrets = (*answer.hidden, *own)
        if told:
            musts = expect.check_all(wanted, result, answer, result.at)
            wishes = expect.check_all(wished, result, answer, result.at)
            told(_lines(musts, secrets, degrading=False) + _lines(wishes, secrets, degrading=True))
        missed = expect.unmet(wanted, result, answer, result.at)
        ugly = expect.unmet(wished, result, answer, result.at)
        return _final(result, excused, missed, ugly, secrets)

    return judge


def _final(
    result: ProbeResult, excused: bool, unmet: tuple[Met, ...], ugly: tuple[Met, ...], secrets: tuple[str, ...]
) -> ProbeResult:
    # With a status that nobody asked for and that is an error, the engine's reason stays the first.
    said = [result.why] if result.state is ProbeState.DOWN and not excused else []
    if said or unmet:
        reason = result.reason if said else unmet[0].expectation.reason
        return replace(result, state=ProbeState.DOWN, reason=reason, why=_why(said, [*unmet, *ugly], secrets))
    if ugly:
        why = _why([], ugly, secrets)
        return replace(result, state=ProbeState.DEGRADED, reason=ugly[0].expectation.reason, why=why)
    return replace(result, state=ProbeState.UP, reason=None, why="") if excused else result


def _excused(reason: Reason, wanted: tuple[Expectation, ...]) -> bool:
    subjects = _GIVES_WAY.get(reason, ())
    return any(one.subject in subjects for one in wanted)


def _why(said: list[str], unmet: Sequence[Met], secrets: tuple[str, ...]) -> str:
    why = "; ".join([*said, *(evidence.line(met, secrets) for met in unmet)])
    return why if len(why) <= LONGEST_WHY else f"{why[:LONGEST_WHY]}…"


def _lines(all_met: tuple[Met, ...], secrets: tuple[str, ...], *, degrading: bool) -> tuple[Line, ...]:
    return tuple(Line(evidence.line(met, secrets), met.met, degrading) for met in all_met)


def _unasked(wanted: tuple[Expectation, ...], wished: tuple[Expectation, ...]) -> tuple[Line, ...]:
    lines = tuple(Line(one.text, None) for one in wanted)
    return lines + tuple(Line(one.text, None, degrading=True) for one in wished)
