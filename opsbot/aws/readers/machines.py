"""EC2 instances, SQS queues and ACM certificates."""

from __future__ import annotations

from collections.abc import Iterator

from opsbot.aws.readers.place import Found, Look, Reader, facts, tags
from opsbot.model.environment import labels
from opsbot.model.resource import Resource

KEY_TYPES = ("RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1")
"""Without naming them ACM lists only certificates with RSA keys up to 2,048 bits."""


def instances(look: Look) -> Iterator[Found]:
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    paged = {"PageSize": 1000}
    for reservation in look.each("ec2", "describe_instances", "Reservations", Filters=running, PaginationConfig=paged):
        for instance in reservation.get("Instances") or ():
            id, owned = instance["InstanceId"], tags(instance.get("Tags"))
            yield Resource(
                kind="ec2-instance",
                name=dict(owned).get("Name") or id,
                region=look.region,
                arn=look.arn("ec2", f"instance/{id}"),
                dimensions=labels(InstanceId=id),
                facts=facts(
                    instance_type=instance.get("InstanceType"),
                    state=instance.get("State", {}).get("Name"),
                    platform=instance.get("PlatformDetails"),
                    lifecycle=instance.get("InstanceLifecycle"),
                    forwards=None if instance.get("SourceDestCheck", True) else 1.0,
                ),
                tags=owned,
            )


def queues(look: Look) -> Iterator[Found]:
    for url in look.each("sqs", "list_queues", "QueueUrls", PaginationConfig={"PageSize": 1000}):
        name = url.rsplit("/", 1)[-1]
        yield Resource(
            kind="sqs-queue",
            name=name,
            region=look.region,
            arn=look.arn("sqs", name),
            dimensions=labels(QueueName=name),
        )


def certificates(look: Look) -> Iterator[Found]:
    asked = {"CertificateStatuses": ["ISSUED", "EXPIRED"], "Includes": {"keyTypes": list(KEY_TYPES)}}
    for certificate in look.each("acm", "list_certificates", "CertificateSummaryList", **asked):
        ends = certificate.get("NotAfter")
        if ends is None:
            continue
        yield Resource(
            kind="acm-certificate",
            name=certificate.get("DomainName") or certificate["CertificateArn"],
            region=look.region,
            arn=certificate["CertificateArn"],
            facts=facts(
                days_left=(ends - look.now).total_seconds() / 86400,
                domain=certificate.get("DomainName"),
                in_use=1.0 if certificate.get("InUse") else 0.0,
            ),
        )


READERS = {
    "ec2-instance": Reader(kinds=("ec2-instance",), actions=("ec2:DescribeInstances",), read=instances),
    "sqs-queue": Reader(kinds=("sqs-queue",), actions=("sqs:ListQueues",), read=queues, tagged=("sqs",)),
    "acm-certificate": Reader(
        kinds=("acm-certificate",), actions=("acm:ListCertificates",), read=certificates, tagged=("acm:certificate",)
    ),
}
