"""What pooling and strides save: the model runs again without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import cache
from math import prod

import keras

from gatescope.errors import UsageError
from gatescope.scope.costs.ops import Call
from gatescope.scope.costs.rows import Row
from gatescope.scope.parameters_view import Reduction, Saved

Places = tuple[int, ...]  # of rows

_NAMES = re.compile(r"\w*Pooling\dD|(Depthwise|Separable)?Conv\dD")
_REDUCING = tuple(
    {getattr(keras.layers, name) for name in dir(keras.layers) if _NAMES.fullmatch(name)}
)


def reductions(
    rows: Sequence[Row], calls: Sequence[Call], run_without: Callable[[Places], list[Call]]
) -> tuple[tuple[Reduction, ...], Saved | None]:
    """What each pooling or stride saves, and what all save that can be left out."""

    @cache
    def saved(places: Places) -> Saved | None:
        return _saved(places, calls, run_without)

    found: list[Reduction] = []
    removed: Places = ()
    for sizes, group in _side_by_side(rows, calls).items():
        together = len(group) == 1 or saved(group)
        for places in [group] if together else [(place,) for place in group]:
            found.append(Reduction(tuple(rows[one].name for one in places), *sizes, saved(places)))
            removed += places if saved(places) else ()
    return tuple(found), saved(removed) if removed else None


def _saved(
    places: Places, calls: Collection[Call], run_without: Callable[[Places], list[Call]]
) -> Saved | None:
    """What the other rows would cost more without some; None where they do not run so."""
    try:
        without = run_without(places)
    except UsageError:
        return None
    if any(call.closed for call in (*calls, *without)):
        return None
    before, after = (
        sum(call.multiply_adds for call in some if call.row not in places)
        for some in (calls, without)
    )
    grown = {call.row: call.grown for call in sorted(without, key=lambda call: call.grown)}
    return Saved(after - before, sum(grown.values()))


def _side_by_side(rows: Sequence[Row], calls: Sequence[Call]) -> dict[tuple[int, int], Places]:
    """Rows that pool or stride, by the positions that they take and keep.

    Those of one size mostly run side by side, like a block and its shortcut, and only together can
    they be left out.
    """
    first = {call.row: call for call in reversed(calls)}
    groups: dict[tuple[int, int], Places] = {}
    for row in rows:
        sizes = _reduces(row.layer, first[row.place]) if row.place in first else None
        if sizes:
            groups[sizes] = (*groups.get(sizes, ()), row.place)
    return groups


def _reduces(layer: object, call: Call) -> tuple[int, int] | None:
    """The positions that a pooling or strided layer takes and keeps, if it keeps fewer."""
    if not isinstance(layer, _REDUCING):
        return None
    axis = 1 if layer.data_format == "channels_first" else -1
    taken, kept = (prod(shape) // shape[axis] for shape in (call.inputs[0], call.outputs[0]))
    strides = getattr(layer, "strides", None)  # which global pooling has none of
    strided = strides is None or max(keras.tree.flatten(strides)) > 1
    return (taken, kept) if kept < taken and strided else None
