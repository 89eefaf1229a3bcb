"""Environments worst first: from what every job last said of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from opsbot.model.finding import Finding
from opsbot.model.status import Status, Verdict
from opsbot.render.format import clean, clip, count
from opsbot.store.overview import Glance, Standing
from opsbot.web.words import Word, listed, of_verdict

# So many are told in a row of their own; of the others the name must do, as far as these bytes of names go.
TOLD = 40
NAMES = 20_000
# What a job has not looked at in its last week of runs is no longer known.
FORGOTTEN = timedelta(days=8)
_LONGEST_NAME, _LONGEST_TEXT = 60, 120


class Row(NamedTuple):
    """`text` says what is worst, `more` how much else there is."""

    word: Word
    name: str
    text: str
    more: str
    run_id: str


class Group(NamedTuple):
    """Those of one verdict that have no row of their own; `rest` counts what is not even named."""

    word: Word
    names: tuple[str, ...]
    rest: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """`verdicts` counts environments by verdict; `known` is False if nobody ever looked."""

    rows: tuple[Row, ...]
    groups: tuple[Group, ...]
    verdicts: Mapping[Verdict, tuple[str, ...]]
    known: bool

    @property
    def size(self) -> int:
        return sum(map(len, self.verdicts.values()))


class Place(NamedTuple):
    """One environment: its worst standing and how many there are of each verdict."""

    name: str
    worst: Standing
    bad: int


def places(standing: Sequence[Standing], recent: Mapping[str, Sequence[Glance]]) -> list[Place]:
    """Worst first. What is only worth knowing (INFO) is no trouble; what was forgotten is left out."""
    oldest = {job: glances[0].at - FORGOTTEN for job, glances in recent.items() if glances}
    by_name: dict[str, list[Standing]] = {}
    for row in standing:
        since = oldest.get(row.job)
        if since is not None and row.at > since and row.status not in _WELL:
            by_name.setdefault(row.key.partition("/")[0], []).append(row)
    found = [Place(name, max(rows, key=_badness), len(rows)) for name, rows in by_name.items()]
    return sorted(found, key=lambda place: (-_ORDER[place.worst.status.verdict], -place.bad, place.name))


def runs_behind(shown: Sequence[Place], recent: Mapping[str, Sequence[Glance]]) -> dict[str, str]:
    """By key, the run that said it last."""
    by_moment = {(job, glance.at): glance.id for job, glances in recent.items() for glance in reversed(glances)}
    pairs = ((place.worst.key, by_moment.get((place.worst.job, place.worst.at), "")) for place in shown)
    return {key: run_id for key, run_id in pairs if run_id}


def estate(
    found: Sequence[Place], said: Mapping[str, Finding], runs: Mapping[str, str], all_names: Collection[str], seen: bool
) -> Estate:
    """What the page shows of them; `said` are the findings behind the first `TOLD`."""
    bad = {place.name for place in found}
    fine = sorted(set(all_names) - bad) if seen else []
    verdicts: dict[Verdict, list[str]] = {}
    for place in found:
        verdicts.setdefault(place.worst.status.verdict, []).append(place.name)
    if fine:
        verdicts[Verdict.OK] = fine
    left = [(place.worst.status.verdict, place.name) for place in found[TOLD:]]
    return Estate(
        rows=tuple(_row(place, said.get(place.worst.key), runs) for place in found[:TOLD]),
        groups=_groups([*left, *((Verdict.OK, name) for name in fine)]),
        verdicts={verdict: tuple(names) for verdict, names in verdicts.items()},
        known=seen,
    )


def _row(place: Place, finding: Finding | None, runs: Mapping[str, str]) -> Row:
    status, key = place.worst.status, place.worst.key
    more = place.bad - 1
    return Row(
        of_verdict(status.verdict),
        clip(clean(place.name), _LONGEST_NAME),
        clip(_told(key, finding), _LONGEST_TEXT),
        f"and {count(more)} more" if more else "",
        runs.get(key, ""),
    )


def _told(key: str, finding: Finding | None) -> str:
    if finding is None:
        return clean(key.partition("/")[2].replace("/", ": ", 1))
    return f"{clean(finding.resource)}: {clean(finding.summary)}" if finding.resource else clean(finding.summary)


def _groups(left: Sequence[tuple[Verdict, str]]) -> tuple[Group, ...]:
    budget, groups = NAMES, []
    for verdict in sorted({verdict for verdict, _ in left}, key=lambda verdict: -_ORDER[verdict]):
        names = [clip(clean(name), _LONGEST_NAME) for of, name in left if of is verdict]
        shown = _within(names, budget)
        budget -= sum(map(_weight, shown))
        groups.append(Group(of_verdict(verdict), tuple(shown), len(names) - len(shown), len(names)))
    return tuple(groups)


def _within(names: Sequence[str], budget: int) -> list[str]:
    shown = []
    for name in names:
        budget -= _weight(name)
        if budget < 0:
            break
        shown.append(name)
    return shown


def _weight(name: str) -> int:
    """Bytes on the page: escaped, with its separator."""
    return len(name.encode()) + 5 * sum(map(name.count, "<>&'\"")) + 11


def tally(verdicts: Mapping[Verdict, Sequence[str]]) -> str:
    """`2 need action, 1 gives no data and 5 are well`."""
    ordered = sorted(verdicts.items(), key=lambda pair: -_ORDER[pair[0]])
    return listed([f"{count(len(names))} {verb(verdict, len(names))}" for verdict, names in ordered if names])


def verb(verdict: Verdict, number: int) -> str:
    """`needs action`, or with several `need action`."""
    return _VERBS[verdict][0 if number == 1 else 1]


_VERBS = {
    Verdict.ACTION: ("needs action", "need action"),
    Verdict.ATTENTION: ("needs a look", "need a look"),
    Verdict.NO_DATA: ("gives no data", "give no data"),
    Verdict.OK: ("is well", "are well"),
}
_ORDER = {Verdict.ACTION: 3, Verdict.ATTENTION: 2, Verdict.NO_DATA: 1, Verdict.OK: 0}


_WELL = frozenset(status for status in Status if status.verdict is Verdict.OK)
_BADNESS = {status: _ORDER[status.verdict] for status in Status}


def _badness(row: Standing) -> tuple[int, str]:
    return (_BADNESS[row.status], row.key)
