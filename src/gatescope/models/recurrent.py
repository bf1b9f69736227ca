"""Recurrent networks for sequences and texts, beside any other inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, TypeGuard, final

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from gatescope.models.blueprint import Blueprint, Row
from gatescope.models.heads import InputConfig, SequenceInput, TextInput, read, vector
from gatescope.models.network import NetworkConfig, Share, finish

if TYPE_CHECKING:
    import keras

_CELLS = {"simple": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
_POOLINGS = {"mean": "MeanOverTime", "max": "MaxOverTime", "attention": "AttentionOverTime"}


class FrontConfig(BaseModel):
    """Convolutions over time that make a sequence shorter before the recurrent layers read it.

    They read padding as if it were data, so that the recurrent layers then skip none.

    Args:
        filters: Channels of each convolution.
        kernel: Steps under its window.
        pool: Steps of which the largest is kept, behind each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    filters: tuple[PositiveInt, ...] = Field(min_length=1)
    kernel: PositiveInt = 3
    pool: PositiveInt = 2


@final
class RecurrentConfig(NetworkConfig):
    """A recurrent network.

    Sequences and texts go through the front and the recurrent layers, each through its own; what
    other inputs say is joined to that before the dense layers. Fields that are not here are those
    of the dense layers, see `NetworkConfig`; the activation is the front's, too.

    Args:
        cell: `simple` (Elman 1990), `gru` (Cho et al. 2014) or `lstm` (Hochreiter & Schmidhuber
            1997).
        units: Of each recurrent layer, one reading what the other says.
        bidirectional: Whether each layer reads from both ends, and puts out twice its units.
        dropout: Share of each layer's inputs that a step of training leaves out, in dense layers
            of their outputs.
        recurrent_dropout: Share of what a recurrent layer tells itself from step to step (Gal &
            Ghahramani 2015, arXiv:1512.05287).
        pooling: What makes one vector of all steps: the `last` one, the `mean`, the `max` of each
            feature, or `attention`, a mean with learned weights.
        front: Convolutions before; None for none.

    Example:
        >>> text = TextInput(name="text", tokens=50, length=20, embedding=8)
        >>> good = OutputConfig(kind="binary", name="good")
        >>> config = RecurrentConfig(inputs=(text,), cell="lstm", units=(16,), outputs=(good,))
        >>> config.blueprint().parameters
        2017
    """

    cell: Literal["simple", "gru", "lstm"]
    units: tuple[PositiveInt, ...] = Field(min_length=1)
    bidirectional: bool = False
    recurrent_dropout: Share = 0.0
    pooling: Literal["last", "mean", "max", "attention"] = "last"
    front: FrontConfig | None = None

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Self:
        steps = [each for each in self.inputs if _is_read_in_steps(each)]
        if not steps:
            raise ValueError("a recurrent layer needs a sequence or a text among the inputs")
        if self.front and any(each.length is None for each in steps):
            raise ValueError(
                "a front would read the padding of sequences without a length: leave it out, or "
                "give them one"
            )
        return self

    def blueprint(self) -> Blueprint:
        drawn = Blueprint("recurrent")
        steps = [each for each in self.inputs if _is_read_in_steps(each)]
        vectors = [
            self._read(drawn, each, f"{each.name}_" if len(steps) > 1 else "")
            if each in steps
            else vector(drawn, each)
            for each in self.inputs
        ]
        return finish(drawn, vectors, self)

    def _read(self, drawn: Blueprint, each: InputConfig, prefix: str) -> Row:
        """Draws an input, front, recurrent layers and pooling."""
        x = read(drawn, each, mask=self.front is None)
        if self.front:
            x = self._shortened(drawn, x, self.front, prefix)
        for place, units in enumerate(self.units, 1):
            whole = place < len(self.units) or self.pooling != "last"
            x = self._recurrent(drawn, x, f"{prefix}{self.cell}_{place}", units, whole)
        if self.pooling == "last":
            return x
        return drawn.layer(_POOLINGS[self.pooling], f"{prefix}{self.pooling}", x)

    def _shortened(self, drawn: Blueprint, x: Row, front: FrontConfig, prefix: str) -> Row:
        window = {"kernel_size": front.kernel, "padding": "same", "activation": self.activation}
        for place, filters in enumerate(front.filters, 1):
            name = f"{prefix}conv_{place}"
            x = drawn.layer("Conv1D", name, x, filters=filters, **window, **self.weights())
            if front.pool > 1:
                x = drawn.layer("MaxPooling1D", f"{prefix}pool_{place}", x, pool_size=front.pool)
        return x

    def _recurrent(self, drawn: Blueprint, x: Row, name: str, units: int, whole: bool) -> Row:
        settings: dict[str, Any] = {"units": units, "return_sequences": whole}
        if self.dropout:
            settings["dropout"] = self.dropout
        if self.recurrent_dropout:
            settings["recurrent_dropout"] = self.recurrent_dropout
        kind = _CELLS[self.cell]
        if not self.bidirectional:
            return drawn.layer(kind, name, x, **settings)
        return drawn.layer("Bidirectional", name, x, layer=kind, **settings)


def recurrent(config: RecurrentConfig) -> keras.Model:
    """Builds a recurrent network.

    Input shape: one array an input, in order or by name; see the input's configuration.
    Output shape: `(batch, units)` an output, in order.

    Raises:
        ConfigurationError: A layer cannot take what it is given, such as a pooling of fewer steps
            than its window.
    """
    from gatescope.models.building import build

    return build(config.blueprint())


def _is_read_in_steps(config: InputConfig) -> TypeGuard[SequenceInput | TextInput]:
    """Whether an input comes step after step."""
    return isinstance(config, SequenceInput | TextInput)
