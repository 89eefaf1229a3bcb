"""Every kind of resource opsbot can find, and how: one file per family of services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opsbot.aws.readers import (
    alarms,
    backup,
    containers,
    databases,
    functions,
    leftovers,
    limits,
    listed,
    machines,
    outlook,
    security_events,
    security_exposure,
    security_identity,
    security_threats,
    security_trail,
    sizes,
    storage,
    traces,
    traffic,
    work,
)
from opsbot.aws.readers.place import Reader
from opsbot.ports import CustomMetric

READERS: dict[str, Reader] = {
    **containers.READERS,
    **functions.READERS,
    **databases.READERS,
    **traffic.READERS,
    **storage.READERS,
    **work.READERS,
    **machines.READERS,
    **alarms.READERS,
    **leftovers.READERS,
    **limits.READERS,
    **sizes.READERS,
    **outlook.READERS,
    **traces.READERS,
    **backup.READERS,
    **security_events.READERS,
    **security_exposure.READERS,
    **security_identity.READERS,
    **security_threats.READERS,
    **security_trail.READERS,
}

KINDS = frozenset(READERS) | {listed.DISK_KIND}


def needed(kinds: Iterable[str], custom: Iterable[CustomMetric] = ()) -> Iterator[Reader]:
    """The readers that find these kinds, each once, in a fixed order."""
    wanted = set(kinds)
    yield from dict.fromkeys(READERS[kind] for kind in sorted(wanted & set(READERS)))
    yield from listed.readers(custom, disks=listed.DISK_KIND in wanted)
