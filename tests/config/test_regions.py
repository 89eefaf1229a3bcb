"""The list of regions is the SDK's own."""

from __future__ import annotations

import boto3

from opsbot.config.regions import KNOWN, shaped


def test_the_list_is_current() -> None:
    session = boto3.session.Session()
    told = {
        region
        for partition in session.get_available_partitions()
        for service in ("ec2", "cloudwatch")
        for region in session.get_available_regions(service, partition_name=partition)
    }
    assert told == KNOWN


def test_every_known_region_has_the_shape_asked_of_newer_ones() -> None:
    assert [region for region in sorted(KNOWN) if not shaped(region)] == []
