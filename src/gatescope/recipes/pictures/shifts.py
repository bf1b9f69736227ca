"""What networks say of images that are shifted by some pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gatescope.recipes.kinds.network import Trained
from gatescope.report.html import Html, figure, paragraph, section, table
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.report.tiles import tiles

SHIFTS = (0, 1, 2)
_SHOWN = 3


def shifted(images: NDArray[np.floating], pixels: int) -> NDArray[np.floating]:
    """Images moved to the right, what comes in from the left being empty.

    Args:
        images: `(samples, height, width, channels)`.
        pixels: How far, less than the width.

    Example:
        >>> shifted(np.arange(1.0, 4).reshape(1, 1, 3, 1), 1).ravel().tolist()
        [0.0, 1.0, 2.0]
    """
    width = images.shape[2]
    before = [(0, 0), (0, 0), (pixels, 0), (0, 0)]
    return np.pad(images, before)[:, :, :width]


def measure(trained: Sequence[Trained]) -> Mapping[str, float]:
    """Accuracy on test images that are shifted by one and by two pixels.

    Args:
        trained: Networks of images and one class.
    """
    return {
        f"{one.name}, shifted by {pixels}": _right(one, pixels)
        for one in trained for pixels in SHIFTS[1:]
    }  # fmt: skip


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """Some test images and what each network says of them at every shift.

    Args:
        trained: Networks of images and one class.
    """
    (images,) = trained[0].data.test.x.values()
    shown = [shifted(images[place : place + 1], pixels)[0] for place in range(_SHOWN)
             for pixels in SHIFTS]  # fmt: skip
    rows = [(one.name, *(_said(one, pixels) for pixels in SHIFTS), _moved(one)) for one in trained]
    lines = [Series(one.name, SHIFTS, [_right(one, far) for far in SHIFTS]) for one in trained]
    columns = ["", *(f"shifted by {pixels}" for pixels in SHIFTS), "how far the output moves"]
    return [
        section(
            "The image shifts, the output watches",
            figure(tiles(np.stack(shown), columns=len(SHIFTS), cell=96), alt="Digits, shifted",
                   caption="Test images, shifted by 0, 1 and 2 pixels", lossless=True),
            table(rows, columns, caption=f"What is said of these {_SHOWN}, and their probability"),
            line_chart(lines, title="Accuracy", x_label="shifted by pixels", y_label="test part"),
            paragraph(
                "How far the output moves: half the sum of the changes of all probabilities when "
                "the image moves by one pixel, the mean over the test part; 1 is another answer "
                "altogether."
            ),
        )
    ]  # fmt: skip


def _outputs(one: Trained, pixels: int, count: int | None = None) -> NDArray[np.floating]:
    (name,) = one.data.test.x
    images = shifted(one.data.test.x[name][:count], pixels)
    return np.asarray(one.model.predict({name: images}, verbose=0, batch_size=256))


def _right(one: Trained, pixels: int) -> float:
    (target,) = one.data.test.y.values()
    return float((_outputs(one, pixels).argmax(-1) == target).mean())


def _said(one: Trained, pixels: int) -> str:
    classes = one.data.targets[0].classes
    said = _outputs(one, pixels, _SHOWN)
    return ", ".join(f"{classes[row.argmax()]} ({row.max():.0%})" for row in said)


def _moved(one: Trained) -> float:
    return float(np.abs(_outputs(one, 1) - _outputs(one, 0)).sum(-1).mean() / 2)
