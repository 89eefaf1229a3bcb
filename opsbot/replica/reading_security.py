"""The [[security]] of a scenario: how accounts are guarded, what was done in them, and what has to be found of it."""

from __future__ import annotations

from typing import cast

from opsbot.replica.draft import Draft
from opsbot.replica.posture import Backups, Deed, DeedKind, Posture, Threat, TrailState, User
from opsbot.replica.reading import Section
from opsbot.replica.windows import Always
from opsbot.replica.world import Incident

METRIC = "posture"
"""What an incident of this section is planted in."""
_DAY = 1440


def read_security(file: Section, draft: Draft) -> None:
    """Every table; an environment that has none is guarded well."""
    for section in file.tables("security"):
        name = section.text("environment")
        environment = next((one for one in draft.environments if one.name == name), None)
        posture = _posture(section)
        found = [_incident(one, name) for one in section.tables("finds")]
        section.done()
        if environment is None:
            section.problem("environment", f"no environment is called {name!r}")
        elif environment.account in draft.postures:
            section.problem("environment", f"{name} has a table already")
        else:
            draft.postures[environment.account] = posture
            draft.incidents += found


def _incident(section: Section, environment: str) -> Incident:
    found = Incident(
        environment=environment,
        kind=section.text("kind"),
        resource=section.text("resource"),
        metric=METRIC,
        story=section.text("story"),
        expect=section.text("check"),
        window=Always(),
    )
    section.done()
    return found


def _posture(section: Section) -> Posture:
    states = ("on", "stopped", "unvalidated", "local", "none")
    public = section.texts("public", ())
    return Posture(
        trail=cast(TrailState, section.choice("trail", states, "on")),
        root_mfa=section.flag("root_mfa", True),
        root_keys=section.whole("root_keys", 0, high=2),
        root_used=section.whole("root_used", 0, high=90 * _DAY),
        users=tuple(_user(one) for one in section.tables("users")),
        block=section.flag("block", not public),
        public=public,
        guardduty=section.flag("guardduty", True),
        hub=section.flag("hub", True),
        threats=tuple(_threat(one) for one in section.tables("threats")),
        deeds=tuple(_deed(one) for one in section.tables("deeds")),
        backups=_backups(section.table("backups")) if section.has("backups") else None,
    )


def _user(section: Section) -> User:
    user = User(
        name=section.text("name"),
        key_days=section.whole("key_days", 0, high=10_000),
        console=section.flag("console", False),
        mfa=section.flag("mfa", True),
    )
    section.done()
    return user


def _threat(section: Section) -> Threat:
    threat = Threat(
        title=section.text("title"),
        kind=section.text("kind", "UnauthorizedAccess:EC2/SSHBruteForce"),
        severity=section.number("severity", 5.0, low=0, high=10),
        label=section.text("label", ""),
        minutes=section.whole("minutes", 90, high=90 * _DAY),
    )
    section.done()
    return threat


def _deed(section: Section) -> Deed:
    deed = Deed(
        kind=cast(DeedKind, section.choice("kind", ("login", "open-port", "key", "attach"))),
        who=section.text("who"),
        minutes=section.whole("minutes", high=90 * _DAY),
        address=section.text("address", "198.51.100.7"),
        target=section.text("target", ""),
        port=section.whole("port", 22, high=65_535),
    )
    section.done()
    return deed


def _backups(section: Section) -> Backups:
    backups = Backups(
        jobs=section.whole("jobs", 3, high=1000),
        failed=section.texts("failed", ()),
        stopped=section.flag("stopped", False),
    )
    section.done()
    return backups
