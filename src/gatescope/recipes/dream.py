"""What a layer looks for shows when it may paint.

Every layer of a network is active where it finds what it was trained to find. DeepDream asks for
more of it: the gradient of a layer's activation is followed uphill, into the pixels (Mordvintsev,
Olah & Tyka 2015). Early layers paint strokes and grids, those in the middle eyes and scales, late
ones parts of animals, for ImageNet has many of them: what is seen in clouds tells of the beholder.

Predict: will an early or a late layer change the photo more?

Data: a photo that scikit-image ships, or one of yours (--data PHOTO). Minutes on two cores: 0.5.
Expected: an activation of 1.05 to 3 times the photo's. Baseline: the photo, whose activation is 1;
noise of its colours, below 1.
"""

from pathlib import Path

from gatescope.recipes.kinds.dreaming import DreamRecipe

_LAYERS = ("block2_expand_relu", "block8_expand_relu", "block13_expand_relu")


def recipe(data: Path | None = None) -> DreamRecipe:
    """The cat, as three layers see it when they are let.

    Args:
        data: A photo of yours, or a folder of which the first is taken.
    """
    return DreamRecipe(
        photo="cat" if data is None else str(data),
        side=384,
        layers=_LAYERS,
        steps=20,
        learning_rate=0.03,
        expected={} if data else {f"{layer}, times the photo's": (1.05, 3) for layer in _LAYERS},
    )
