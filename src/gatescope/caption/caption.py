"""What a captioner says of a photo: words, and where each came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gatescope.caption.faithfulness import Proof
from gatescope.errors import PhotoError, UsageError
from gatescope.scope.neuron import Neuron

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Word:
    """One word of a caption and where it came from.

    Args:
        text: The word.
        region: The region with the largest weight, `(y0, x0, y1, x1)` relative to the photo.
        weight: That region's share of the attention, in [0, 1].
        logprob: Natural logarithm of the word's probability.
        entropy: Of the attention over regions and sentinel, in bits; flat attention, which
            explains nothing, has the logarithm of their number.
        visual: Whether regions together outweigh the sentinel, which stands for "no need to
            look" (Lu et al. 2017).
        proof: What masking the region did to the word, where it was asked for.
        opened: Opens the word's score, given the number of terms; see `neuron`.
    """

    text: str
    region: Box
    weight: float
    logprob: float
    entropy: float
    visual: bool
    proof: Proof | None = None
    opened: Callable[[int], Neuron] | None = field(default=None, repr=False, compare=False)

    def neuron(self, terms: int = 8) -> Neuron:
        """Opens the word's score as a circuit: what pushed it up, and what held it down.

        The captioner reads the photo and the caption again, recording every gate; `follow()` on
        the neuron leads on, through the regions' features, to the pixels.

        Args:
            terms: How many terms of a sum are drawn; one wire has the exact sum of the others.

        Returns:
            The circuit of the word's logit.

        Raises:
            UsageError: The word comes from elsewhere than a captioner.

        Example:
            >>> neuron = captioner.caption("photo.jpg").words[1].neuron()
            >>> list(neuron.contributions.items())[:2]
        """
        if self.opened is None:
            raise UsageError(
                f"the word {self.text!r} was not made by a captioner",
                "a word of a caption as captioner.caption(photo) gives it",
                "gs.load_captioner().caption(photo).words[0].neuron()",
            )
        return self.opened(terms)


@dataclass(frozen=True, eq=False)
class Caption:
    """A photo's caption.

    Args:
        source: File, or pixels `(height, width, 3)`.
        text: The caption.
        words: Its words in order.
        confidence: Calibrated on dev, in [0, 1].
        sure: False where confidence is below the bundle's threshold.
        alternatives: Other captions of the beam, best first.
    """

    source: Path | NDArray[np.uint8]
    text: str
    words: tuple[Word, ...]
    confidence: float
    sure: bool
    alternatives: tuple[str, ...]

    @property
    def path(self) -> Path | None:
        """The photo's file; None where pixels were given."""
        return self.source if isinstance(self.source, Path) else None

    def to_dict(self) -> dict[str, object]:
        """Plain data for a JSON line."""
        told = {
            name: getattr(self, name) for name in ("text", "confidence", "sure", "alternatives")
        }
        words = [asdict(replace(word, opened=None)) for word in self.words]
        for word in words:
            del word["opened"]
        return {"photo": str(self.path) if self.path else None, **told, "words": words}


@dataclass(frozen=True)
class PhotoFailure:
    """A photo that could not be captioned.

    Args:
        path: The photo's file.
        error: Why.
    """

    path: Path
    error: PhotoError
