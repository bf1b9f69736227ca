"""What anyone may put into a record, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Set
from pathlib import PurePath
from typing import Any

import numpy as np

Plain = None | bool | int | float | str | list[Any] | dict[str, Any]

_MOST_NUMBERS = 1000
_DEEPEST = 20


def plain(value: object, depth: int = 0) -> Plain:
    """Turns a value into what JSON knows; of what it does not know, how Python writes it.

    Args:
        value: Anything. Arrays of more than 1,000 numbers become a word about their shape.
        depth: How deep in another value it is; what is deeper than 20 is written as Python does.

    Example:
        >>> plain({"rate": np.float32(0.5), "sizes": (3, 4), "loss": len})
        {'rate': 0.5, 'sizes': [3, 4], 'loss': '<built-in function len>'}
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.generic | np.ndarray):
        return _array(value, depth)
    if depth >= _DEEPEST:
        return repr(value)
    if isinstance(value, Mapping):
        return {str(key): plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | Set):
        return [plain(inner, depth + 1) for inner in value]
    return repr(value)


def to_json(value: object) -> str:
    """`plain`, as text; NaN and infinities are kept, as Python's own reader takes them."""
    return json.dumps(plain(value), ensure_ascii=False)


def strict(value: object) -> Plain:
    """`plain` for readers in any language: NaN and infinities become "NaN", "inf" and "-inf"."""
    known = plain(value)
    if isinstance(known, dict):
        return {key: strict(inner) for key, inner in known.items()}
    if isinstance(known, list):
        return [strict(inner) for inner in known]
    if isinstance(known, float) and not math.isfinite(known):
        return "NaN" if math.isnan(known) else str(known)
    return known


def _array(value: np.generic | np.ndarray[Any, Any], depth: int) -> Plain:
    if value.size > _MOST_NUMBERS:
        return f"array of shape {value.shape}, {value.dtype}"
    if value.dtype.kind in "biufUS":
        return plain(value.tolist(), depth) if value.dtype.kind != "S" else repr(value.tolist())
    return repr(value)
