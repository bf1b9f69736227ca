"""Finds rows by kind and name, however a user spells them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gatescope.catalog.activations import ACTIVATIONS
from gatescope.catalog.initializers import INITIALIZERS
from gatescope.catalog.losses import LOSSES
from gatescope.catalog.optimizers import OPTIMIZERS
from gatescope.catalog.regularizers import REGULARIZERS
from gatescope.catalog.rows import Entry
from gatescope.catalog.schedules import SCHEDULES
from gatescope.errors import UsageError, nearest

CATALOG: Mapping[str, Mapping[str, Entry]] = MappingProxyType(
    {
        "losses": LOSSES,
        "activations": ACTIVATIONS,
        "initializers": INITIALIZERS,
        "schedules": SCHEDULES,
        "optimizers": OPTIMIZERS,
        "regularizers": REGULARIZERS,
    }
)
"""Every row, by the plural of its kind and by its name."""


def plural(kind: str) -> str:
    """The key of `CATALOG` for a kind, which may be given as one or as many.

    Raises:
        UsageError: There is no such kind.

    Example:
        >>> plural("loss")
        'losses'
    """
    for many, rows in CATALOG.items():
        if kind.casefold() in (many, next(iter(rows.values())).kind):
            return many
    fix = nearest(kind.casefold(), CATALOG)
    raise UsageError(
        f"the catalog has no {kind!r}", f"one of {', '.join(CATALOG)}", fix or "gatescope catalog"
    )


def find(kind: str, name: str) -> Entry:
    """The row of a name.

    Args:
        kind: Such as "loss" or "losses".
        name: As Keras spells it, class or function, or one of its short forms.

    Raises:
        UsageError: There is none; the nearest names are offered, or the kind that has it.

    Example:
        >>> find("loss", "MSE").keras
        'keras.losses.MeanSquaredError'
    """
    many = plural(kind)
    for entry in CATALOG[many].values():
        if folded(name) in map(folded, (entry.name, *entry.aliases)):
            return entry
    raise _unknown(many, name)


def folded(name: str) -> str:
    """One form for `MeanSquaredError`, `mean_squared_error` and `mean-squared-error`."""
    return name.replace("_", "").replace("-", "").replace(" ", "").casefold()


def _unknown(many: str, name: str) -> UsageError:
    rows = CATALOG[many]
    one = next(iter(rows.values())).kind
    elsewhere = [
        f"it is one of the {kind}: gatescope catalog {entry.kind} {entry.name}"
        for kind, others in CATALOG.items()
        for entry in others.values()
        if folded(name) in map(folded, (entry.name, *entry.aliases))
    ]
    spellings = [*rows, *(alias for row in rows.values() for alias in row.aliases)]
    near = nearest(name.casefold().replace("-", "_"), spellings)
    return UsageError(
        f"there is no {one} {name!r}",
        f"one of {', '.join(rows)}",
        next(iter(elsewhere), "") or near or f"gatescope catalog {many}",
    )
