"""Style is what channels do together; content is where they do it.

A convolutional network turns a photo into maps, one a channel. Where a channel is active says what
is where: the content. How often two channels are active together, wherever that is, says what the
surface is made of: the style, as a Gram matrix (Gatys, Ecker & Bethge 2016). No network is trained
here. The image itself is: its gradient says how each pixel must change so that the Gram matrices
become those of one photo while a deeper map stays that of another.

Predict: what remains if the content counts nothing (--set content_weight=0)?

Data: photos that scikit-image ships, or one of yours (--data PHOTO, --set style=PHOTO). Minutes on
two cores: 0.5. Expected: style loss left 0 to 0.5, content moved 0 to 0.5. Baseline: the photo in
the colours of the style, which leaves 0.9; another photo, whose content is 1.7 away.
"""

from pathlib import Path

from gatescope.recipes.kinds.stylizing import StyleRecipe


def recipe(data: Path | None = None) -> StyleRecipe:
    """The astronaut, painted as tissue looks under a microscope.

    Args:
        data: A photo of yours, or a folder of which the first is taken.
    """
    return StyleRecipe(
        content="astronaut" if data is None else str(data),
        style="tissue",
        side=384,
        content_layer="block4_add",
        style_layers=("block0_project", "block2_add", "block4_add", "block7_add"),
        content_weight=1.0,
        smoothness=0.01,
        steps=100,
        learning_rate=0.05,
        expected={} if data else {"style loss left": (0, 0.5), "content moved": (0, 0.5)},
    )
