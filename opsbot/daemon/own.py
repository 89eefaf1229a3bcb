"""Whether the prober itself is the trouble: its network by what it says, its load by what it could not judge."""

from __future__ import annotations

from collections import deque

from opsbot.model.probe import Reason
from opsbot.prober.wire import Said

# One answer that came too late to be believed happens to everybody; several within this time are a machine too slow.
WITHIN, SEVERAL = 120.0, 3
_OVERLOADED = frozenset({Reason.SELF_STALLED, Reason.SELF_RESOURCES})


class Own:
    """What it said of itself, line by line. It is well again once it was for `WITHIN` seconds."""

    def __init__(self) -> None:
        self._spoilt: deque[float] = deque(maxlen=SEVERAL)
        self._ill = False
        self._reason: str = Reason.SELF_STALLED
        self._why = ""

    def hear(self, said: Said, steady: float) -> tuple[str, str]:
        """The reason and its sentence after this line, "" both for well; `steady` are monotonic seconds."""
        for found in said.found:
            if found.sample.reason in _OVERLOADED:
                self._spoilt.append(steady)
                self._reason, self._why = found.sample.reason, found.why
        while self._spoilt and steady - self._spoilt[0] > WITHIN:
            self._spoilt.popleft()
        self._ill = len(self._spoilt) >= SEVERAL or (self._ill and bool(self._spoilt))
        if said.network:
            return Reason.SELF_NETWORK, said.network
        return (self._reason, f"its machine is overloaded: {self._why}") if self._ill else ("", "")
