"""Convolutional networks for images, sequences and texts, beside any other inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, final

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from gatescope.models.augment import AugmentConfig
from gatescope.models.blueprint import Blueprint, Row
from gatescope.models.heads import (
    ImageInput,
    InputConfig,
    SequenceInput,
    TextInput,
    read,
    vector,
)
from gatescope.models.network import (
    NetworkConfig,
    Normalization,
    Share,
    activated,
    finish,
    normalized,
)

if TYPE_CHECKING:
    import keras

_POOLINGS = {"max": "MaxPooling", "average": "AveragePooling"}
_TOPS = {"average": "GlobalAveragePooling", "max": "GlobalMaxPooling"}


class BlockConfig(BaseModel):
    """Some convolutions, and what makes the map smaller behind them.

    Args:
        filters: Channels of each convolution.
        kernel: Side of its window.
        stride: Step of the first convolution's window.
        convolutions: How many.
        padding: `same` keeps the size but for the stride; `valid` reads no padding.
        pooling: `strided` is a convolution with a stride in place of a pooling (Springenberg et
            al. 2014, arXiv:1412.6806).
        pool: Side, and step, of the pooling's window.
        normalization: Of each convolution, before its activation.
        dropout: Share of the channels that a step of training leaves out, behind the block.
        separable: Whether each convolution looks at places first, channel by channel, and mixes
            channels then (Chollet 2016, arXiv:1610.02357).
        shared: Whether all places have the same weights, as convolutions do; False for locally
            connected layers.
        residual: Whether the block adds to what it gets (He et al. 2015, arXiv:1512.03385).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    filters: PositiveInt
    kernel: PositiveInt = 3
    stride: PositiveInt = 1
    convolutions: PositiveInt = 1
    padding: Literal["same", "valid"] = "same"
    pooling: Literal["none", "max", "average", "strided"] = "none"
    pool: PositiveInt = 2
    normalization: Normalization | None = None
    dropout: Share = 0.0
    separable: bool = False
    shared: bool = True
    residual: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.separable and not self.shared:
            raise ValueError("separable=True and shared=False contradict each other")
        if self.residual and self.padding == "valid":
            raise ValueError("a residual block keeps its size: it needs padding='same'")
        return self

    @property
    def kind(self) -> str:
        """The Keras class of its convolutions, without the number of axes."""
        if not self.shared:
            return "LocallyConnected"
        return "SeparableConv" if self.separable else "Conv"


@final
class ConvConfig(NetworkConfig):
    """A convolutional network.

    Images, sequences and texts go through blocks and the top, each through its own; what other
    inputs say is joined to that before the dense layers. Fields that are not here are those of
    the dense layers, see `NetworkConfig`; activation, initializer, l1 and l2 are the blocks', too.

    Args:
        blocks: From the input on.
        top: What makes one vector of the last map: `flatten` keeps where things were, `average`
            and `max` of each channel do not, and have no weights behind them for each place.
        as_image: Whether a sequence is read as an image of one channel, so that windows move along
            its features, too: for features of which neighbours are alike, as with frequencies.
        augment: How images are changed at random in training; None leaves them as they are.
        standardize: Whether each image is brought to mean 0 and deviation 1 by itself, so that
            neither light nor contrast counts.

    Example:
        >>> digit = ImageInput(name="digit", height=8, width=8, channels=1, rescale=False)
        >>> block = BlockConfig(filters=4, pooling="max")
        >>> ten = OutputConfig(kind="classes", name="ten", units=10)
        >>> config = ConvConfig(inputs=(digit,), blocks=(block,), top="flatten", outputs=(ten,))
        >>> config.blueprint().parameters
        690
    """

    blocks: tuple[BlockConfig, ...] = Field(min_length=1)
    top: Literal["flatten", "average", "max"]
    as_image: bool = False
    augment: AugmentConfig | None = None
    standardize: bool = False

    @model_validator(mode="after")
    def _has_something_to_convolve(self) -> Self:
        maps = [each for each in self.inputs if _is_map(each)]
        if not maps:
            raise ValueError("a convolution needs an image, a sequence or a text among the inputs")
        for each in maps:
            if isinstance(each, SequenceInput) and each.length is None:
                raise ValueError(
                    f"convolutions would read the padding of {each.name!r}: give it a length, or "
                    "take a recurrent network"
                )
        return self

    @model_validator(mode="after")
    def _has_images_to_change(self) -> Self:
        images = [each for each in self.inputs if self._is_image(each)]
        if (self.augment or self.standardize) and not images:
            raise ValueError(
                "augment and standardize change images, and there is none among the inputs"
            )
        sounds = all(isinstance(each, SequenceInput) for each in images)
        if self.augment and self.augment.changes_sound and not sounds:
            raise ValueError(
                "equalizer and noise change spectrograms, sequences read as images: set both to 0"
            )
        known = all(getattr(each, "rescale", False) for each in images)
        if self.augment and self.augment.changes_light and not known:
            raise ValueError(
                "contrast and brightness must know from where to where pixels go: give them in "
                "[0, 255] with rescale=True, or set both to 0"
            )
        return self

    def _is_image(self, each: InputConfig) -> bool:
        return isinstance(each, ImageInput) or (self.as_image and isinstance(each, SequenceInput))

    def blueprint(self) -> Blueprint:
        drawn = Blueprint("conv")
        several = sum(map(_is_map, self.inputs)) > 1
        vectors = [
            self._seen(drawn, each, f"{each.name}_" if several else "")
            if _is_map(each)
            else vector(drawn, each)
            for each in self.inputs
        ]
        return finish(drawn, vectors, self)

    def _seen(self, drawn: Blueprint, each: InputConfig, prefix: str) -> Row:
        """Draws an input, blocks and top."""
        x = read(drawn, each, mask=False)
        x = self._as_images(drawn, each, x) if self._is_image(each) else x
        for place, block in enumerate(self.blocks, 1):
            x = _Pen(drawn, self, block, prefix, place).block(x)
        if self.top == "flatten":
            return drawn.layer("Flatten", f"{prefix}top", x)
        return drawn.layer(f"{_TOPS[self.top]}{_axes(x)}D", f"{prefix}top", x)

    def _as_images(self, drawn: Blueprint, each: InputConfig, x: Row) -> Row:
        """Draws what is done to images before the blocks."""
        if isinstance(each, SequenceInput):
            x = drawn.layer("Reshape", f"{each.name}_image", x, target_shape=(*x.shape, 1))
        if self.augment:
            x = self.augment.draw(drawn, x, each.name)
        if not self.standardize:
            return x
        whole = {"axis": [1, 2, 3], "center": False, "scale": False}
        return drawn.layer("LayerNormalization", f"{each.name}_standardized", x, **whole)


