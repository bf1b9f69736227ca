"""Images changed at random while a network trains, so that it never sees the same one twice.

What is drawn are layers, most of them Keras' own: they change nothing at inference, and the state
of their random generators is saved with checkpoints, as dropout's is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gatescope.models.blueprint import Blueprint, Row

Amount = Annotated[float, Field(ge=0, le=1)]

_LIGHT = (-1.0, 1.0)  # what `rescale` makes of pixels


class AugmentConfig(BaseModel):
    """How far an image is changed, anew in each step of training.

    Every amount is the most by which it is changed either way; 0 leaves that out. Choose what does
    not change the answer: a mirrored face smiles as before, a mirrored 3 is none.

    Args:
        flip: Whether half of the images are mirrored, and along which axes.
        shift: Share of height and width by which an image is moved.
        rotation: Share of a full turn.
        zoom: Share by which it becomes smaller or larger.
        contrast: Share by which differences from its mean become smaller or larger.
        brightness: Share of the range from black to white by which it becomes darker or lighter.
        equalizer: Of spectrograms, share of their range by which some frequencies become louder
            than others.
        noise: Of spectrograms, share of their range that is drowned by a floor of noise.

    Example:
        >>> AugmentConfig(flip="horizontal", shift=0.1, rotation=0.05)
        AugmentConfig(flip='horizontal', shift=0.1, rotation=0.05, zoom=0.0, contrast=0.0, ...)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: Literal["none", "horizontal", "vertical", "horizontal_and_vertical"] = "none"
    shift: Amount = 0.0
    rotation: Amount = 0.0
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    contrast: Amount = 0.0
    brightness: Amount = 0.0
    equalizer: Amount = 0.0
    noise: Amount = 0.0

    @property
    def changes_light(self) -> bool:
        """Whether it has to know from where to where the values of pixels go."""
        return bool(self.contrast or self.brightness)

    @property
    def changes_sound(self) -> bool:
        """Whether what it changes has to be a spectrogram."""
        return bool(self.equalizer or self.noise)

    def draw(self, blueprint: Blueprint, x: Row, name: str) -> Row:
        """Draws the layers behind an image.

        Args:
            blueprint: To draw in.
            x: Images, rescaled to [-1, 1] where `changes_light`.
            name: Of the input.
        """
        for kind, settings in self._layers():
            layer = f"{name}_{kind.removeprefix('Random').lower()}"
            x = blueprint.layer(kind, layer, x, **settings)
        return x

    def _layers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Classes of Keras and their settings, those that move pixels first."""
        if self.flip != "none":
            yield "RandomFlip", {"mode": self.flip}
        if self.shift:
            yield "RandomTranslation", {"height_factor": self.shift, "width_factor": self.shift}
        if self.rotation:
            yield "RandomRotation", {"factor": self.rotation}
        if self.zoom:
            yield "RandomZoom", {"height_factor": self.zoom}
        if self.contrast:
            yield "RandomContrast", {"factor": self.contrast, "value_range": _LIGHT}
        if self.brightness:
            yield "RandomBrightness", {"factor": self.brightness, "value_range": _LIGHT}
        if self.changes_sound:
            yield "RandomRecording", {"equalizer": self.equalizer, "noise": self.noise}
