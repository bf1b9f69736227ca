"""What a sweep tries: ranges and lists of settings, as they are typed, and points of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite, prod

import numpy as np
from pydantic import BaseModel
from scipy.stats import qmc

from gatescope.errors import ConfigurationError
from gatescope.recipes.kinds.settings import full_name, setting

_WIDE = 10  # times its low end; from there on a range is about powers of ten
_SPAN = re.compile(r"(?P<low>[^,\[]+?)\.\.(?P<high>[^,\[]+)")


@dataclass(frozen=True)
class Range:
    """A setting between two numbers.

    Args:
        name: Its full name.
        low: The least.
        high: The most.
        whole: Whether it is a whole number.
    """

    name: str
    low: float
    high: float
    whole: bool = False

    @property
    def by_powers(self) -> bool:
        """Whether equal factors are as likely, rather than equal differences."""
        return self.low > 0 and self.high >= _WIDE * self.low

    def at(self, share: float) -> str:
        """The value at a share of the way from low to high."""
        if self.by_powers:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        return str(round(value)) if self.whole else f"{value:.4g}"


@dataclass(frozen=True)
class Choice:
    """A setting that is one of several.

    Args:
        name: Its full name.
        values: As `--set` would be told.
    """

    name: str
    values: tuple[str, ...]

    def at(self, share: float) -> str:
        """The value at a share of the way from the first to the last."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


Swept = Range | Choice


def parsed(recipe: BaseModel, text: str) -> Swept:
    """What is typed as `name=low..high` or `name=a,b,c`.

    Args:
        recipe: Whose setting it is.
        text: That.

    Raises:
        ConfigurationError: It has no `=`, names no setting, or has no two values.

    Example:
        >>> parsed(recipe(), "training.batch_size=8..128")  # doctest: +SKIP
        Range(name='training.batch_size', low=8.0, high=128.0, whole=True)
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    if not (equals and values):
        raise ConfigurationError(
            f"{text!r} sweeps nothing",
            "name=low..high or name=a,b,c",
            "write it like training.learning_rate=1e-4..1 or network.activation=relu,tanh",
        )
    name = full_name(recipe, name)
    if span := _SPAN.fullmatch(values):
        return _range(name, span["low"], span["high"], setting(recipe, name), text)
    return Choice(name, _listed(values))


def points(swept: Sequence[Swept], trials: int | None, seed: int) -> list[tuple[str, ...]]:
    """The settings of each trial, as `--set` would be told.

    Lists alone make a grid, of which `trials` are drawn where that is fewer. One range alone is
    tried at equal distances, both ends included. Of several settings with a range among them a
    Latin hypercube is drawn (McKay et al. 1979), so that each is covered evenly.

    Args:
        swept: At least one.
        trials: How many; None takes all of a grid, and eight of ranges.
        seed: Of what is drawn.

    Example:
        >>> points([Range("rate", 0.01, 1)], 3, seed=1)
        [('rate=0.01',), ('rate=0.1',), ('rate=1',)]
    """
    if all(isinstance(one, Choice) for one in swept):
        return list(_grid([one for one in swept if isinstance(one, Choice)], trials, seed))
    count = trials or 8
    if len(swept) == 1:
        shares = np.linspace(0, 1, count)[:, None]
    else:
        shares = qmc.LatinHypercube(len(swept), rng=np.random.default_rng(seed)).random(count)
    rows = (
        tuple(f"{one.name}={one.at(share)}" for one, share in zip(swept, row, strict=True))
        for row in shares.tolist()
    )
    return list(dict.fromkeys(rows))


def _range(name: str, low: str, high: str, present: object, text: str) -> Range:
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = (0.0, 0.0)
    if not (all(map(isfinite, ends)) and ends[0] < ends[1]):
        raise ConfigurationError(
            f"{text!r} is no range",
            "two numbers, the lower one first",
            "write it like training.learning_rate=1e-4..1",
        )
    typed_whole = all(end.strip().lstrip("+-").isdigit() for end in (low, high))
    return Range(name, *ends, whole=typed_whole and not isinstance(present, float))


def _listed(values: str) -> tuple[str, ...]:
    """The values between commas; those within brackets or quotes are part of a value."""
    if not any(sign in values for sign in '[{"'):
        return tuple(one.strip() for one in values.split(","))
    try:
        return tuple(map(json.dumps, json.loads(f"[{values}]")))
    except ValueError as cause:
        raise ConfigurationError(
            f"{values!r} is no list of values",
            "values between commas, those with brackets or quotes in JSON",
            "write it like network.hidden='[16],[16, 16]'",
        ) from cause


def _grid(choices: Sequence[Choice], trials: int | None, seed: int) -> Iterator[tuple[str, ...]]:
    combined = product(*([f"{one.name}={value}" for value in one.values] for one in choices))
    count = prod(len(one.values) for one in choices)
    if trials is None or trials >= count:
        yield from combined
        return
    drawn = set(np.random.default_rng(seed).choice(count, trials, replace=False).tolist())
    yield from (row for place, row in enumerate(combined) if place in drawn)
