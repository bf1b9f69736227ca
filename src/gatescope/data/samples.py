"""Real photos that scikit-learn and scikit-image carry inside their wheels."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from gatescope.data.photos import read_photo
from gatescope.errors import PhotoError

# name -> (package, path in it). The files are read where they lie and not through skimage.data,
# whose loaders may reach for the network when a file of theirs has moved.
_FILES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "cat": ("skimage", "data/chelsea.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "data/coffee.png"),
    "coins": ("skimage", "data/coins.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "moon": ("skimage", "data/moon.png"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "photographer": ("skimage", "data/camera.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
}
# Pictures of textures rather than of things.
_TEXTURES = {
    "brick": ("skimage", "data/brick.png"),
    "grass": ("skimage", "data/grass.png"),
    "gravel": ("skimage", "data/gravel.png"),
    "stars": ("skimage", "data/hubble_deep_field.jpg"),
    "tissue": ("skimage", "data/ihc.png"),
}
SAMPLES = (*_FILES, *_TEXTURES)
"""Names that `sample_photo` knows."""


def sample_photo(name: str) -> NDArray[np.uint8]:
    """Reads one real photo, without network and without any file of the user's.

    Args:
        name: One of `SAMPLES`: those of `sample_photos`, and five of textures, of which brick,
            grass and gravel are grey.

    Returns:
        uint8 of shape (height, width, 3), RGB.

    Raises:
        PhotoError: The installed scikit-learn or scikit-image lacks it.
        KeyError: There is none of that name.

    Example:
        >>> sample_photo("tissue").shape
        (512, 512, 3)
    """
    return _read(*{**_FILES, **_TEXTURES}[name])


def sample_photos() -> dict[str, NDArray[np.uint8]]:
    """Reads ten real photos, without network and without any file of the user's.

    They show an astronaut, a cat, a Chinese temple, a cup of coffee, rows of coins, a flower,
    the moon, a motorcycle, a photographer and a rocket; coins, moon and photographer are grey.
    None of them belongs to a captioning data set.

    Returns:
        Name to photo, uint8 of shape (height, width, 3), RGB, between 300 and 741 pixels a side.

    Raises:
        PhotoError: The installed scikit-learn or scikit-image lacks a photo.

    Example:
        >>> sample_photos()["cat"].shape
        (300, 451, 3)
    """
    return {name: _read(package, path) for name, (package, path) in _FILES.items()}


def _read(package: str, path: str) -> NDArray[np.uint8]:
    try:
        with files(package).joinpath(path).open("rb") as photo:
            return read_photo(photo)
    except FileNotFoundError as cause:
        raise PhotoError(
            f"the sample photo {path} is not in the installed {package}",
            "the files that its wheel carries",
            "pip install --force-reinstall 'scikit-image<0.27' 'scikit-learn<2'",
        ) from cause
