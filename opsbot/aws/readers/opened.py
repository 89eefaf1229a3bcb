"""Which doors a change of a security group opened to the whole internet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opsbot.aws.readers.trail_event import Event

EVERYBODY = ("0.0.0.0/0", "::/0")
# What nobody means to offer to everybody: remote shells and desktops, file shares, databases, caches, cluster doors.
SENSITIVE = (
    20, 21, 22, 23, 135, 139, 445, 1433, 1434, 1521, 2049, 2375, 2376, 2379, 3306, 3389, 5432, 5439, 5601, 5900, 5985,
    5986, 6379, 6443, 8020, 9042, 9092, 9200, 9300, 10250, 11211, 27017, 27018, 27019,
)  # fmt: skip
_LETS_IN = frozenset({"AuthorizeSecurityGroupIngress", "ModifySecurityGroupRules"})


def opened(event: Event) -> Iterator[str]:
    """`port 22 of sg-0a1b to 0.0.0.0/0`: each rule of the request that lets everybody at a sensitive port."""
    if event.name not in _LETS_IN:
        return
    request = event.body.get("requestParameters")
    for rule in _rules(request):
        everybody = next((one for one in _texts(rule) if one in EVERYBODY), None)
        ports = _ports(rule)
        if everybody and not rule.get("isEgress") and ports:
            yield f"{ports} of {_group(request)} to {everybody}"


def _rules(node: Any) -> Iterator[Mapping[str, Any]]:
    """Everything in the request that has a protocol is a rule, however the call nests and spells it."""
    if isinstance(node, list):
        for one in node:
            yield from _rules(one)
    elif isinstance(node, dict):
        plain = {key[:1].lower() + key[1:]: value for key, value in node.items()}
        if plain.get("ipProtocol") is not None:
            yield plain
        else:
            yield from _rules(list(node.values()))


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for one in node.values() if isinstance(node, dict) else node:
            yield from _texts(one)


def _ports(rule: Mapping[str, Any]) -> str:
    """The rule's ports in words; "" where none of them is sensitive."""
    if str(rule["ipProtocol"]) == "-1":
        return "all ports"
    low, high = rule.get("fromPort"), rule.get("toPort")
    if not isinstance(low, int) or not isinstance(high, int) or str(rule["ipProtocol"]).startswith("icmp"):
        return ""
    if not any(low <= port <= high for port in SENSITIVE):
        return ""
    return f"port {low}" if low == high else f"ports {low} to {high}"


def _group(node: Any) -> str:
    """The security group's id, wherever the request holds it."""
    return next((text[:40] for text in _texts(node) if text.startswith("sg-")), "a security group")
