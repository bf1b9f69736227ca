"""A photo under its regions, with its words beside it; its behaviour is in `captioned_photo.js`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, final

from nicegui import ui

from gatescope.studio.rooms.captions.photos import Photo

if TYPE_CHECKING:
    from gatescope.caption.inspection import Inspection

Box = tuple[float, float, float, float]

_HINT = (
    "Point at a word to see where the captioner looked before it said it; click it to ask further. "
    "Below each word is the entropy of its attention, beside that of looking everywhere alike. "
    "Where the bar is brown it is nearly flat, and no evidence for any region. Grey words needed "
    "no look. The outlines are the regions found, stronger where it is surer of a thing."
)


@final
class CaptionedPhoto(ui.element, component="captioned_photo.js"):
    """A photo whose regions light up with the words that they made.

    Args:
        on_word: Gets the place of a word that was clicked.
        on_box: Gets the sides of a region that was drawn, `(y0, x0, y1, x1)` relative to the
            photo.
    """

    def __init__(self, on_word: Callable[[int], Any], on_box: Callable[[Box], Any]) -> None:
        super().__init__()
        self._props |= {"mask": f"look-{self.id}", "hint": _HINT, "outlines": True}
        self._count = 0
        self.clear_words()
        # What comes from a browser is checked, whoever wrote its page.
        self.on("word", lambda event: self._clicked(event.args, on_word))
        self.on("box", lambda event: self._drawn(event.args, on_box))

    def show_photo(self, photo: Photo) -> None:
        """Shows a photo that is not captioned yet.

        Args:
            photo: The photo.
        """
        self._props |= {
            "source": photo.picture, "width": photo.width, "height": photo.height, "box": None,
            "label": f"Photo {photo.name}",
        }  # fmt: skip
        self.clear_words()

    def clear_words(self) -> None:
        """Shows the photo alone."""
        self._count = 0
        self._props |= {"words": [], "regions": [], "proposed": 0, "selected": None}
        self.update()

    def show(self, inspection: Inspection, name: str, box: Box | None) -> None:
        """Shows a caption, its words and its regions.

        Args:
            inspection: The caption.
            name: Of the photo.
            box: A region of the visitor's own.
        """
        from gatescope.caption.view import FLAT, flatness, look_told, looks

        words = inspection.caption.words
        self._count = len(words)
        self._props |= {
            "label": f"Photo {name}. Captioned: {inspection.caption.text}.",
            "box": box,
            "selected": None,
            "regions": [
                {"box": sides.tolist(), "score": float(score)}
                for sides, score in zip(inspection.boxes, inspection.objectness, strict=True)
            ],
            "proposed": inspection.proposed,
            "words": [
                {
                    "text": word.text, "visual": word.visual, "told": look_told(inspection, place),
                    "bits": f"{word.entropy:.1f} of {inspection.most_entropy:.1f}",
                    "flatness": min(flatness(inspection, place), 1.0),
                    "flat": flatness(inspection, place) >= FLAT,
                    "looks": [tuple(look) for look in looks(inspection, place)],
                }
                for place, word in enumerate(words)
            ],
        }  # fmt: skip
        self.update()

    def select(self, place: int | None) -> None:
        """Keeps a word lit.

        Args:
            place: Of the word; None for none.
        """
        self._props["selected"] = place
        self.update()

    def set_drawing(self, drawing: bool) -> None:
        """Lets a finger draw a region in place of scrolling.

        Args:
            drawing: Whether.
        """
        self._props["drawing"] = drawing
        self.update()

    def _clicked(self, place: object, on_word: Callable[[int], Any]) -> Any:
        return on_word(place) if isinstance(place, int) and 0 <= place < self._count else None

    def _drawn(self, sides: object, on_box: Callable[[Box], Any]) -> Any:
        return on_box(box) if (box := box_of(sides)) else None


def box_of(sides: object) -> Box | None:
    """A box, where it is one inside a photo.

    Args:
        sides: Four numbers `(y0, x0, y1, x1)` relative to the photo, or anything else.
    """
    if not isinstance(sides, Sequence) or len(sides) != 4:
        return None
    try:
        y0, x0, y1, x1 = map(float, sides)
    except (TypeError, ValueError):
        return None
    inside = 0 <= y0 < y1 <= 1 and 0 <= x0 < x1 <= 1
    return (y0, x0, y1, x1) if inside else None
