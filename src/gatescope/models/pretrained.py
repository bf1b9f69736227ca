"""Networks whose first part has learned from a million photos: EfficientNet-Lite0, a new head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self, final

from pydantic import model_validator

from gatescope.models.blueprint import Blueprint
from gatescope.models.heads import ImageInput
from gatescope.models.network import NetworkConfig, finish

if TYPE_CHECKING:
    import keras

BACKBONE = "backbone"


@final
class PretrainedConfig(NetworkConfig):
    """EfficientNet-Lite0 up to its 1,280 features, then dense layers and outputs of its own.

    Args:
        start: Weights of the backbone before training: ImageNet's, or drawn anew.
        frozen: Whether the backbone stays as it is, so that only what is behind it learns.

    Example:
        >>> photo = ImageInput(name="photo", height=96, width=96, channels=3, rescale=True)
        >>> pets = OutputConfig(kind="classes", name="pets", units=2)
        >>> PretrainedConfig(inputs=(photo,), frozen=True, outputs=(pets,)).blueprint().trainable
        2562
    """

    start: Literal["imagenet", "random"] = "imagenet"
    frozen: bool

    @model_validator(mode="after")
    def _reads_one_photo(self) -> Self:
        if len(self.inputs) > 1 or not isinstance(self.inputs[0], ImageInput):
            raise ValueError("a pretrained network reads one image and nothing beside it")
        if not self.inputs[0].rescale:
            raise ValueError("it was trained on pixels from 0 to 255: rescale=True says so")
        return self

    def blueprint(self) -> Blueprint:
        drawn = Blueprint("pretrained")
        (image,) = self.inputs
        assert isinstance(image, ImageInput)  # noqa: S101 - `_reads_one_photo` refused others
        photo = drawn.input(image.name, (image.height, image.width, image.channels))
        features = drawn.layer(
            "EfficientNetLite0", BACKBONE, photo,
            side=(image.height, image.width), weights=self.start, trainable=not self.frozen,
        )  # fmt: skip
        return finish(drawn, [features], self)


def pretrained(config: PretrainedConfig) -> keras.Model:
    """Builds a network on EfficientNet-Lite0.

    Input shape: `(batch, height, width, 3)`, RGB in [0, 255].
    Output shape: `(batch, units)` an output, in order.

    Raises:
        ConfigurationError: The photos' sides are not multiples of 32, or they are grey.
        DataError: The installed weights are not those whose digest is known.
    """
    from gatescope.models.building import build

    return build(config.blueprint())


def parted(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The backbone of a pretrained network, and what is behind it, which shares its layers.

    A frozen backbone says the same of a photo in every epoch, so its features are worth keeping.

    Args:
        model: What `pretrained` built.

    Returns:
        Pixels to features; features to outputs.
    """
    import keras

    place = [layer.name for layer in model.layers].index(BACKBONE)
    behind = model.layers[place + 1].input
    return model.layers[place], keras.Model([behind], model.outputs, name=model.name)
