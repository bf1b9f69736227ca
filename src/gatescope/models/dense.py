"""Dense networks of any depth, with any number of inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from gatescope.models.blueprint import Blueprint
from gatescope.models.heads import vector
from gatescope.models.network import NetworkConfig, finish

if TYPE_CHECKING:
    import keras


@final
class DenseConfig(NetworkConfig):
    """A network of dense layers.

    Every input becomes one vector: categories are embedded, a text is the mean of its embedded
    tokens, images and sequences are laid out flat. Without hidden layers it is a linear model.

    Example:
        >>> x = NumbersInput(name="x", size=4, normalize=True)
        >>> y = OutputConfig(kind="classes", name="y", units=3)
        >>> DenseConfig(inputs=(x,), hidden=(8,), outputs=(y,)).blueprint().trainable
        67
    """

    def blueprint(self) -> Blueprint:
        drawn = Blueprint("dense")
        return finish(drawn, [vector(drawn, each) for each in self.inputs], self)


def dense(config: DenseConfig) -> keras.Model:
    """Builds a dense network.

    Input shape: one array an input, in order or by name; see the input's configuration.
    Output shape: `(batch, units)` an output, in order.

    Raises:
        ConfigurationError: A layer cannot take what it is given.
    """
    from gatescope.models.building import build

    return build(config.blueprint())
