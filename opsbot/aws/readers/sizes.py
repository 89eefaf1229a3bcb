"""What is stored and paid by size: file systems, log groups, and volumes that nothing is attached to."""

from __future__ import annotations

from collections.abc import Iterator

from opsbot.aws.readers.place import Found, Look, Reader, facts, number, tags
from opsbot.model.environment import labels
from opsbot.model.resource import Resource

GIB = 2**30


def file_systems(look: Look) -> Iterator[Found]:
    for system in look.each("efs", "describe_file_systems", "FileSystems"):
        id = system["FileSystemId"]
        yield Resource(
            kind="efs-file-system",
            name=system.get("Name") or id,
            region=look.region,
            arn=system.get("FileSystemArn", ""),
            dimensions=labels(FileSystemId=id, StorageClass="Total"),
            facts=facts(size_bytes=number((system.get("SizeInBytes") or {}).get("Value"))),
            tags=tags(system.get("Tags")),
        )


def log_groups(look: Look) -> Iterator[Found]:
    for group in look.each("logs", "describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        yield Resource(
            kind="log-group",
            name=name,
            region=look.region,
            # As the tags know it: the listing says which streams, too.
            arn=group.get("arn", "").removesuffix(":*"),
            dimensions=labels(LogGroupName=name),
            facts=facts(
                stored_bytes=number(group.get("storedBytes")),
                retention_days=number(group.get("retentionInDays")),
                endless=0.0 if group.get("retentionInDays") else 1.0,
                own_key=1.0 if group.get("kmsKeyId") else 0.0,
                storage=group.get("logGroupClass"),
                created=group["creationTime"] / 1000 if group.get("creationTime") else None,
            ),
        )


def loose_volumes(look: Look) -> Iterator[Found]:
    free = [{"Name": "status", "Values": ["available"]}]
    for volume in look.each("ec2", "describe_volumes", "Volumes", Filters=free):
        id, owned = volume["VolumeId"], tags(volume.get("Tags"))
        yield Resource(
            kind="loose-volume",
            name=dict(owned).get("Name") or id,
            region=look.region,
            arn=look.arn("ec2", f"volume/{id}"),
            facts=facts(
                volume_type=volume.get("VolumeType"),
                size_bytes=float(volume.get("Size") or 0) * GIB,
                volume=id,
                created=volume["CreateTime"].timestamp() if volume.get("CreateTime") else None,
            ),
            tags=owned,
        )


READERS = {
    "efs-file-system": Reader(
        kinds=("efs-file-system",), actions=("elasticfilesystem:DescribeFileSystems",), read=file_systems
    ),
    "log-group": Reader(
        kinds=("log-group",), actions=("logs:DescribeLogGroups",), read=log_groups, tagged=("logs:log-group",)
    ),
    "loose-volume": Reader(kinds=("loose-volume",), actions=("ec2:DescribeVolumes",), read=loose_volumes),
}
