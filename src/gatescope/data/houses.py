"""Houses that are made here: a table of every kind of column, and prices by a known formula.

No package ships a table of real houses with mixed columns, so this one imitates what such tables
are like: prices multiply, districts differ, age does not count in the old town, an advertisement
says in words what no number does, cells are missing, and a part of each price is chance.
"""

from __future__ import annotations

import numpy as np

FORMULA = (
    "price = 900 · size^0.9 · district · (1 − 0.004 · age, none in the old town) · 1.2 with garden "
    "· 1.1 renovated · 0.85 noisy street · 1.05^(years since 2015) · noise of 10 %"
)
_DISTRICTS = {"harbour": 1.3, "old town": 1.6, "hill": 1.9, "station": 0.9, "suburb": 1.0}
_WORDS = {"with garden": 1.2, "renovated": 1.1, "noisy street": 0.85}
_FILLING = (
    "bright rooms", "near school", "kind neighbours", "two floors", "ready to move in", "a cellar",
    "new kitchen", "large windows", "own parking", "by the park", "a balcony", "wooden floors",
)  # fmt: skip
_NOISE = 0.1
_LACKING = 0.08  # share of ages and of advertised rooms that are missing


def house_cells(rows: int = 2_000, seed: int = 7) -> dict[str, list[str]]:
    """A table of sold houses as text cells.

    Args:
        rows: How many houses.
        seed: Of what is drawn.

    Returns:
        Columns `size` (m²), `rooms`, `age` (years), `district`, `sold` (day), `advertisement` and
        `price`, by name.

    Example:
        >>> sorted(house_cells(rows=10))
        ['advertisement', 'age', 'district', 'price', 'rooms', 'size', 'sold']
    """
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(4.7, 0.35, rows)).clip(35, 400)
    rooms = np.maximum(1, (size / 25 + rng.normal(0, 0.8, rows)).round()).astype(int)
    age = rng.integers(0, 120, rows)
    district = rng.choice(list(_DISTRICTS), rows, p=(0.15, 0.1, 0.15, 0.25, 0.35))
    day = np.datetime64("2015-01-01") + rng.integers(0, 3_650, rows)
    said = rng.random((rows, len(_WORDS))) < 0.3
    years = (day - np.datetime64("2015-01-01")).astype(float) / 365.25
    worn = np.where(district == "old town", 0, 0.004 * age)
    factor = np.array([_DISTRICTS[each] for each in district]) * (1 - worn) * 1.05**years
    factor *= np.where(said, list(_WORDS.values()), 1).prod(1)
    price = 900 * size**0.9 * factor * np.exp(rng.normal(0, _NOISE, rows))
    lacking = rng.random((rows, 2)) < _LACKING
    return {
        "size": [f"{each:.0f}" for each in size],
        "rooms": np.where(lacking[:, 0], "", rooms.astype(str)).tolist(),
        "age": np.where(lacking[:, 1], "", age.astype(str)).tolist(),
        "district": district.tolist(),
        "sold": [str(each) for each in day],
        "advertisement": [_advertisement(each, rng) for each in said],
        "price": [f"{each:.0f}" for each in price],
    }  # fmt: skip


def _advertisement(said: np.ndarray, rng: np.random.Generator) -> str:
    filling = rng.choice(_FILLING, 3, replace=False).tolist()
    parts = [*filling, *(word for word, there in zip(_WORDS, said, strict=True) if there)]
    return ", ".join(parts[place] for place in rng.permutation(len(parts)))
