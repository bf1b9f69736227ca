"""The captioner: regions and a recurrent network, from photos with captions.

A convolutional network, taught on ImageNet, makes a map of a photo; a proposal network finds
regions on it, and RoIAlign reads each of them. A recurrent network with attention then says the
caption word by word, looking at regions as it goes, so that each word can be traced to the regions
that made it.

Data: any data set that `gatescope data check` understands. Minutes on two cores, for Flickr8k's
6,000 photos: about 60. Expected on its dev split, beam 3: the band in benchmarks/RESULTS.md.
Baseline: the captions of the nearest training photo.
"""

from __future__ import annotations

from pathlib import Path

from gatescope.caption.bundle import read_description
from gatescope.caption.fitting import CaptionRecipe


def recipe(start: Path | None = None) -> CaptionRecipe:
    """The configuration that the shipped captioner was trained with.

    Args:
        start: Bundle to start from, whose regions, decoder and words the recipe then has.

    Raises:
        BundleError: `start` is no bundle.
    """
    plain = CaptionRecipe()
    if start is None:
        return plain
    found = read_description(start)
    shared = {name: getattr(found, name) for name in ("regions", "decoder", "decoding")}
    return plain.model_copy(update={**shared, "words": found.splitting})
