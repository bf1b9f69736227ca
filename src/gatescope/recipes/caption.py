"""The captioner: regions and a recurrent network, from photos with captions.

Data: any data set that `gatescope data check` understands. Minutes on two cores, for Flickr8k's
6,000 photos: about 60. Expected on its dev split, beam 3: the band in benchmarks/RESULTS.md.
Baseline: the captions of the nearest training photo.
"""

from __future__ import annotations

from gatescope.caption.fitting import CaptionRecipe


def recipe() -> CaptionRecipe:
    """The configuration that the shipped captioner was trained with."""
    return CaptionRecipe()
