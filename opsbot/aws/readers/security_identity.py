"""Who can sign in for good: the root user and the IAM users, as IAM's credential report tells them.

The report is made anew at most every four hours, so what it tells of the last use can be that old.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, partition
from opsbot.aws.words import clipped
from opsbot.errors import CloudError
from opsbot.model.resource import Resource

ROOT = "<root_account>"
TRIES = 15
WAIT = 1.0
"""Seconds between two looks at a report that is being made; a large account's takes some."""
_DAY = 86_400.0
_KEYS = ("access_key_1", "access_key_2")


def credentials(look: Look, wait: Callable[[float], None] = time.sleep) -> Iterator[Found]:
    for row in _rows(_report(look.client("iam"), wait)):
        if row["user"] == ROOT:
            yield _root(look, row)
        elif _keys(row) or _true(row, "password_enabled"):
            yield _user(look, row)


def _rows(text: str) -> list[dict[str, str]]:
    """Raises ValueError for what is no table, or one without root: every account has that user."""
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise ValueError(f"the credential report is no table: {error}") from error
    if not any(row.get("user") == ROOT for row in rows):
        raise ValueError("the credential report does not tell of the root user")
    return rows


def _report(client: Any, wait: Callable[[float], None]) -> str:
    """The report as text. Raises CloudError when it is not ready in time."""
    for attempt in range(TRIES):
        if client.generate_credential_report().get("State") == "COMPLETE":
            content: bytes = client.get_credential_report()["Content"]
            return content.decode("utf-8", "replace")
        if attempt < TRIES - 1:
            wait(WAIT)
    why = "IAM is still at work on the credential report; the next run finds it ready"
    raise CloudError(why, permanent=False)


def _root(look: Look, row: Mapping[str, str]) -> Resource:
    # In an organization the root user may have no way in at all; then there is nothing that a second factor guards.
    locked = row.get("password_enabled") == "false" and not _keys(row)
    used, how = _last_use(row)
    return Resource(
        kind="root-user",
        name="root",
        region=look.region,
        arn=f"arn:{partition(look.region)}:iam::{look.account}:root",
        facts=facts(
            mfa=1.0 if locked or _true(row, "mfa_active") else 0.0,
            locked=1.0 if locked else 0.0,
            keys=float(len(_keys(row))),
            used_ago=None if used is None else (look.now - used).total_seconds(),
            used_with=how or None,
        ),
    )


def _user(look: Look, row: Mapping[str, str]) -> Resource:
    keys = _keys(row)
    ages = [age for key in keys if (age := _days(look, _moment(row.get(f"{key}_last_rotated")))) is not None]
    used, how = _last_use(row)
    return Resource(
        kind="iam-user",
        name=clipped(row["user"], 80),
        region=look.region,
        arn=row.get("arn", ""),
        facts=facts(
            console=1.0 if _true(row, "password_enabled") else 0.0,
            mfa=1.0 if _true(row, "mfa_active") else 0.0,
            keys=float(len(keys)),
            key_days=max(ages, default=None),
            used_days=_days(look, used),
            used_with=how or None,
        ),
    )


def _keys(row: Mapping[str, str]) -> list[str]:
    return [key for key in _KEYS if _true(row, f"{key}_active")]


def _true(row: Mapping[str, str], column: str) -> bool:
    return str(row.get(column)).lower() == "true"


def _last_use(row: Mapping[str, str]) -> tuple[datetime | None, str]:
    """When and with what it was last used: the console, or a key in a region for a service."""
    uses = [(_moment(row.get("password_last_used")), "in the console")]
    for key in _KEYS:
        service, region = (row.get(f"{key}_last_used_{what}", "") for what in ("service", "region"))
        uses.append((_moment(row.get(f"{key}_last_used_date")), clipped(f"with a key, {service} in {region}", 80)))
    known = [(moment, how) for moment, how in uses if moment is not None]
    return max(known, default=(None, ""))


def _moment(text: str | None) -> datetime | None:
    """`N/A`, `no_information` and `not_supported` stand where there is no time."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _days(look: Look, moment: datetime | None) -> float | None:
    return None if moment is None else (look.now - moment).total_seconds() / _DAY


_READER = Reader(
    kinds=("iam-user", "root-user"),
    actions=("iam:GenerateCredentialReport", "iam:GetCredentialReport"),
    read=credentials,
    global_service=True,
)
READERS = dict.fromkeys(_READER.kinds, _READER)
