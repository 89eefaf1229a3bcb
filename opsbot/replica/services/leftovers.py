"""What costs money by being there: addresses, snapshots and images, NAT gateways. Volumes are told with what is stored."""

from datetime import datetime, timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.kinds import GIB
from opsbot.replica.services.lookup import Paging, here, page, tags
from opsbot.replica.signals import fraction_of
from opsbot.replica.world import Resource

SNAPSHOTS = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=1000, most=1000, error="InvalidNextToken"
)


def describe_addresses(request: Request, params: Params) -> Result:
    return {"Addresses": [_address(address) for address in here(request, "elastic-ip")]}


def _address(address: Resource) -> dict[str, Any]:
    used = {"AssociationId": f"eipassoc-{address.text('id')[-17:]}", "InstanceId": address.text("instance")}
    return {
        "PublicIp": address.name,
        "AllocationId": address.text("id"),
        "Domain": "vpc",
        "Tags": tags(address),
        **(used if address.text("instance") else {}),
    }


def describe_snapshots(request: Request, params: Params) -> Result:
    if "self" not in (params.get("OwnerIds") or ("self",)):
        raise Fault("InvalidUserID.Malformed", "Invalid user id")
    found, token = page(here(request, "ebs-snapshot"), params, SNAPSHOTS)
    return {"Snapshots": [_snapshot(request, snapshot) for snapshot in found], **token}


def _snapshot(request: Request, snapshot: Resource) -> dict[str, Any]:
    full = snapshot.number("full")
    return {
        "SnapshotId": snapshot.text("id"),
        "VolumeId": _volume_of(request, snapshot),
        "VolumeSize": snapshot.number("stored"),
        "State": "completed",
        "OwnerId": snapshot.account,
        "StorageTier": "standard",
        "StartTime": _taken(request, snapshot),
        "Tags": [*tags(snapshot), {"Key": "Name", "Value": snapshot.name}],
        **({"FullSnapshotSizeInBytes": full * GIB} if full else {}),
    }


def _taken(request: Request, snapshot: Resource) -> datetime:
    hours = int(24 * fraction_of(request.world.seed, snapshot.account, snapshot.name, "hour"))
    return request.now - timedelta(days=snapshot.number("age_days"), hours=hours)


def _volume_of(request: Request, snapshot: Resource) -> str:
    """A volume that is there by its name, else the id of one that is gone: the same for the same name."""
    volumes = (*here(request, "ebs-volume"), *here(request, "loose-volume"))
    name = snapshot.text("volume")
    there = next((volume.text("id") for volume in volumes if volume.name == name), None)
    return there or f"vol-0{int(fraction_of(request.world.seed, snapshot.account, name) * 16**12):016x}"


def describe_images(request: Request, params: Params) -> Result:
    held = [snapshot for snapshot in here(request, "ebs-snapshot") if snapshot.number("image")]
    found, token = page(held, params, SNAPSHOTS)
    return {"Images": [_image(snapshot) for snapshot in found], **token}


def _image(snapshot: Resource) -> dict[str, Any]:
    return {
        "ImageId": f"ami-0{snapshot.text('id')[-16:]}",
        "Name": snapshot.name,
        "State": "available",
        "OwnerId": snapshot.account,
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {"SnapshotId": snapshot.text("id"), "VolumeSize": snapshot.number("stored")},
            }
        ],
    }


def describe_nat_gateways(request: Request, params: Params) -> Result:
    wanted = params.get("Filter") or params.get("Filters") or ()
    for one in wanted:
        if one.get("Name") != "state":
            raise Fault("InvalidParameterValue", f"The filter '{one.get('Name')}' is invalid")
    there = all("available" in (one.get("Values") or ()) for one in wanted)
    found, token = page(here(request, "nat-gateway") if there else (), params, SNAPSHOTS)
    return {"NatGateways": [_gateway(gateway) for gateway in found], **token}


def _gateway(gateway: Resource) -> dict[str, Any]:
    return {
        "NatGatewayId": gateway.text("id"),
        "State": "available",
        "ConnectivityType": "public",
        "VpcId": "vpc-0a1b2c3d",
        "SubnetId": "subnet-0aaaaaaaa",
        "CreateTime": gateway.created,
        "Tags": [*tags(gateway), {"Key": "Name", "Value": gateway.name}],
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("ec2", "DescribeAddresses"): describe_addresses,
    ("ec2", "DescribeImages"): describe_images,
    ("ec2", "DescribeNatGateways"): describe_nat_gateways,
    ("ec2", "DescribeSnapshots"): describe_snapshots,
}
