"""What costs money by being there: volumes, addresses, snapshots, NAT gateways, network load balancers.

Only the look for savings asks for these; all of it is listed by calls that cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, number, tags
from opsbot.model.environment import labels
from opsbot.model.resource import Resource

# A copied snapshot names this in place of the volume it was made from.
COPIED = "vol-ffffffff"
_BACKUP = "aws:backup:source-resource"
GIB = 2**30


def volumes(look: Look) -> Iterator[Found]:
    """Those that an instance has; the others are found as loose ones."""
    used = [{"Name": "status", "Values": ["in-use"]}]
    paged = {"PageSize": 500}
    for volume in look.each("ec2", "describe_volumes", "Volumes", Filters=used, PaginationConfig=paged):
        id, owned = volume["VolumeId"], tags(volume.get("Tags"))
        yield Resource(
            kind="ebs-volume",
            name=dict(owned).get("Name") or id,
            region=look.region,
            arn=look.arn("ec2", f"volume/{id}"),
            dimensions=labels(VolumeId=id),
            facts=facts(
                id=id,
                volume_type=volume.get("VolumeType"),
                size_gb=number(volume.get("Size")),
                iops=number(volume.get("Iops")),
                created=_seconds(volume.get("CreateTime")),
            ),
            tags=owned,
        )


def addresses(look: Look) -> Iterator[Found]:
    # Not paged by AWS: an account has few.
    for address in look.client("ec2").describe_addresses().get("Addresses") or ():
        used = address.get("AssociationId") or address.get("NetworkInterfaceId") or address.get("InstanceId")
        id, owned = address.get("AllocationId") or address["PublicIp"], tags(address.get("Tags"))
        yield Resource(
            kind="elastic-ip",
            name=address["PublicIp"],
            region=look.region,
            arn=look.arn("ec2", f"elastic-ip/{id}"),
            facts=facts(id=id, used=1.0 if used else 0.0),
            tags=owned,
        )


def snapshots(look: Look) -> Iterator[Found]:
    """`volume_there`: 0 where the volume is gone; `kept_by`: what holds a snapshot or will delete it by itself."""
    there = {
        one["VolumeId"] for one in look.each("ec2", "describe_volumes", "Volumes", PaginationConfig={"PageSize": 500})
    }
    in_images = _in_images(look)
    for one in look.each(
        "ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], PaginationConfig={"PageSize": 1000}
    ):
        id, owned, volume = one["SnapshotId"], tags(one.get("Tags")), one.get("VolumeId") or COPIED
        full = one.get("FullSnapshotSizeInBytes")
        yield Resource(
            kind="ebs-snapshot",
            name=dict(owned).get("Name") or id,
            region=look.region,
            arn=look.arn("ec2", f"snapshot/{id}"),
            facts=facts(
                id=id,
                volume=volume,
                volume_there=1.0 if volume in there else 0.0,
                kept_by=_kept_by(one, dict(owned), id in in_images, volume),
                size_gb=number(one.get("VolumeSize")),
                full_gb=None if full is None else float(full) / GIB,
                tier=one.get("StorageTier"),
                created=_seconds(one.get("StartTime")),
            ),
            tags=owned,
        )


def _in_images(look: Look) -> set[str]:
    """An image's snapshots cannot be deleted before the image is."""
    images = look.each("ec2", "describe_images", "Images", Owners=["self"], PaginationConfig={"PageSize": 500})
    blocks = (block for image in images for block in image.get("BlockDeviceMappings") or ())
    return {block["Ebs"]["SnapshotId"] for block in blocks if block.get("Ebs", {}).get("SnapshotId")}


def _kept_by(one: Mapping[str, Any], owned: Mapping[str, str], in_image: bool, volume: str) -> str | None:
    if in_image:
        return "an image"
    if _BACKUP in owned:
        return "AWS Backup"
    if any(key.startswith("aws:dlm:") for key in owned):
        return "a lifecycle policy"
    return "another region or account" if volume == COPIED else None


def nat_gateways(look: Look) -> Iterator[Found]:
    running = [{"Name": "state", "Values": ["available"]}]
    for gateway in look.each("ec2", "describe_nat_gateways", "NatGateways", Filters=running):
        id, owned = gateway["NatGatewayId"], tags(gateway.get("Tags"))
        yield Resource(
            kind="nat-gateway",
            name=dict(owned).get("Name") or id,
            region=look.region,
            arn=look.arn("ec2", f"natgateway/{id}"),
            dimensions=labels(NatGatewayId=id),
            facts=facts(id=id, created=_seconds(gateway.get("CreateTime"))),
            tags=owned,
        )


def network_balancers(look: Look) -> Iterator[Found]:
    for balancer in look.each("elbv2", "describe_load_balancers", "LoadBalancers"):
        if balancer.get("Type") != "network":
            continue
        arn = balancer["LoadBalancerArn"]
        yield Resource(
            kind="nlb",
            name=balancer["LoadBalancerName"],
            region=look.region,
            arn=arn,
            dimensions=labels(LoadBalancer=arn.split(":loadbalancer/", 1)[1]),
            facts=facts(created=_seconds(balancer.get("CreatedTime"))),
        )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


READERS = {
    "ebs-volume": Reader(kinds=("ebs-volume",), actions=("ec2:DescribeVolumes",), read=volumes),
    "elastic-ip": Reader(kinds=("elastic-ip",), actions=("ec2:DescribeAddresses",), read=addresses),
    "ebs-snapshot": Reader(
        kinds=("ebs-snapshot",),
        actions=("ec2:DescribeImages", "ec2:DescribeSnapshots", "ec2:DescribeVolumes"),
        read=snapshots,
    ),
    "nat-gateway": Reader(kinds=("nat-gateway",), actions=("ec2:DescribeNatGateways",), read=nat_gateways),
    "nlb": Reader(
        kinds=("nlb",),
        actions=("elasticloadbalancing:DescribeLoadBalancers",),
        read=network_balancers,
        tagged=("elasticloadbalancing:loadbalancer",),
    ),
}
