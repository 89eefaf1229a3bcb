"""What things cost by AWS's public price list: on demand, USD, before any discount of yours.

Only what was known for certain when the table was written stands here. A thing or a region that is not in it has no
price, and what is not priced is told without a figure. Sources: aws.amazon.com/ec2/pricing/on-demand, /ebs/pricing,
/vpc/pricing, /elasticloadbalancing/pricing, /cloudwatch/pricing, /lambda/pricing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

AS_OF = "2026-11"
"""The month of the list."""
HOURS = 730
"""Of a month, as AWS's own calculator counts them."""

# One price list for several regions.
_LISTS = {
    "us-east-1": "us", "us-east-2": "us", "us-west-2": "us", "eu-central-1": "frankfurt", "eu-west-1": "ireland",
}  # fmt: skip
_COLUMNS = ("us", "frankfurt", "ireland")

# By thing: USD in each column. `-hour` an hour, `-gb` a GB and month, else as the name says.
_THINGS: dict[str, tuple[float, float, float]] = {
    "ebs-gp2-gb": (0.10, 0.119, 0.11),
    "ebs-gp3-gb": (0.08, 0.0952, 0.088),
    "ebs-gp3-iops": (0.005, 0.006, 0.0055),
    "ebs-io1-gb": (0.125, 0.149, 0.138),
    "ebs-io2-gb": (0.125, 0.149, 0.138),
    "ebs-st1-gb": (0.045, 0.054, 0.05),
    "ebs-sc1-gb": (0.015, 0.018, 0.0168),
    "ebs-standard-gb": (0.05, 0.059, 0.055),
    "snapshot-gb": (0.05, 0.054, 0.05),
    "address-hour": (0.005, 0.005, 0.005),
    "nat-hour": (0.045, 0.052, 0.048),
    "alb-hour": (0.0225, 0.027, 0.0252),
    "nlb-hour": (0.0225, 0.027, 0.0252),
    "logs-gb": (0.03, 0.0324, 0.03),
    "lambda-x86_64-gb-second": (0.0000166667, 0.0000166667, 0.0000166667),
    "lambda-arm64-gb-second": (0.0000133334, 0.0000133334, 0.0000133334),
}

# USD an hour of a family's `large` with Linux; None where it was not known for certain. Other sizes are multiples of it.
_LARGE: dict[str, tuple[float, float | None, float | None]] = {
    "t2": (0.0928, 0.1072, 0.1008),
    "t3": (0.0832, 0.096, 0.0912),
    "t3a": (0.0752, 0.0864, 0.0816),
    "t4g": (0.0672, 0.0768, 0.0736),
    "m4": (0.10, 0.12, 0.111),
    "m5": (0.096, 0.115, 0.107),
    "m5a": (0.086, 0.104, 0.096),
    "m6i": (0.096, 0.115, 0.107),
    "m6a": (0.0864, 0.1035, 0.0963),
    "m6g": (0.077, 0.092, 0.086),
    "m7g": (0.0816, None, None),
    "m7i": (0.1008, None, None),
    "c5": (0.085, 0.097, 0.096),
    "c5a": (0.077, None, None),
    "c6i": (0.085, 0.097, None),
    "c6g": (0.068, 0.0776, None),
    "c7g": (0.0725, None, None),
    "r5": (0.126, 0.152, 0.141),
    "r6i": (0.126, 0.152, 0.141),
    "r6g": (0.1008, 0.1216, 0.113),
    "r7g": (0.1071, None, None),
}
_SIZE = re.compile(r"(?P<family>[a-z]+\d+[a-z-]*)\.(?P<size>nano|micro|small|medium|large|(?P<times>\d*)xlarge)")
_OF_LARGE = {"nano": 1 / 16, "micro": 1 / 8, "small": 1 / 4, "medium": 1 / 2, "large": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The list, with `own` prices over it: by thing (`"nat-hour"`, `"m7g.large-hour"`), or `"eu-north-1/nat-hour"` for
    one region alone."""

    own: Mapping[str, float] = field(default_factory=dict)

    def of(self, region: str, thing: str) -> float | None:
        """USD of one unit; None where nobody told the price."""
        for key in (f"{region}/{thing}", thing):
            if key in self.own:
                return self.own[key]
        place = _LISTS.get(region)
        if place is None:
            return None
        if thing in _THINGS:
            return _THINGS[thing][_COLUMNS.index(place)]
        return _machine(thing.removesuffix("-hour"), _COLUMNS.index(place)) if thing.endswith("-hour") else None


def _machine(instance_type: str, column: int) -> float | None:
    """USD an hour of an EC2 instance type with Linux; None for what is not listed or has no regular size (metal)."""
    match = _SIZE.fullmatch(instance_type)
    if match is None or match["family"] not in _LARGE:
        return None
    large = _LARGE[match["family"]][column]
    times = _OF_LARGE.get(match["size"]) or 2 * int(match["times"] or 1)
    return None if large is None else large * times
