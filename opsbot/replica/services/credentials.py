"""IAM's credential report: the root user, and the users that an account has."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

from opsbot.replica.codec import Handler, Params, Request, Result
from opsbot.replica.population import EPOCH
from opsbot.replica.posture import User

_KEY = ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
COLUMNS = (
    "user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
    "password_next_rotation", "mfa_active",
    *(f"access_key_{number}_{what}" for number in (1, 2) for what in _KEY),
    "cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
)  # fmt: skip


def generate_report(request: Request, params: Params) -> Result:
    return {"State": "COMPLETE"}


def get_report(request: Request, params: Params) -> Result:
    text = io.StringIO()
    sheet = csv.DictWriter(text, COLUMNS, restval="N/A", lineterminator="\n")
    sheet.writeheader()
    sheet.writerow(_root(request))
    sheet.writerows(_user(request, user) for user in request.world.posture(request.account).users)
    return {"Content": text.getvalue().encode(), "ReportFormat": "text/csv", "GeneratedTime": request.now}


def _root(request: Request) -> dict[str, str]:
    posture = request.world.posture(request.account)
    used = request.now - timedelta(minutes=posture.root_used) if posture.root_used else None
    return {
        "user": "<root_account>",
        "arn": f"arn:aws:iam::{request.account}:root",
        "user_creation_time": _stamp(EPOCH),
        "password_enabled": "not_supported",
        "password_last_used": _stamp(used) if used else "no_information",
        "password_last_changed": "not_supported",
        "password_next_rotation": "not_supported",
        "mfa_active": _word(posture.root_mfa),
        **_key(1, posture.root_keys >= 1, EPOCH, None),
        **_key(2, posture.root_keys >= 2, EPOCH, None),
        **_certificates(),
    }


def _user(request: Request, user: User) -> dict[str, str]:
    made = request.now - timedelta(days=user.key_days + 1)
    return {
        "user": user.name,
        "arn": f"arn:aws:iam::{request.account}:user/{user.name}",
        "user_creation_time": _stamp(made),
        "password_enabled": _word(user.console),
        "password_last_used": "no_information" if user.console else "N/A",
        "mfa_active": _word(user.mfa),
        **_key(1, user.key_days > 0, request.now - timedelta(days=user.key_days), request.now - timedelta(hours=5)),
        **_key(2, False, None, None),
        **_certificates(),
    }


def _key(number: int, active: bool, rotated: datetime | None, used: datetime | None) -> dict[str, str]:
    told = {"active": _word(active)}
    if active and rotated:
        told["last_rotated"] = _stamp(rotated)
    if active and used:
        told |= {"last_used_date": _stamp(used), "last_used_region": "eu-central-1", "last_used_service": "s3"}
    return {f"access_key_{number}_{what}": told.get(what, "N/A") for what in _KEY}


def _certificates() -> dict[str, str]:
    return {"cert_1_active": "false", "cert_2_active": "false"}


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}+00:00"


def _word(value: bool) -> str:
    return "true" if value else "false"


HANDLERS: dict[tuple[str, str], Handler] = {
    ("iam", "GenerateCredentialReport"): generate_report,
    ("iam", "GetCredentialReport"): get_report,
}
