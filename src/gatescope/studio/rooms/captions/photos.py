"""Photos of the room: shipped ones by name, and those of visitors, which are nobody else's."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from gatescope.data.photos import read_photo
from gatescope.data.samples import sample_photo
from gatescope.errors import PhotoError, UsageError
from gatescope.report.html import image_uri

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHIPPED = (
    "motorcycle", "china", "photographer", "rocket", "astronaut", "cat", "coffee", "flower",
    "coins", "moon",
)  # fmt: skip
"""Those of `gatescope.data.samples` that show things, the ones that caption best first."""
MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000  # 150 MB once decoded; what today's phones take by default is below it
_SHOWN, _THUMBNAIL = 960, 144  # pixels of the longer side
_LONGEST_NAME = 60


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo to caption.

    Args:
        name: What it is called on the page.
        picture: As a data URI, upright and small enough to be sent.
        width: Of the picture in pixels.
        height: Of the picture in pixels.
        content: The file, where it is a visitor's; None for a shipped one.
    """

    name: str
    picture: str
    width: int
    height: int
    content: bytes | None = None

    def pixels(self, size: int) -> NDArray[np.uint8]:
        """What a captioner is given: the photo, or the file squashed as it would do itself.

        Args:
            size: Side in pixels that the captioner squashes photos to.

        Raises:
            PhotoError: The photo cannot be read.
        """
        if self.content is None:
            return sample_photo(self.name)
        return read_photo(_file(self.content, self.name), size=size, most_pixels=MOST_PIXELS)


def shipped(name: str) -> Photo:
    """A photo that comes with Gatescope's libraries.

    Args:
        name: One of `SHIPPED`.

    Raises:
        UsageError: There is none of that name.
        PhotoError: The installed scikit-image or scikit-learn lacks it.
    """
    if name not in SHIPPED:
        raise UsageError(
            f"there is no photo {name!r} here", "one of " + ", ".join(SHIPPED), "choose one"
        )
    return _shown(name, sample_photo(name), None)


def uploaded(name: str, content: bytes) -> Photo:
    """A photo of a visitor's, which is kept in memory alone.

    Args:
        name: Of the file.
        content: Of the file.

    Raises:
        PhotoError: It is too large, has too many pixels, or is no photo.
    """
    name = name[:_LONGEST_NAME] or "your photo"
    if len(content) > MOST_BYTES:
        raise too_large(name)
    file = _file(content, name)
    return _shown(name, read_photo(file, longest=_SHOWN, most_pixels=MOST_PIXELS), content)


def too_large(name: str) -> PhotoError:
    """What is said of a file that has too many bytes.

    Args:
        name: Of the file.
    """
    return PhotoError(
        f"{name!r} has more than {MOST_BYTES // 1_000_000} MB",
        f"a photo of at most {MOST_BYTES // 1_000_000} MB",
        "make it smaller in a photo editor",
    )


@cache
def thumbnail(name: str) -> str:
    """A shipped photo, small, as a data URI.

    Args:
        name: One of `SHIPPED`.
    """
    return image_uri(sample_photo(name), longest=_THUMBNAIL)


def _file(content: bytes, name: str) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name  # for messages
    return file


def _shown(name: str, pixels: NDArray[np.uint8], content: bytes | None) -> Photo:
    height, width = pixels.shape[:2]
    return Photo(name, image_uri(pixels, longest=_SHOWN), width, height, content)
