"""`certificate`: an ACM certificate of a domain: when it ends, whether it renews itself, and what that waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from opsbot.actions.action import Action, Bench, Given, NotThere
from opsbot.actions.telling import said
from opsbot.model.runbook import Answer

_PAGES, _SHOWN = 10, 5


class CertificateGiven(Given):
    """`domain` is the certificate's own name, such as `*.example.org`."""

    domain: str = Field(pattern=r"^(\*\.)?[A-Za-z0-9.-]+$", max_length=253)


def look(bench: Bench, given: CertificateGiven) -> Answer:
    """Raises CloudError, NotThere."""
    found = [_whole(bench, arn) for arn in list(_arns(bench, given.domain))[:_SHOWN]]
    if not found:
        raise NotThere(f"ACM in {bench.region} has no certificate of {given.domain}")
    found.sort(key=lambda one: str(one.get("NotAfter", "")))
    first = found[0]
    days = (first["NotAfter"] - bench.now).days if first.get("NotAfter") else None
    used = len(first.get("InUseBy") or ())
    kind = "renews itself" if first.get("Type") == "AMAZON_ISSUED" else "was imported: somebody must replace it"
    waits = [
        _waits(option)
        for option in first.get("DomainValidationOptions") or ()
        if option.get("ValidationStatus") not in (None, "SUCCESS")
    ]
    return Answer(
        headline=f"{first.get('Status', '?')}, ends in {days} days; {kind}; used by {used}"
        if days is not None
        else f"{first.get('Status', '?')}; {kind}",
        rows=tuple(waits[:5]),
        values={"domain": given.domain, "days": days, "status": said(first.get("Status", ""), 40), "used": used},
        alarming=days is None or days < 30,
    )


def _arns(bench: Bench, domain: str) -> Iterator[str]:
    asked: dict[str, Any] = {}
    for _ in range(_PAGES):
        page = bench.ask("acm", "list_certificates", **asked)
        listed = page.get("CertificateSummaryList") or ()
        yield from (str(one["CertificateArn"]) for one in listed if one.get("DomainName") == domain)
        if not page.get("NextToken"):
            return
        asked["NextToken"] = page["NextToken"]


def _whole(bench: Bench, arn: str) -> Mapping[str, Any]:
    told: Mapping[str, Any] = bench.ask("acm", "describe_certificate", CertificateArn=arn)["Certificate"]
    return told


def _waits(option: Mapping[str, Any]) -> tuple[str, ...]:
    record = option.get("ResourceRecord") or {}
    wanted = f"needs {record.get('Type', '')} {record.get('Name', '')} {record.get('Value', '')}" if record else ""
    return said(option.get("DomainName", "")), said(option.get("ValidationStatus", ""), 40), said(wanted)


ACTION = Action(
    name="certificate",
    about="an ACM certificate: when it ends and what its renewal waits for",
    given=CertificateGiven,
    look=look,
    reads=("acm:DescribeCertificate", "acm:ListCertificates"),
)
