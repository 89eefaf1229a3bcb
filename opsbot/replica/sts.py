"""The embedded STS: who is asking, and roles that only the right caller may assume."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.faults import expired
from opsbot.replica.state import Session
from opsbot.replica.world import World

SHORTEST, LONGEST, USUAL = 900, 43_200, 3600
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)


def account_of(access_key: str, sessions: Mapping[str, Session], world: World, now: datetime, *, protocol: str) -> str:
    """The account that the credentials belong to. Raises Fault for a session that ran out or was never issued."""
    session = sessions.get(access_key)
    if session is None and access_key.startswith("ASIA"):
        code = "UnrecognizedClientException" if protocol in ("json", "rest-json") else "InvalidClientTokenId"
        raise Fault(code, "The security token included in the request is invalid.", 403)
    if session is None:
        return world.caller_account
    if now >= session.expires:
        raise expired(protocol)
    return session.account


def caller_arn(access_key: str, sessions: Mapping[str, Session], world: World) -> str:
    """The caller as IAM writes it."""
    session = sessions.get(access_key)
    if session is None:
        # Keys such as "user-ana" are Ana's, so that two people can be told apart; all others are the demo's.
        name = access_key.removeprefix("user-") if access_key.startswith("user-") else "demo"
        return f"arn:aws:iam::{world.caller_account}:user/{name}"
    role = session.role_arn.rsplit("/", 1)[-1]
    return f"arn:aws:sts::{session.account}:assumed-role/{role}/{session.name}"


def _get_caller_identity(request: Request, _: Params) -> Result:
    session = request.state.sessions.get(request.access_key)
    arn = caller_arn(request.access_key, request.state.sessions, request.world)
    user = "AIDADEMO" if session is None else f"{session.role_id}:{session.name}"
    return {"UserId": user, "Account": request.account, "Arn": arn}


def _assume_role(request: Request, params: Params) -> Result:
    arn, name = params.get("RoleArn", ""), params.get("RoleSessionName", "")
    seconds = _duration(request, params)
    if not _SESSION_NAME.fullmatch(name):
        raise Fault(
            "ValidationError",
            f"1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [\\w+=,.@-]*",
        )
    role = request.world.role(arn)
    if role is None or (role.external_id is not None and role.external_id != params.get("ExternalId")):
        caller = caller_arn(request.access_key, request.state.sessions, request.world)
        text = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        raise Fault("AccessDenied", text, 403)
    session = Session(
        access_key=_issued("ASIA", 16),
        account=role.account,
        role_arn=arn,
        name=name,
        role_id=_issued("AROA", 16),
        expires=request.now.replace(microsecond=0) + timedelta(seconds=seconds),
    )
    request.state.sessions[session.access_key] = session
    return _issued_to(session)


def _issued_to(session: Session) -> Result:
    arn = f"arn:aws:sts::{session.account}:assumed-role/{session.role_arn.rsplit('/', 1)[-1]}/{session.name}"
    return {
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": secrets.token_urlsafe(30),
            "SessionToken": secrets.token_urlsafe(96),
            "Expiration": session.expires,
        },
        "AssumedRoleUser": {"AssumedRoleId": f"{session.role_id}:{session.name}", "Arn": arn},
        "PackedPolicySize": 0,
    }


def _duration(request: Request, params: Params) -> int:
    seconds = int(params.get("DurationSeconds") or USUAL)
    if not SHORTEST <= seconds <= LONGEST:
        edge, limit = ("greater", SHORTEST) if seconds < SHORTEST else ("less", LONGEST)
        raise Fault(
            "ValidationError",
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
            f"Member must have value {edge} than or equal to {limit}",
        )
    if seconds > USUAL and request.access_key in request.state.sessions:
        raise Fault(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    return seconds


def _issued(prefix: str, length: int) -> str:
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


HANDLERS: dict[tuple[str, str], Handler] = {
    ("sts", "GetCallerIdentity"): _get_caller_identity,
    ("sts", "AssumeRole"): _assume_role,
}
