"""Whose turn it is: each probe's slots on the monotonic clock, spread evenly, the same after every restart.

Slot `n` of a probe begins at `n * every + phase` seconds of the machine's monotonic clock, and the phase is a share of
`every` that follows from the name. So neither a restart nor a clock that is set moves anybody's turn, and two slots'
numbers say how many lie between them.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections.abc import Iterable, Iterator

from opsbot.model.probe import Target
from opsbot.probing import Probe

# New probes have their first turn at once, but not all in one instant.
FIRST_WITHIN = 3.0
# Asked besides its turns at most so often, whoever wants to know.
BESIDES = 5.0
TOGETHER = 0.02
"""Seconds on whose multiples turns begin: of a thousand a second twenty wake the process at once, at half the price."""


class Turn:
    """One probe in the rota."""

    __slots__ = ("besides", "busy", "gone", "phase", "probe")

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.phase = share(probe.name) * probe.every
        self.busy = False
        self.gone = False
        self.besides = float("-inf")

    def slot(self, now: float) -> int:
        """The slot that `now` falls into."""
        return int((now - self.phase) // self.probe.every)

    def begins(self, slot: int) -> float:
        return slot * self.probe.every + self.phase


class Rota:
    """Turns in the order in which they come."""

    def __init__(self) -> None:
        self._turns: dict[str, Turn] = {}
        self._heap: list[tuple[float, int, int, Turn]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._turns)

    def set(self, probes: Iterable[Probe], now: float, soon: Iterable[str] = ()) -> None:
        """Have turns for these from now on. Those in `soon` have one within seconds, besides their slots to come."""
        wanted = {probe.name: probe for probe in probes if probe.target is not None and probe.every > 0}
        for name, turn in list(self._turns.items()):
            if wanted.get(name) != turn.probe:
                turn.gone = True
                del self._turns[name]
        for name, probe in wanted.items():
            if name not in self._turns:
                turn = self._turns[name] = Turn(probe)
                slot = turn.slot(now) + 1
                self._push(turn.begins(slot), slot, turn)
        for name in soon:
            if name in self._turns:
                turn = self._turns[name]
                self._push(now + share(f"{name}/first") * min(FIRST_WITHIN, turn.probe.every), -1, turn)

    def besides(self, name: str, now: float) -> None:
        """Have one asked at once, besides its slots, because another that comes after it fails: how it is decides whose
        trouble that is. Not again within seconds; nothing for a name without turns."""
        turn = self._turns.get(name)
        if turn is not None and now - turn.besides >= BESIDES:
            turn.besides = now
            self._push(now, -1, turn)

    @property
    def next(self) -> float:
        """When the next turn comes, in monotonic seconds."""
        return self._heap[0][0] if self._heap else float("inf")

    def due(self, now: float) -> Iterator[tuple[Turn, int, float]]:
        """Turns that have come, with the slot they are for and when they were due. Slots that passed meanwhile are left
        out: nobody probes twice to make up for lost time."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, slot, turn = heapq.heappop(heap)
            if turn.gone:
                continue
            current = turn.slot(now)
            if slot >= 0:
                self._push(turn.begins(current + 1), current + 1, turn)
            yield turn, current, due

    def targets(self) -> list[Target]:
        """Everything that is asked."""
        return [turn.probe.target for turn in self._turns.values() if turn.probe.target is not None]

    def _push(self, due: float, slot: int, turn: Turn) -> None:
        self._count += 1
        due = math.ceil(due / TOGETHER) * TOGETHER
        heapq.heappush(self._heap, (due, self._count, slot, turn))


def share(name: str) -> float:
    """A number in [0, 1) that a name always has, whatever the process."""
    return zlib.crc32(name.encode("utf-8", "replace")) / 2**32
