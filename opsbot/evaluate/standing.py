"""From single samples to where a probe stands: so many in a row change it, and one cause is told once.

The state follows the samples; what people are told follows the state, unless another probe, or the prober itself, is to
blame for it. A sample that is unsure says nothing of its target: it neither breaks a row of others nor adds to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbot.model.probe import ProbeState, Reason
from opsbot.model.uptime import Flip, Sample, Standing

PROBER = "opsbot/prober"
"""The name under which the prober's own network and load stand among the probes: its trouble is told once, as its own."""

HOLD = timedelta(minutes=5)
"""For so long a child's trouble waits to hear whether its parent is in trouble too."""
SETTLES = timedelta(seconds=60)
"""For so long a parent that is back is still blamed: nobody works again in the same second."""
_HOUR = timedelta(hours=1)
_RANK = {ProbeState.UP: 0, ProbeState.DEGRADED: 1, ProbeState.DOWN: 2}
_UNSURE = ProbeState.UNSURE
# Reasons that blame the machine or the process, and not what is wrong with a single probe.
_OF_PROBER = frozenset({Reason.SELF_STALLED, Reason.SELF_NETWORK, Reason.SELF_RESOURCES, Reason.SELF_STOPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How many samples in a row change a standing: to worse, and to better."""

    failures: int = 2
    recoveries: int = 2


def advance(
    standing: Standing | None, sample: Sample, rules: Rules, parent: Standing | None = None, why: str = ""
) -> tuple[Standing, Flip | None]:
    """Where a probe stands after one more sample, and the change if people may hear of one.

    `standing` None: never seen before; then it is up at once, but down only after as many samples as ever. `parent` is
    where the probe stands without which this one cannot work. A change for which another is to blame is a Flip that
    counts as told.
    """
    before = standing or Standing(probe=sample.probe, state=_UNSURE, since=sample.at, seen=sample.at)
    after = _counted(before, sample, rules, why)
    blamed = _blamed(after, parent)
    if blamed != after.blamed:
        after = replace(after, blamed=blamed)
    return _told(before, after, sample, parent)


def excused(sample: Sample, parent: Standing | None) -> bool:
    """Whether this sample is counted as nobody's: what it comes after is known to be down."""
    return sample.state in (ProbeState.DOWN, ProbeState.DEGRADED) and parent is not None and _is_down(parent)


def _counted(before: Standing, sample: Sample, rules: Rules, why: str) -> Standing:
    """The standing's state, after its thresholds."""
    state = sample.state
    if state is before.state:
        return replace(
            before, seen=sample.at, streak=0, streak_state=None, streak_since=None, reason=sample.reason, why=why
        )
    if state is _UNSURE and before.streak and before.streak_state is not _UNSURE:
        return replace(before, seen=sample.at)
    base = _sure(before)
    if before.state is _UNSURE and state is base:
        return _changed(before, sample, state, sample.at, why)
    side = _side(base, state)
    goes_on = before.streak_state is not None and _side(base, before.streak_state) == side
    streak = before.streak + 1 if goes_on else 1
    since = before.streak_since if goes_on and before.streak_since else sample.at
    mildest = _nearer(base, state, before.streak_state) if goes_on and before.streak_state else state
    if streak >= (rules.recoveries if side < 0 else rules.failures):
        return _changed(before, sample, mildest, since, why)
    return replace(before, seen=sample.at, streak=streak, streak_state=mildest, streak_since=since)


def _changed(before: Standing, sample: Sample, state: ProbeState, since: datetime, why: str) -> Standing:
    recent = tuple(at for at in before.changes if timedelta(0) <= sample.at - at < _HOUR)
    # From never seen to seen is no change.
    changes = recent if before.told is None and before.state is _UNSURE else (*recent, sample.at)
    return replace(
        before, state=state, since=since, seen=sample.at, streak=0, streak_state=None, streak_since=None,
        reason=sample.reason, why=why, changes=changes[-60:],
    )  # fmt: skip


def _told(before: Standing, after: Standing, sample: Sample, parent: Standing | None) -> tuple[Standing, Flip | None]:
    """What people hear of it: nothing they know already, nothing that is another's fault, nothing still in doubt."""
    known = after.told
    if after.state is known or (known is None and after.state in (ProbeState.UP, _UNSURE) and not _told_unsure(after)):
        return (after if after.state is known or after.state is _UNSURE else replace(after, told=after.state)), None
    flip = Flip(
        probe=after.probe, at=sample.at, before=known or _UNSURE, after=after.state, reason=after.reason, why=after.why
    )
    if after.blamed:
        changed = after.state is not before.state
        return after, replace(flip, before=before.state, told=True) if changed else None
    if _in_doubt(after, sample, parent):
        return after, None
    return replace(after, told=after.state), flip


def _told_unsure(standing: Standing) -> bool:
    """Whether a probe that was never sure of anything has been so for long enough to say so."""
    return standing.state is _UNSURE and not standing.streak and standing.since < standing.seen and not standing.blamed


def _blamed(standing: Standing, parent: Standing | None) -> str:
    if standing.probe == PROBER or standing.state is ProbeState.UP:
        return ""
    if standing.state is _UNSURE:
        return PROBER if standing.reason in _OF_PROBER else ""
    return parent.probe if parent is not None and _is_down(parent) else ""


def _in_doubt(standing: Standing, sample: Sample, parent: Standing | None) -> bool:
    """Whether this is over already, or the parent may turn out to be to blame: it begins to fail, has not been asked since
    this began, or has only just come back."""
    if standing.streak and standing.state is not ProbeState.UP:
        return True
    if parent is None or standing.state is ProbeState.UP or abs(sample.at - standing.since) >= HOLD:
        # Also if it is to begin only in an hour: a clock that was set back holds up nobody.
        return False
    failing = parent.streak > 0 and parent.streak_state is ProbeState.DOWN
    just_back = parent.since > standing.since and sample.at - parent.since < SETTLES
    return failing or just_back or parent.seen < standing.since


def _is_down(parent: Standing) -> bool:
    return parent.state is ProbeState.DOWN


def _sure(standing: Standing) -> ProbeState:
    """The state that the next sample is compared to: one of the target, not one of our doubts."""
    if standing.state is not _UNSURE:
        return standing.state
    return standing.told if standing.told in _RANK and standing.told is not None else ProbeState.UP


def _side(base: ProbeState, state: ProbeState) -> int:
    """-1 better than the base, 1 worse, 0 unsure."""
    if state is _UNSURE:
        return 0
    return -1 if _RANK[state] < _RANK[base] else 1


def _nearer(base: ProbeState, one: ProbeState, other: ProbeState) -> ProbeState:
    return min(one, other, key=lambda state: abs(_RANK.get(state, 0) - _RANK[base]))
