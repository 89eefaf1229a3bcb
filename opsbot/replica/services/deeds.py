"""What people did to an account's doors, as CloudTrail writes it down."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from opsbot.replica.codec import Request
from opsbot.replica.doings import Event
from opsbot.replica.posture import Deed

GLOBAL = "us-east-1"
"""Where IAM and the console keep their events."""


def deeds(request: Request) -> Iterator[Event]:
    """Those that the caller's place keeps."""
    homes = (one.regions[0] for one in request.world.environments if one.account == request.account)
    home = next(homes, request.region)
    for deed in request.world.posture(request.account).deeds:
        if (home if deed.kind == "open-port" else GLOBAL) == request.region:
            yield _event(request, deed)


def _event(request: Request, deed: Deed) -> Event:
    name, source, body = _BODIES[deed.kind](deed)
    identity = {
        "type": "IAMUser",
        "userName": deed.who,
        "accountId": request.account,
        "arn": f"arn:aws:iam::{request.account}:user/{deed.who}",
    }
    return Event(
        account=request.account,
        region=request.region,
        at=request.now - timedelta(minutes=deed.minutes),
        who=deed.who,
        name=name,
        source=f"{source}.amazonaws.com",
        resources=((f"AWS::{source}", deed.target),) if deed.target else (),
        body={"userIdentity": identity, "sourceIPAddress": deed.address, **body},
    )


def _login(deed: Deed) -> tuple[str, str, dict[str, Any]]:
    answer = {"ConsoleLogin": "Success"}
    return "ConsoleLogin", "signin", {"responseElements": answer, "additionalEventData": {"MFAUsed": "No"}}


def _open_port(deed: Deed) -> tuple[str, str, dict[str, Any]]:
    rule = {
        "ipProtocol": "tcp",
        "fromPort": deed.port,
        "toPort": deed.port,
        "groups": {},
        "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]},
        "ipv6Ranges": {},
        "prefixListIds": {},
    }
    asked = {"groupId": deed.target, "ipPermissions": {"items": [rule]}}
    return "AuthorizeSecurityGroupIngress", "ec2", {"requestParameters": asked}


def _key(deed: Deed) -> tuple[str, str, dict[str, Any]]:
    return "CreateAccessKey", "iam", {"requestParameters": {"userName": deed.target}}


def _attach(deed: Deed) -> tuple[str, str, dict[str, Any]]:
    policy = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    return "AttachRolePolicy", "iam", {"requestParameters": {"roleName": deed.target, "policyArn": policy}}


_BODIES = {"login": _login, "open-port": _open_port, "key": _key, "attach": _attach}
