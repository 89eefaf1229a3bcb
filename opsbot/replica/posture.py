"""How an account of the world is guarded, and what was done in it that matters for that; by default all is well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TrailState = Literal["on", "stopped", "unvalidated", "local", "none"]
DeedKind = Literal["login", "open-port", "key", "attach"]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An IAM user. `key_days`: the age of the only access key, 0 for none."""

    name: str
    key_days: int
    console: bool
    mfa: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Threat:
    """An open finding of GuardDuty (`severity` 0 to 10) or of Security Hub (`label`)."""

    title: str
    kind: str
    severity: float
    label: str
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something somebody did so many minutes before whoever asks: a sign-in without a second factor, a port opened."""

    kind: DeedKind
    who: str
    minutes: int
    address: str
    target: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backups:
    """`jobs`: how many complete every night; `failed`: resources whose job failed last night; `stopped`: none ran."""

    jobs: int
    failed: tuple[str, ...]
    stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """One account. `root_used`: minutes since root was, 0 for long ago."""

    trail: TrailState = "on"
    root_mfa: bool = True
    root_keys: int = 0
    root_used: int = 0
    users: tuple[User, ...] = ()
    block: bool = True
    """Whether the account's public access block is on."""
    public: tuple[str, ...] = ()
    """Buckets whose policy lets everybody in; it needs the block off."""
    guardduty: bool = True
    hub: bool = True
    threats: tuple[Threat, ...] = ()
    deeds: tuple[Deed, ...] = ()
    backups: Backups | None = None


WELL = Posture()
