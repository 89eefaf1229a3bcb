"""EC2 instances, SQS queues and ACM certificates."""

from datetime import UTC, datetime, timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.services.lookup import Paging, chosen, here, page, tags, with_arn
from opsbot.replica.world import Resource

INSTANCES = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=1000, most=1000, error="InvalidNextToken"
)
QUEUES = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=1000, most=1000, error="InvalidAddress"
)
CERTIFICATES = Paging(
    size="MaxItems", cursor="NextToken", answer="NextToken", usual=1000, most=1000, error="ValidationException"
)
# ACM issues for 395 days here and renews 60 days before the end.
VALID, RENEWED = timedelta(days=395), timedelta(days=335)


def describe_instances(request: Request, params: Params) -> Result:
    wanted = params.get("InstanceIds") or ()
    known = here(request, "ec2-instance")
    if missing := set(wanted) - {machine.text("id") for machine in known}:
        told = f"The instance ID '{min(missing)}' does not exist"
        raise Fault("InvalidInstanceID.NotFound", told)
    machines = [m for m in known if not wanted or m.text("id") in wanted]
    machines = [m for m in machines if all(_passes(m, one) for one in params.get("Filters") or ())]
    found, token = page(machines, params, INSTANCES)
    return {"Reservations": [_reservation(request, machine) for machine in found], **token}


def _passes(machine: Resource, one: Params) -> bool:
    name, values = str(one.get("Name")), [str(value) for value in one.get("Values") or ()]
    if name == "instance-state-name":
        return "running" in values
    if name.startswith("tag:"):
        return dict(machine.tags).get(name.removeprefix("tag:")) in values
    raise Fault("InvalidParameterValue", f"The filter '{name}' is invalid")


def _reservation(request: Request, machine: Resource) -> dict[str, Any]:
    return {
        "ReservationId": f"r-0{machine.text('id')[3:]}",
        "OwnerId": request.account,
        "Instances": [
            {
                "InstanceId": machine.text("id"),
                "InstanceType": machine.text("class"),
                "State": {"Code": 16, "Name": "running"},
                "LaunchTime": machine.created,
                "PrivateIpAddress": "10.0.2.15",
                "Placement": {"AvailabilityZone": f"{machine.region}a"},
                "Tags": tags(machine),
            }
        ],
    }


def _queue_url(queue: Resource) -> str:
    return f"https://sqs.{queue.region}.amazonaws.com/{queue.account}/{queue.name}"


def list_queues(request: Request, params: Params) -> Result:
    prefix = str(params.get("QueueNamePrefix") or "")
    queues = [queue for queue in here(request, "sqs-queue") if queue.name.startswith(prefix)]
    found, token = page(queues, params, QUEUES)
    return {"QueueUrls": [_queue_url(queue) for queue in found], **token}


def list_queue_tags(request: Request, params: Params) -> Result:
    name = str(params.get("QueueUrl")).rsplit("/", 1)[-1]
    missing = Fault("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    return {"Tags": dict(chosen(here(request, "sqs-queue"), name, missing)[0].tags)}


def list_certificates(request: Request, params: Params) -> Result:
    wanted = params.get("CertificateStatuses") or ("ISSUED",)
    certificates = here(request, "acm-certificate") if "ISSUED" in wanted else ()
    found, token = page(certificates, params, CERTIFICATES)
    return {"CertificateSummaryList": [_summary(request, certificate) for certificate in found], **token}


def describe_certificate(request: Request, params: Params) -> Result:
    arn = str(params.get("CertificateArn"))
    missing = Fault("ResourceNotFoundException", f"Could not find certificate {arn}.")
    return {"Certificate": _summary(request, with_arn(here(request, "acm-certificate"), arn, missing), detail=True)}


def _summary(request: Request, certificate: Resource, detail: bool = False) -> dict[str, Any]:
    after = _not_after(request, certificate)
    names = "SubjectAlternativeNames" if detail else "SubjectAlternativeNameSummaries"
    return {
        "CertificateArn": certificate.arn,
        "DomainName": certificate.name,
        names: [certificate.name],
        "Status": "ISSUED",
        "Type": "AMAZON_ISSUED",
        "KeyAlgorithm": "RSA-2048" if detail else "RSA_2048",
        "InUse" if not detail else "InUseBy": [] if detail else True,
        "RenewalEligibility": "ELIGIBLE",
        "NotBefore": after - VALID,
        "NotAfter": after,
        "CreatedAt": certificate.created,
        "IssuedAt": after - VALID,
    }


def _not_after(request: Request, certificate: Resource) -> datetime:
    """The end of the present certificate; while renewal is in trouble, so many days after that began."""
    trouble = request.world.trouble(certificate, "NotAfter", request.now)
    began = None if trouble is None else trouble.window.began(int(request.now.timestamp()))
    if trouble is not None and began is not None:
        return datetime.fromtimestamp(began, UTC) + timedelta(days=trouble.value, hours=12)
    renewals = (request.now - certificate.created) // RENEWED
    return certificate.created + renewals * RENEWED + VALID


def list_certificate_tags(request: Request, params: Params) -> Result:
    arn = str(params.get("CertificateArn"))
    missing = Fault("ResourceNotFoundException", f"Could not find certificate {arn}.")
    return {"Tags": tags(with_arn(here(request, "acm-certificate"), arn, missing))}


HANDLERS: dict[tuple[str, str], Handler] = {
    ("ec2", "DescribeInstances"): describe_instances,
    ("sqs", "ListQueues"): list_queues,
    ("sqs", "ListQueueTags"): list_queue_tags,
    ("acm", "ListCertificates"): list_certificates,
    ("acm", "DescribeCertificate"): describe_certificate,
    ("acm", "ListTagsForCertificate"): list_certificate_tags,
}
