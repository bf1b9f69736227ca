"""Signs that a captioner goes wrong, told in plain words after every epoch."""

from __future__ import annotations

from gatescope.caption.metrics import Scores

# Where each alarm begins. Flickr8k's people write 99 % distinct captions and 0.1 % bad endings.
LEAST_DISTINCT = 0.25
MOST_BAD_ENDINGS = 0.05
LEAST_GAIN = 0.01


def alarms(scores: Scores, accuracy: float, shuffled: float) -> tuple[str, ...]:
    """Says what looks wrong with the captions of an epoch.

    Args:
        scores: On dev.
        accuracy: Share of next words guessed right beside the right photo.
        shuffled: The same beside another photo's regions.

    Returns:
        One sentence for each alarm; none where all is well.
    """
    told = []
    if scores.distinct < LEAST_DISTINCT:
        told.append(
            f"only {scores.distinct:.0%} of the captions differ from each other: the captioner "
            "says the same of many photos; train longer or lower the dropout"
        )
    if accuracy - shuffled < LEAST_GAIN:
        told.append(
            f"with shuffled photos the next word is right {shuffled:.1%} of the time, with the "
            f"right ones {accuracy:.1%}: the captioner does not look at the photos; train "
            "longer, or check that captions and photos belong together"
        )
    if scores.bad_endings > MOST_BAD_ENDINGS:
        told.append(
            f"{scores.bad_endings:.1%} of the captions break off in mid-phrase ('… with a')"
        )
    return tuple(told)
