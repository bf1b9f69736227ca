"""How often a training may be looked at for what that costs."""

from __future__ import annotations

from collections import deque
from math import ceil
from statistics import median
from typing import final

_KNOWN_AFTER = 3  # calls of a kind
_RECENT = 9
_LEAST = 0.2  # of the budget, for looks
_GRACE = 0.5  # seconds: looks at short trainings, whatever their share
_BETWEEN = 2  # calls: one that pays for the look before it, and one that is as without


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
        self._looked, self._wait = False, 1
        self._recent = {kind: deque[float](maxlen=_RECENT) for kind in ("look", "after", "plain")}
        self._total = self._always = self._looking = 0.0

    @property
    def cost(self) -> float:
        """What the open hood took, as a share of the time without it."""
        return self.since((0.0, 0.0))[1]

    @property
    def mark(self) -> tuple[float, float]:
        """Seconds so far: of the open hood, and of all steps with it."""
        return self._always + self._looking, self._total

    def since(self, mark: tuple[float, float]) -> tuple[float, float]:
        """What the open hood took since a mark: in seconds, and as a share of the time without."""
        spent, total = (now - then for now, then in zip(self.mark, mark, strict=True))
        return spent, spent / (total - spent) if total > spent else 0.0

    def begin(self) -> None:
        """Another training: it is looked at early, as long as such looks take next to nothing."""
        if self._looking < _GRACE:
            self._wait = 1

    def _share(self, seconds: float) -> float:
        rest = self._total - self._always - self._looking
        return seconds / rest if rest > 0 else 0.0

    def is_first(self, looks: bool) -> bool:
        """Whether a call of this kind would be its first."""
        return not self._calls[looks]

    def build_again(self) -> None:
        """Takes note that new graphs are to be built, whose first calls are not counted."""
        self._calls, self._looked, self._wait = {False: 0, True: 0}, False, 1

    def is_due(self) -> bool:
        """Whether a look is within the budget; the first few are, to learn what one costs."""
        return self._wait <= 0

    def tell(self, seconds: float) -> None:
        """Takes note of what the open hood took of one step, whether that looked or not.

        Of the last few the least counts: it is far shorter than a pause of its thread.
        """
        self._told.append(seconds)
        self.every_step = min(self._told)

    def account(
        self, looked: bool, seconds: float, steps: int, own: float = 0.0, aside: float = 0.0
    ) -> None:
        """Takes note of a call.

        Args:
            looked: Whether it looked.
            seconds: What it took, `own` included.
            steps: How many steps it was.
            own: What the hood itself took of it, outside of the step.
            aside: What it took of the processors meanwhile, in threads of its own.
        """
        kind = "look" if looked else "after" if self._looked else "plain"
        first, self._looked = self.is_first(looked), looked
        self._calls[looked] += 1
        self.steps += steps
        self.probed += looked
        self._wait = 1 if looked else self._wait - 1
        if first:
            return
        self._recent[kind].append(seconds - own)
        self._total += seconds
        self._always += steps * self.every_step + aside
        if looked:
            plain, look = self._usual_look()
            self._looking += look + own
            self._wait = self._pause(plain, look + own)
        else:
            self._always += own

    def _usual_look(self) -> tuple[float, float]:
        """What a call takes, and how much more for a look, with what the call after it pays.

        That finds its memory in use. By medians, for a machine that is busy stalls now and then.
        """
        usual = {kind: median(times) for kind, times in self._recent.items() if times}
        plain = usual.get("plain", usual.get("after", usual["look"]))
        more = (usual.get(kind, plain) - plain for kind in ("look", "after"))
        return plain, sum(max(0.0, one) for one in more)

    def _pause(self, plain: float, look: float) -> int:
        """How many calls to let pass, so that looks stay within what the budget has for them."""
        if self._calls[True] <= _KNOWN_AFTER or plain <= 0:
            return 1
        # Steps so short that the hood alone exceeds the budget are still looked at now and then.
        allowed = max(self._overhead - self._share(self._always), self._overhead * _LEAST)
        return max(_BETWEEN, ceil(look / (allowed * plain)) - 1)


def in_words(seconds: float, share: float) -> str:
    """What the open hood took.

    Example:
        >>> in_words(0.0412, 0.031)
        '0.041 s (3.1%)'
    """
    return f"{seconds:.2g} s ({share:.1%})"