def conv(config: ConvConfig) -> keras.Model:
    """Builds a convolutional network.

    Input shape: one array an input, in order or by name; see the input's configuration.
    Output shape: `(batch, units)` an output, in order.

    Raises:
        ConfigurationError: A layer cannot take what it is given, such as a pooling of a map that
            is smaller than its window.
    """
    from gatescope.models.building import build

    return build(config.blueprint())


def _is_map(config: InputConfig) -> bool:
    """Whether an input has places, beside each of which are others."""
    return isinstance(config, ImageInput | SequenceInput | TextInput)


def _axes(row: Row) -> int:
    """How many axes a window moves along."""
    return len(row.shape) - 1


class _Pen(NamedTuple):
    """What the layers of one block are drawn with."""

    drawn: Blueprint
    config: ConvConfig
    settings: BlockConfig
    prefix: str
    place: int

    def block(self, x: Row) -> Row:
        """Draws convolutions, pooling and dropout."""
        x = self._residual(x) if self.settings.residual else self._plain(x)
        x = self._pooled(x)
        if not self.settings.dropout:
            return x
        rate = self.settings.dropout
        return self._layer(
            f"SpatialDropout{_axes(x)}D", f"channel_dropout_{self.place}", x, rate=rate
        )

    def _plain(self, x: Row) -> Row:
        for step in range(1, self.settings.convolutions + 1):
            x = self._activated(self._step(x, step), f"{self.place}_{step}")
        return x

    def _residual(self, x: Row) -> Row:
        before, last = x, self.settings.convolutions
        for step in range(1, last):
            x = self._activated(self._step(x, step), f"{self.place}_{step}")
        x = self._step(x, last, self.config.branch_start(self.settings.normalization))
        x = self._layer("Add", f"block_add_{self.place}", self._shortcut(before, x), x)
        return self._activated(x, f"{self.place}_{last}")

    def _shortcut(self, before: Row, x: Row) -> Row:
        """What the block got, in the shape of what it puts out (He et al. 2015, option B)."""
        if before.shape == x.shape:
            return before
        name, stride = f"block_shortcut_{self.place}", self.settings.stride
        return self._convolution("Conv", name, before, kernel_size=1, strides=stride)

    def _pooled(self, x: Row) -> Row:
        name, size = f"pool_{self.place}", self.settings.pool
        if self.settings.pooling == "none":
            return x
        if self.settings.pooling == "strided":
            x = self._convolution("Conv", name, x, kernel_size=size, strides=size)
            return self._activated(x, name)
        return self._layer(
            f"{_POOLINGS[self.settings.pooling]}{_axes(x)}D", name, x, pool_size=size
        )

    def _step(self, x: Row, step: int, start: str | None = None) -> Row:
        """One of the block's convolutions with its normalization."""
        return self._convolution(
            self.settings.kind,
            f"conv_{self.place}_{step}",
            x,
            start=start,
            kernel_size=self.settings.kernel,
            strides=self.settings.stride if step == 1 else 1,
            padding=self.settings.padding,
        )

    def _convolution(
        self, kind: str, name: str, x: Row, *, start: str | None = None, **window: Any
    ) -> Row:
        normalization = self.settings.normalization
        # Batch normalization behind it would subtract the bias.
        own = {"filters": self.settings.filters, "use_bias": normalization != "batch"}
        kernel = self._kernel(kind, start)
        x = self._layer(f"{kind}{_axes(x)}D", name, x, **own, **window, **kernel)
        return (
            normalized(self.drawn, x, normalization, f"{x.name}_normalized") if normalization else x
        )

    def _kernel(self, kind: str, start: str | None) -> dict[str, Any]:
        if kind != "SeparableConv":
            return self.config.weights(start=start)
        mixing = self.config.weights("pointwise", start=start)
        return {**self.config.weights("depthwise"), **mixing}

    def _activated(self, x: Row, place: str) -> Row:
        return activated(self.drawn, x, self.config, f"{self.prefix}{place}")

    def _layer(self, kind: str, name: str, *inputs: Row, **settings: Any) -> Row:
        return self.drawn.layer(kind, f"{self.prefix}{name}", *inputs, **settings)
