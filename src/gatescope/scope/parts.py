"""What ran as a tree: layers in the order of their calls, equal steps of loops folded into one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, final

from gatescope.scope.record import Gate, LayerCall, Phase
from gatescope.scope.words import kind_of

# Calls of one layer, or of the same place of a loop, one for each of its steps.
Steps = tuple[LayerCall, ...]

_FEWEST = 3  # repetitions that are folded
_LONGEST = 64  # layers that a repetition may consist of
_MOST_FUNCTIONS = 8


class Part(NamedTuple):
    """One line of the tree.

    Attributes:
        name: A layer's name, or what else it is.
        kind: The layer's class; empty of what is no layer.
        calls: The calls that it stands for: one for each of the `steps`. None of what is no layer.
        gates: The gates that ran in it, but in none of its parts.
        parts: What ran inside.
        steps: How many equal steps were folded into it.
    """

    name: str
    kind: str
    calls: Steps
    gates: tuple[Gate, ...]
    parts: tuple[Part, ...] = ()
    steps: int = 1

    @property
    def begin(self) -> int | None:
        """The place of its first gate; None where no gate ran."""
        places = [part.begin for part in self.parts]
        places += [gate.place for gate in self.gates[:1]]
        return min((place for place in places if place is not None), default=None)

    def count(self, phase: Phase) -> int:
        """How many gates of a phase ran in it and in its parts."""
        own = sum(gate.phase == phase for gate in self.gates)
        return own + sum(part.count(phase) for part in self.parts)


def parts_of(gates: Sequence[Gate], calls: Sequence[LayerCall]) -> list[Part]:
    """The tree of a whole trace: layers and losses, then what ran outside of them."""
    builder = _Builder(gates, calls)
    outside = builder.own[None]
    forward = [gate for gate in outside if gate.phase == "forward"]
    found = builder.folded([(call,) for call in builder.inside[None]])
    found += _by_function("outside of layers", forward)
    for name, phase in (("gradients, outside of layers", "backward"), ("optimizer", "update")):
        own = tuple(gate for gate in outside if gate.phase == phase)
        found += [Part(name, "", (), own)] if own else []
    return found


def parts_of_layer(
    gates: Sequence[Gate], calls: Sequence[LayerCall], asked: Sequence[LayerCall]
) -> list[Part]:
    """The tree of some calls and what is inside them."""
    chosen = set(asked)
    outer = [
        call for call in asked if not any(one in chosen for one in call.chain if one is not call)
    ]
    return _Builder(gates, calls).folded([(call,) for call in outer])


def _by_function(name: str, gates: Sequence[Gate]) -> list[Part]:
    """Gates outside of layers, by the function that asked for them."""
    found: dict[str, list[Gate]] = defaultdict(list)
    for gate in gates:
        found[_function(gate)].append(gate)
    parts = sorted(
        (Part(function, "", (), tuple(own)) for function, own in found.items()),
        key=lambda part: -len(part.gates),
    )
    rest = parts[_MOST_FUNCTIONS:]
    if len(rest) > 1:
        others = sorted((gate for part in rest for gate in part.gates), key=lambda gate: gate.place)
        parts[_MOST_FUNCTIONS:] = [Part(f"{len(rest)} other functions", "", (), tuple(others))]
    return [Part(name, "", (), (), tuple(parts))] if parts else []


def _function(gate: Gate) -> str:
    source = gate.source
    if source is None:
        return "unknown"
    names = source.function.replace("<locals>.", "").split(".")
    return f"{'.'.join(names[-2:])}, {source.file.rpartition('/')[2]}"


@final
class _Builder:
    """Knows which gates and calls are directly inside which call."""

    def __init__(self, gates: Sequence[Gate], calls: Sequence[LayerCall]) -> None:
        self.own: dict[LayerCall | None, list[Gate]] = defaultdict(list)
        self.inside: dict[LayerCall | None, list[LayerCall]] = defaultdict(list)
        self._step: dict[LayerCall, int] = {}
        for call in calls:
            self.inside[call.caller].append(call)
        for gate in gates:
            self.own[gate.call].append(gate)
            if gate.call and gate.phase == "forward":
                for call in gate.call.chain:
                    self._step.setdefault(call, gate.step)

    def folded(self, row: Sequence[Steps]) -> list[Part]:
        """The parts of calls one after the other, repetitions folded."""
        found: list[Part] = []
        place = 0
        while place < len(row):
            length, times = self._repetition(row, place)
            end = place + length * times
            block = [_merged(row[first:end:length]) for first in range(place, place + length)]
            if times == 1 or length == 1:
                found += [self._part(steps) for steps in block]
            else:
                own = len(row[place])
                found.append(Part("loop", "", (), (), tuple(self.folded(block)), own * times))
            place = end
        return found

    def _part(self, calls: Steps) -> Part:
        layer = calls[0].layer
        rows = [self.inside[call] for call in calls]
        alike = {tuple(id(call.layer) for call in row) for row in rows}
        columns = list(zip(*rows, strict=True)) if len(alike) == 1 else []
        uneven = [] if columns else [(call,) for row in rows for call in row]
        return Part(
            str(layer.name),
            kind_of(calls[0]),
            calls,
            tuple(gate for call in calls for gate in self.own[call]),
            tuple(self.folded(columns or uneven)),
            len(calls),
        )

    def _repetition(self, row: Sequence[Steps], place: int) -> tuple[int, int]:
        """How long the repetition that begins here is, and how often it comes: mostly 1 and 1."""
        best = (1, 1)
        for length in range(1, min(_LONGEST, (len(row) - place) // _FEWEST) + 1):
            times = 1
            layers = [steps[0].layer for steps in row[place : place + length]]
            while not _repeats_itself(layers) and self._goes_on(
                row, place + length * (times - 1), length
            ):
                times += 1
            if times >= _FEWEST and times * length > best[0] * best[1]:
                best = (length, times)
        return best

    def _goes_on(self, row: Sequence[Steps], place: int, length: int) -> bool:
        """Whether the layers that were called from here on are called again, as the next step."""
        here, there = (row[at : at + length] for at in (place, place + length))
        if [a[0].layer for a in here] != [b[0].layer for b in there]:
            return False
        before, after = (
            next((self._step[steps[0]] for steps in part if steps[0] in self._step), None)
            for part in (here, there)
        )
        return before is None or after is None or before < after


def _merged(rows: Sequence[Steps]) -> Steps:
    return tuple(call for steps in rows for call in steps)


def _repeats_itself(layers: list[object]) -> bool:
    """Whether layers are a shorter row of layers several times, which is what is to be folded."""
    return any(
        len(layers) % length == 0 and layers[:length] * (len(layers) // length) == layers
        for length in range(1, len(layers) // 2 + 1)
    )
