"""What the pages ask the engine's process for; there alone TensorFlow is loaded."""

from __future__ import annotations

from pathlib import Path

from gatescope.studio.rooms.network.looks import (
    Asked,
    FieldLook,
    LayerLook,
    Overview,
    SampleLook,
    UnitLook,
    Where,
)


def begin() -> None:
    """Loads TensorFlow, while somebody chooses a network."""
    from gatescope.studio.rooms.network import looking

    del looking


def overview(folder: Path) -> Overview:
    """See `looking.overview`."""
    from gatescope.studio.rooms.network import looking

    return looking.overview(folder)


def sample(asked: Asked) -> SampleLook:
    """See `looking.sample`."""
    from gatescope.studio.rooms.network import looking

    return looking.sample(asked)


def layer(asked: Asked, name: str, seed: int) -> LayerLook:
    """See `looking.layer`."""
    from gatescope.studio.rooms.network import looking

    return looking.layer(asked, name, seed)


def unit(asked: Asked, where: Where, terms: int | None) -> UnitLook:
    """See `looking.unit`."""
    from gatescope.studio.rooms.network import looking

    return looking.unit(asked, where, terms)


def fields(asked: Asked, where: Where) -> tuple[FieldLook, ...]:
    """See `looking.fields`."""
    from gatescope.studio.rooms.network import looking

    return looking.fields(asked, where)
