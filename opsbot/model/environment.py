"""Where opsbot looks: one account seen through one role, in some regions, for one tenant."""

from __future__ import annotations

from dataclasses import dataclass, field

Labels = tuple[tuple[str, str], ...]


def labels(**pairs: str) -> Labels:
    """Sorted pairs: hashable, comparable, the same bytes every time."""
    return tuple(sorted(pairs.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """`external_id` is a secret reference or None; the secret itself never stands here. `payer`: its bill is read, with
    those of all accounts it pays for; from the Data Export at `cost_export` where it has one. Approved runbook steps
    change things as `remediation_role_arn`; without it as whoever reads."""

    name: str
    regions: tuple[str, ...]
    account_id: str = ""
    tenant: str = ""
    tier: str = ""
    role_arn: str | None = None
    profile: str | None = None
    external_id: str | None = None
    labels: Labels = field(default=())
    payer: bool = False
    cost_export: str = ""
    remediation_role_arn: str | None = None

    @property
    def home_region(self) -> str:
        """The first region named: global services are asked from here, and its resources carry their bare names."""
        return self.regions[0]
