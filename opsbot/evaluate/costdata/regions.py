"""Which region a usage type belongs to: it begins with the region's billing code, and with none in us-east-1."""

from __future__ import annotations

import re

EVERYWHERE = "global"
HOME = "us-east-1"
# Codes as they stand on bills; eu-west-1 is older than the scheme and is plain EU.
CODES = {
    "USE1": "us-east-1", "USE2": "us-east-2", "USW1": "us-west-1", "USW2": "us-west-2", "UGW1": "us-gov-west-1",
    "UGE1": "us-gov-east-1", "CAN1": "ca-central-1", "CAN2": "ca-west-1", "MXC1": "mx-central-1", "SAE1": "sa-east-1",
    "EU": "eu-west-1", "EUW1": "eu-west-1", "EUW2": "eu-west-2", "EUW3": "eu-west-3", "EUC1": "eu-central-1",
    "EUC2": "eu-central-2", "EUN1": "eu-north-1", "EUS1": "eu-south-1", "EUS2": "eu-south-2", "AFS1": "af-south-1",
    "MES1": "me-south-1", "MEC1": "me-central-1", "ILC1": "il-central-1", "APN1": "ap-northeast-1",
    "APN2": "ap-northeast-2", "APN3": "ap-northeast-3", "APS1": "ap-southeast-1", "APS2": "ap-southeast-2",
    "APS3": "ap-south-1", "APS4": "ap-southeast-3", "APS5": "ap-south-2", "APS6": "ap-southeast-4",
    "APS7": "ap-southeast-5", "APS9": "ap-southeast-7", "APE1": "ap-east-1", "APE2": "ap-east-2",
    "CNN1": "cn-north-1", "CNW1": "cn-northwest-1",
}  # fmt: skip
# What is billed without a region; a CloudFront code names an edge, not a region.
REGIONLESS = frozenset(
    {
        "Amazon CloudFront", "Amazon Route 53", "Amazon Registrar", "AWS Shield", "AWS Global Accelerator",
        "AWS Identity and Access Management", "AWS Organizations", "AWS Cost Explorer", "AWS Budgets", "Tax",
    }
)  # fmt: skip
_CODE = re.compile(r"([A-Z]{2,3}\d|EU)-", re.ASCII)


def region_of(usage_type: str, service: str = "") -> str:
    """The region, "global" for services that have none; a code nobody knows yet stands for itself.

    Source: usage types as the Cost and Usage Report guide lists them (docs.aws.amazon.com/cur).
    """
    if service in REGIONLESS or service.startswith(("AWS Support", "Savings Plans")):
        return EVERYWHERE
    found = _CODE.match(usage_type)
    return HOME if found is None else CODES.get(found[1], found[1])
