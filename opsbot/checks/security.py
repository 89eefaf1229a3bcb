"""The security part of a report: what is wrong, worst first; what was looked at; what is not switched on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opsbot.model.finding import Finding
from opsbot.model.report import Block, Cell, Column, Facts, FindingList, Prose, Row, Section, Table
from opsbot.model.status import Status
from opsbot.render.format import clean, clip, count, plural
from opsbot.render.grouping import grouped

ID, TITLE = "security_summary", "Security"
MOST = 12
_OFF = ("guardduty-off", "securityhub-off")
_TROUBLE = (Status.CRITICAL, Status.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row of what was looked at. `checks` are the beginnings of names, `kinds` what a gap hides of it."""

    name: str
    checks: tuple[str, ...]
    kinds: tuple[str, ...]

    def takes(self, one: Finding) -> bool:
        if one.check == "discovery":
            return one.resource.partition("@")[0] in self.kinds
        return one.check.startswith(self.checks)


TOPICS = (
    Topic(name="CloudTrail", checks=("trail-",), kinds=("trail", "trail-coverage")),
    Topic(name="Root user", checks=("root-",), kinds=("root-user",)),
    Topic(
        name="People and keys",
        checks=("access-", "iam-changes", "login-", "user-mfa"),
        kinds=("console-logins", "iam-user", "identity-changes"),
    ),
    Topic(name="Network", checks=("port-opened", "security-group-"), kinds=("firewall-changes",)),
    Topic(name="Buckets", checks=("bucket-unblocked", "public-bucket"), kinds=("bucket-exposure",)),
    Topic(name="GuardDuty", checks=("guardduty-",), kinds=("guardduty",)),
    Topic(name="Security Hub", checks=("securityhub-",), kinds=("security-hub",)),
    Topic(name="Certificates", checks=("certificate-",), kinds=("acm-certificate",)),
    Topic(name="Logs", checks=("log-encryption", "log-endless", "log-retention"), kinds=("log-group",)),
    Topic(name="Backup", checks=("backup-",), kinds=("backup",)),
)


def security_section(findings: Iterable[Finding]) -> Section:
    """Section `security_summary` of a report, from findings of any kind; those about something else are left out.

    Nothing is judged here: a service that is off and a place that could not be seen are told beside what is wrong.
    """
    mine = tuple(one for one in findings if any(topic.takes(one) for topic in TOPICS))
    if not mine:
        text = "Nothing about security was looked at, so nothing is known."
        return Section(id=ID, title=TITLE, status=Status.UNKNOWN, blocks=(Prose(text=text),))
    wrong = tuple(one for one in mine if one.status in _TROUBLE)
    blind = tuple(one for one in mine if one.status is Status.UNKNOWN)
    return Section(
        id=ID,
        title=TITLE,
        status=_worst(mine),
        blocks=(*_wrong(wrong, blind), _table(mine), *_changes(mine), *_off(mine)),
        aside=_aside(mine, wrong, blind),
    )


def _worst(mine: Sequence[Finding]) -> Status:
    return max((one.status for one in mine), key=lambda status: status.rank)


def _wrong(wrong: Sequence[Finding], blind: Sequence[Finding]) -> Iterable[Block]:
    lines = (*grouped(wrong), *grouped(blind, more_than=1))
    if not lines:
        yield Prose(text="Nothing is wrong in what was looked at.")
        return
    # Critical, then warnings, then what nobody could see: each keeps its place where there is no room for all.
    yield FindingList(findings=lines[:MOST], others=max(0, len(lines) - MOST))


def _table(mine: Sequence[Finding]) -> Table:
    columns = (Column(title="Looked at"), Column(title="Found"), Column(title="Where", phone=False))
    return Table(columns=columns, rows=tuple(_row(topic, mine) for topic in TOPICS))


def _row(topic: Topic, mine: Sequence[Finding]) -> Row:
    own = [one for one in mine if topic.takes(one)]
    wrong = [one for one in own if one.status in _TROUBLE]
    blind = [one for one in own if one.status is Status.UNKNOWN]
    if not own:
        return _cells(topic, "nothing to look at", None, "")
    if wrong:
        return _cells(topic, plural(len(wrong), "problem"), _worst(wrong), _places(wrong))
    if blind:
        return _cells(topic, "could not be seen", Status.UNKNOWN, _places(blind))
    off = [one for one in own if _is_off(one)]
    if off:
        all_off = len(_names(off)) == len(_names(own))
        return _cells(
            topic, "not switched on" if all_off else "well where it is on", Status.INFO, f"off: {_places(off)}"
        )
    return _cells(topic, "well", Status.OK, plural(len(_names(own)), "environment"))


def _cells(topic: Topic, found: str, status: Status | None, where: str) -> Row:
    return Row(cells=(Cell(text=topic.name), Cell(text=found, status=status), Cell(text=where)))


def _changes(mine: Sequence[Finding]) -> Iterable[Block]:
    """Who changed what: no trouble by itself, and the first thing to read when there is some."""
    told = grouped((one for one in mine if one.status is Status.INFO and not _is_off(one)), more_than=1)
    if told:
        yield Facts(pairs=tuple(_note(one) for one in told[:MOST]))
    if len(told) > MOST:
        yield Prose(text=f"And {plural(len(told) - MOST, 'note')} more; all of them with --verbose.")


def _note(one: Finding) -> tuple[str, str]:
    what = f"{clean(one.title)}, {clip(clean(one.resource), 60)}: {clip(clean(one.summary), 200)}"
    return clean(one.environment), what


def _off(mine: Sequence[Finding]) -> Iterable[Block]:
    """Each service that is off, said once with the environments."""
    for check in _OFF:
        off = [one for one in mine if one.check == check and _is_off(one)]
        if off:
            name = clean(off[0].title).removesuffix(" off")
            yield Prose(text=f"{name} is not switched on in {_places(off)}: nothing is known of what it would find.")


def _is_off(one: Finding) -> bool:
    return one.check in _OFF and one.status is Status.INFO


def _names(some: Iterable[Finding]) -> list[str]:
    return sorted({clean(one.environment) for one in some})


def _places(some: Iterable[Finding]) -> str:
    names = _names(some)
    more = f" and {count(len(names) - 4)} more" if len(names) > 4 else ""
    return clip(", ".join(names[:4]) + more, 120)


def _aside(mine: Sequence[Finding], wrong: Sequence[Finding], blind: Sequence[Finding]) -> str:
    parts = [
        plural(len(wrong), "problem"),
        f"{plural(len(mine), 'look')} in {plural(len(_names(mine)), 'environment')}",
    ]
    return "; ".join([*parts, f"{count(len(blind))} unseen"] if blind else parts)
