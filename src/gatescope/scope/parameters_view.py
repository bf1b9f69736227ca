"""What layers cost, as rows; and the rows as text, HTML and plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from gatescope.report import html
from gatescope.report.cells import aligned, format_columns

Shape = tuple[int | None, ...]

_COLUMNS = ("layer", "kind", "output", "parameters", "multiply-adds", "unshared", "dense")
_SAVINGS = ("without", "positions", "kept", "multiply-adds saved", "parameters saved")


AXES: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: ("units",),
        2: ("steps", "features"),
        3: ("height", "width", "channels"),
        4: ("depth", "height", "width", "channels"),
    }
)
"""What the axes of a layer's output are called, by their number, as Keras orders them."""


def named_shape(shape: Sequence[int | None]) -> str:
    """A shape with the names of its axes.

    Args:
        shape: Of one sample, without the batch axis.

    Example:
        >>> named_shape((8, 8, 32))
        'height 8 × width 8 × channels 32'
    """
    names = AXES.get(len(shape), tuple(f"axis {place}" for place in range(len(shape))))
    pairs = zip(names, shape, strict=True)
    return " × ".join(f"{name} {'?' if size is None else size}" for name, size in pairs) or "1"


@dataclass(frozen=True)
class Saved:
    """What the layers after a reduction would cost more without it.

    Attributes:
        multiply_adds: For one sample.
        parameters: Of layers that take all positions at once, such as Dense behind Flatten.
    """

    multiply_adds: int
    parameters: int


