"""What a moment of a training looks like: the network unit by unit, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatescope.report.heat import (
    BETWEEN_TWO,
    BY_SIGN,
    by_class,
    by_sign,
    class_colour,
    picture_uri,
    shaded,
)
from gatescope.report.layered import Column, Unit, Weights, layered
from gatescope.report.plane import Samples, plane
from gatescope.report.series import Series

if TYPE_CHECKING:
    from gatescope.data.datasets import Field, Part
    from gatescope.recipes.kinds.playground import Playground
    from gatescope.training.plane import InputPlane
    from gatescope.training.steering import SeenLayer, Snapshot

_MOST_INPUTS = 16  # that are drawn one by one
_MOST_SAMPLES = 600  # of each part, that are drawn
_SATURATED = 0.95  # of a unit's outputs
_SPREAD = 2.5  # deviations of a target that have a colour of their own
_FLAT = np.full((2, 2, 3), 205, np.uint8)

Floats = NDArray[Any]


class Pictures(NamedTuple):
    """What is shown of one moment.

    Attributes:
        network: SVG.
        surface: A data URI.
        losses: Both curves.
        layers: Rows of a table.
        scores: Rows of another.
    """

    network: str
    surface: str
    losses: list[Series]
    layers: list[dict[str, object]]
    scores: list[dict[str, object]]


def pictures(playground: Playground, over: InputPlane, seen: Snapshot) -> Pictures:
    """Draws a moment.

    Args:
        playground: What is trained.
        over: The plane that its units are looked at on.
        seen: The moment.
    """
    return Pictures(
        network=_network(playground, over, seen),
        surface=picture_uri(_said(playground, seen.layers[-1])),
        losses=[
            Series("learned from", seen.curve.steps, seen.curve.train),
            Series("held out", seen.curve.steps, seen.curve.held_out),
        ],
        layers=[_layer_row(layer, layer is seen.layers[-1]) for layer in seen.layers],
        scores=list(_scores(playground, seen)),
    )


def _target(playground: Playground) -> Field:
    (target,) = playground.data.load().targets
    return target


def _said(playground: Playground, output: SeenLayer) -> NDArray[np.uint8]:
    """What the network says of the plane, in the colours of its samples."""
    if _target(playground).is_number:
        return shaded(output.maps[0], BY_SIGN, -_SPREAD, _SPREAD)
    shares = playground.shares(np.moveaxis(output.maps, 0, -1))
    if shares.shape[-1] == 1:
        return shaded(shares[..., 0], BETWEEN_TWO, 0, 1)
    return by_class(shares)


def samples_on_plane(playground: Playground, over: InputPlane) -> str:
    """The samples, on nothing: what the network says of the plane is laid below.

    Args:
        playground: What is trained.
        over: The plane.
    """
    data = playground.data.load()
    shown = [
        _samples(playground, over, part, hollow)
        for part, hollow in ((data.train, False), (data.dev, True))
    ]
    columns = data.inputs[0].columns
    axes = (
        (columns[0], columns[1]) if len(columns) == 2 else ("first direction", "second direction")
    )
    told = f"{axes[0]} (standardized)", f"{axes[1]} (standardized)"
    if len(columns) != 2:
        told = axes
    return plane("", shown, over.reach, told, "Samples, and what the network says around them")


def _samples(playground: Playground, over: InputPlane, part: Part, hollow: bool) -> Samples:
    target = _target(playground)
    x = next(iter(part.x.values()))[:_MOST_SAMPLES]
    y = part.y[target.name][:_MOST_SAMPLES].ravel()
    if target.is_number:
        shades = shaded(y, BY_SIGN, -_SPREAD, _SPREAD)
        colours = [f"#{shade.tobytes().hex()}" for shade in shades]
    else:
        colours = [class_colour(int(one), len(target.classes)) for one in y]
    return Samples(over.places(x), colours, hollow)


def legend(playground: Playground) -> list[tuple[str, str]]:
    """A colour and what it stands for, of each class, or of both ends of a number.

    Args:
        playground: What is trained.
    """
    target = _target(playground)
    if target.is_number:
        return [(BY_SIGN[0], f"{target.name} below its mean"), (BY_SIGN[2], "above")]
    count = len(target.classes)
    return [(class_colour(at, count), name) for at, name in enumerate(target.classes)]


def about_plane(playground: Playground, over: InputPlane) -> str:
    """What the plane is, in a sentence; nothing where it is that of the two inputs.

    Args:
        playground: What is trained.
        over: The plane.
    """
    columns = playground.data.load().inputs[0].columns
    if len(columns) == 2:
        return ""
    return (
        f"{len(columns)} inputs have no one plane: this is the one in which the samples vary most "
        f"(principal components), with {over.share:.0%} of their variance. The network is asked "
        "on it; samples are seen from straight above."
    )


def _network(playground: Playground, over: InputPlane, seen: Snapshot) -> str:
    inputs, first = _inputs(playground, over, seen.layers[0])
    hidden = [
        Column(f"layer {place}", layer.activation.replace("_", " "), list(_units(layer)))
        for place, layer in enumerate(seen.layers[:-1], 1)
    ]
    rest = [Weights(layer.kernel) for layer in seen.layers[1:]]
    columns = [inputs, *hidden, _outputs(playground, seen.layers[-1])]
    told = f"The network after {seen.step} steps: what each unit puts out over the plane"
    return layered(columns, [first, *rest], told)


def _inputs(playground: Playground, over: InputPlane, first: SeenLayer) -> tuple[Column, Weights]:
    """Inputs one by one, or as one where there are many."""
    names = playground.data.load().inputs[0].columns
    if len(names) > _MOST_INPUTS:
        unit = Unit(picture_uri(_FLAT), f"{len(names)} inputs; lines are as thick as all their "
                    "weights to a unit together")  # fmt: skip
        sizes = np.linalg.norm(first.kernel, axis=0, keepdims=True)
        return Column("inputs", f"{len(names)}", [unit]), Weights(sizes, signed=False)
    side = first.maps.shape[-1]
    maps = over.points(side).T.reshape(-1, side, side)
    units = [Unit(_small(each), name) for name, each in zip(names, maps, strict=True)]
    return Column("inputs", ", ".join(names) if len(names) < 3 else f"{len(names)}", units), \
        Weights(first.kernel)  # fmt: skip


def _small(values: Floats) -> str:
    return picture_uri(by_sign(values[::2, ::2]))


def _units(layer: SeenLayer) -> Iterator[Unit]:
    for place, values in enumerate(layer.maps):
        dead, flat = bool(layer.dead[place]), float(layer.saturated[place])
        mark = "dead" if dead else "saturated" if flat >= _SATURATED else ""
        bias = "" if layer.bias is None else f", bias {layer.bias[place]:.3g}"
        told = f"{layer.name}, unit {place + 1}{bias}" + (f": {mark}" if mark else "")
        yield Unit(_small(values), told, mark)


def _outputs(playground: Playground, layer: SeenLayer) -> Column:
    target = _target(playground)
    if len(layer.maps) == 1:
        unit = Unit(picture_uri(_said(playground, layer)[::2, ::2]), target.name)
        return Column("output", layer.activation, [unit])
    shares = playground.shares(layer.maps)
    count = len(target.classes)
    units = [
        Unit(picture_uri(shaded(one[::2, ::2], ("#f7f7f7", class_colour(at, count)), 0, 1)), name)
        for at, (one, name) in enumerate(zip(shares, target.classes, strict=True))
    ]
    return Column("output", layer.activation, units)


def _layer_row(layer: SeenLayer, is_output: bool) -> dict[str, object]:
    units = len(layer.dead)
    return {
        "layer": "output" if is_output else layer.name.replace("dense_", "layer "),
        "gradient": "–" if np.isnan(layer.gradient) else f"{layer.gradient:.3g}",
        "dead": "–" if is_output else f"{int(layer.dead.sum())} of {units}",
        "saturated": "–" if is_output else f"{float(layer.saturated.mean()):.0%}",
    }


def _scores(playground: Playground, seen: Snapshot) -> Iterator[dict[str, object]]:
    data = playground.data.load()
    score = "R²" if _target(playground).is_number else "accuracy"
    for name, part, losses, answers in (
        ("learned from", data.train, seen.curve.train, seen.answers),
        ("held out", data.dev, seen.curve.held_out, seen.held_out_answers),
    ):
        told = playground.score(part, answers)
        shown = f"{told:.3f}" if score == "R²" else f"{told:.1%}"
        yield {"samples": f"{len(part)} {name}", "loss": f"{losses[-1]:.4g}", score: shown}
