"""How often a training may be looked at for what that costs."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import final

_KNOWN_AFTER = 3  # calls of a kind
_RECENT = 9
_LEAST = 0.2  # of the budget, for looks


@final
class Budget:
    """Accounts for the time of steps that are looked at and of those that are not.

    The first call of each kind builds its graph and is not counted.

    Args:
        overhead: What looking may cost, as a share of the time without it.

    Attributes:
        steps: How many steps there were.
        probed: How many calls looked.
        every_step: Seconds that the open hood usually takes in every step, looked at or not.
    """

    def __init__(self, overhead: float) -> None:
        self._overhead = overhead
        self.steps = self.probed = 0
        self.every_step = 0.0
        self._told = deque[float](maxlen=_RECENT)
        self._calls = {False: 0, True: 0}
        self._looked = True  # so that the first call does not look
        self._recent = {kind: deque[float](maxlen=_RECENT) for kind in ("look", "after", "plain")}
        self._usual = {"look": 0.0, "after": 0.0}
        self._total = self._always = self._looking = 0.0

    @property
    def cost(self) -> float:
        """What the open hood took, as a share of the time without it."""
        return self._share(self._always + self._looking)

    def _share(self, seconds: float) -> float:
        rest = self._total - self._always - self._looking
        return seconds / rest if rest > 0 else 0.0

    def is_first(self, looks: bool) -> bool:
        """Whether a call of this kind would be its first."""
        return not self._calls[looks]

    def build_again(self) -> None:
        """Takes note that new graphs are to be built, whose first calls are not counted."""
        self._calls, self._looked = {False: 0, True: 0}, True

    def is_due(self) -> bool:
        """Whether a look is within the budget; the first few are, to learn what one costs."""
        if self._looked:  # never twice in a row, to know what the others take
            return False
        if self._calls[True] < _KNOWN_AFTER:
            return True
        # Steps so short that the hood alone exceeds the budget are still looked at now and then.
        allowed = max(self._overhead - self._share(self._always), self._overhead * _LEAST)
        return self._share(self._looking + self._extra) <= allowed

    @property
    def _extra(self) -> float:
        """What a look usually takes, with what it costs the call after it, whose memory it used.

        By medians, for a machine that is busy stalls now and then.
        """
        plain = self._usual.get("plain", self._usual["after"])
        return sum(max(0.0, self._usual[kind] - plain) for kind in ("look", "after"))

    def tell(self, seconds: float) -> None:
        """Takes note of what the open hood took of one step, whether that looked or not.

        Of the last few the least counts: it is far shorter than a pause of its thread.
        """
        self._told.append(seconds)
        self.every_step = min(self._told)

    def account(self, looked: bool, seconds: float, steps: int, own: float = 0.0) -> None:
        """Takes note of a call.

        Args:
            looked: Whether it looked.
            seconds: What it took, `own` included.
            steps: How many steps it was.
            own: What the hood itself took of it, outside of the step.
        """
        kind = "look" if looked else "after" if self._looked else "plain"
        first, self._looked = self.is_first(looked), looked
        self._calls[looked] += 1
        self.steps += steps
        self.probed += looked
        if first:
            return
        self._recent[kind].append(seconds - own)
        self._usual[kind] = median(self._recent[kind])
        self._total += seconds
        if looked:
            self._looking += own + self._extra
        else:
            self._always += own
        self._always += steps * self.every_step
