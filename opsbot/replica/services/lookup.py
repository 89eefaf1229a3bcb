"""What every describe operation needs: the resources of the caller's place, their tags, and pages."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from opsbot.replica.codec import Fault, Params, Request
from opsbot.replica.world import Resource

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How an operation names its pages. `error` is the code for a token it never gave."""

    size: str
    cursor: str
    answer: str
    usual: int
    most: int
    error: str = "InvalidParameterException"


def here(request: Request, kind: str) -> tuple[Resource, ...]:
    """The resources of a kind in the caller's account and region."""
    return request.world.resources(request.account, request.region, kind)


def everywhere(request: Request, kind: str) -> list[Resource]:
    """The resources of a kind in all regions of the caller's account, by name."""
    places = (place for place in request.world.inventory if place[0] == request.account)
    return sorted((r for a, region in places for r in request.world.resources(a, region, kind)), key=lambda r: r.name)


def all_here(request: Request) -> Iterator[Resource]:
    """Every resource of the caller's account and region that has an ARN."""
    kinds = request.world.inventory.get((request.account, request.region), {})
    return (resource for resources in kinds.values() for resource in resources if resource.arn)


def tags(resource: Resource, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """The tags as most services list them."""
    return [{key: name, value: text} for name, text in resource.tags]


def with_arn(resources: Sequence[Resource], arn: str, fault: Fault) -> Resource:
    """The resource of that ARN. Raises `fault` when there is none."""
    found = next((resource for resource in resources if resource.arn == arn), None)
    if found is None:
        raise fault
    return found


def chosen(resources: Sequence[Resource], name: str | None, fault: Fault) -> list[Resource]:
    """All of them, or the one of that name. Raises `fault` when there is none."""
    if not name:
        return list(resources)
    found = [resource for resource in resources if resource.name == name]
    if not found:
        raise fault
    return found


def page(items: Sequence[Item], params: Params, paging: Paging) -> tuple[list[Item], dict[str, str]]:
    """One page of a list, and the token of the next one under the operation's name for it."""
    start = _offset(params.get(paging.cursor), paging)
    end = start + _size(params.get(paging.size), paging)
    following = {paging.answer: _token(end)} if end < len(items) else {}
    return list(items[start:end]), following


def _size(asked: str | int | None, paging: Paging) -> int:
    try:
        return max(1, min(int(asked or paging.usual), paging.most))
    except ValueError as error:
        raise Fault(paging.error, f"The value of {paging.size} is not a number.") from error


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"page:{offset}".encode()).decode()


def _offset(token: str | None, paging: Paging) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()).decode().removeprefix("page:"))
    except (ValueError, binascii.Error) as error:
        raise Fault(paging.error, f"The value of {paging.cursor} is not valid.") from error