@dataclass(frozen=True)
class Reduction:
    """Layers that hand on fewer positions than they take, by pooling or by strides.

    Attributes:
        layers: Their names; several where they run side by side, like a block and its shortcut.
        positions: That each takes in.
        kept: That each hands on.
        saved: In the layers after them, which is None where those do not run on all positions.
    """

    layers: tuple[str, ...]
    positions: int
    kept: int
    saved: Saved | None


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs for one sample. None means that Gatescope cannot tell.

    Attributes:
        name: Its place in the model, such as `encoder/conv2d`.
        kind: Its class.
        output_shape: Without the batch axis; of its last call.
        calls: How often the model calls it.
        parameters: Weights that no layer before it holds.
        multiply_adds: In matrix products and convolutions, padding counted as input.
        steps: Time steps of a recurrent layer.
        unshared_parameters: If each connection had a weight of its own.
        dense_parameters: If each of its outputs saw each of its inputs.
        dense_multiply_adds: The same layer's.
    """

    name: str
    kind: str
    output_shape: Shape | None
    calls: int
    parameters: int
    multiply_adds: int | None
    steps: int | None
    unshared_parameters: int | None
    dense_parameters: int | None
    dense_multiply_adds: int | None


@dataclass(frozen=True)
class Parameters:
    """What the layers of a model cost; `gatescope.parameters` makes it, `print` shows it.

    Attributes:
        model: Its name.
        input_shapes: Of one sample, without the batch axis.
        layers: One row each, in the model's order; each layer and each weight once.
        trainable_parameters: Those that training changes.
        reductions: Where pooling and strides hand on fewer positions.
        saved_by_all: What all that can be left out save in the other layers together.
    """

    model: str
    input_shapes: tuple[Shape, ...]
    layers: tuple[LayerCost, ...]
    trainable_parameters: int
    reductions: tuple[Reduction, ...]
    saved_by_all: Saved | None

    @property
    def parameters(self) -> int:
        """All weights, as `model.count_params()` counts them."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int | None:
        """For one sample; None if a layer's are not known."""
        known = [one.multiply_adds for one in self.layers if one.multiply_adds is not None]
        return sum(known) if len(known) == len(self.layers) else None

    @property
    def unshared_parameters(self) -> int:
        """Without weight sharing; layers that cannot be compared count as they are."""
        return sum(_or_own(one, one.unshared_parameters) for one in self.layers)

    @property
    def dense_parameters(self) -> int:
        """Without locality; layers that cannot be compared count as they are."""
        return sum(_or_own(one, one.dense_parameters) for one in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Rows and totals as plain data, ready for JSON."""
        totals = ("parameters", "multiply_adds", "unshared_parameters", "dense_parameters")
        return {**asdict(self), **{name: getattr(self, name) for name in totals}}

    def __str__(self) -> str:
        parts = [_headline(self), _text(costs(self), _COLUMNS, left=3)]
        if reductions := savings(self):
            parts.append(_text(reductions, _SAVINGS, left=1))
        return "\n\n".join([*parts, "\n".join(notes(self))])

    def _repr_html_(self) -> str:
        parts = [
            html.paragraph(_headline(self)),
            html.table(costs(self), _COLUMNS, caption="Costs of one sample"),
        ]
        if reductions := savings(self):
            parts.append(html.table(reductions, _SAVINGS, caption="What pooling saves"))
        return html.join(*parts, *map(html.paragraph, notes(self)))


def _or_own(layer: LayerCost, count: int | None) -> int:
    return layer.parameters if count is None else count


def costs(found: Parameters) -> list[tuple[object, ...]]:
    """A row for each layer, and the totals."""
    rows: list[tuple[object, ...]] = [
        (
            one.name + f" ×{one.calls}" * (one.calls > 1),
            one.kind,
            _shape(one.output_shape),
            one.parameters,
            one.multiply_adds,
            one.unshared_parameters,
            one.dense_parameters,
        )
        for one in found.layers
    ]
    totals = (found.parameters, found.multiply_adds)
    return [*rows, ("total", "", "", *totals, found.unshared_parameters, found.dense_parameters)]


def savings(found: Parameters) -> list[tuple[object, ...]]:
    """A row for each reduction, and one for all of them where there are several."""
    rows: list[tuple[object, ...]] = [
        (_names(one.layers), one.positions, one.kept, *_saved(one.saved))
        for one in found.reductions
    ]
    everything = ("all of these", None, None, *_saved(found.saved_by_all))
    return [*rows, everything] if len(rows) > 1 else rows


def _names(layers: Sequence[str]) -> str:
    return layers[0] + f" and {len(layers) - 1} beside it" * (len(layers) > 1)


def _saved(saved: Saved | None) -> tuple[int | None, int | None]:
    return (saved.multiply_adds, saved.parameters) if saved else (None, None)


def _shape(shape: Shape | None) -> str:
    if shape is None:
        return "–"
    return " × ".join("?" if size is None else str(size) for size in shape) or "1"


def _headline(found: Parameters) -> str:
    frozen = found.parameters - found.trainable_parameters
    work = "–" if found.multiply_adds is None else f"{found.multiply_adds:,}"
    inputs = ", ".join(map(str, found.input_shapes))
    return (
        f"{found.model}: {found.parameters:,} parameters ({frozen:,} not trainable), "
        f"{work} multiply-adds for one sample of shape {inputs}"
    )


def notes(found: Parameters) -> list[str]:
    """What the columns mean, as far as this model needs it."""
    lines = [
        "multiply-adds: in matrix products and convolutions; element-wise work is not counted",
        "unshared: parameters if each connection had its own weight (locally connected)",
        "dense: parameters if each output of the layer saw each of its inputs",
    ]
    if any(one.parameters and one.unshared_parameters is None for one in found.layers):
        lines.append("–: cannot be told; in the totals such a layer counts as it is")
    for one in found.layers:
        if one.steps and one.multiply_adds:
            lines.append(f"{one.name}: {one.steps:,} time steps of {_a_step(one)} multiply-adds")
    if found.reductions:
        lines.append("saved: what the other layers would cost more if all positions were kept")
    return lines


def _a_step(layer: LayerCost) -> str:
    each, rest = divmod(layer.multiply_adds or 0, layer.steps or 1)
    return f"{each:,}" if not rest else f"about {each:,}"


def _text(rows: Sequence[Sequence[object]], columns: Sequence[str], left: int) -> str:
    cells = [column for column, _ in format_columns(rows, len(columns))]
    return aligned([columns, *zip(*cells, strict=True)], left=left)
