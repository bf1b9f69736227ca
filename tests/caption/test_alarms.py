"""What is said of a captioner that goes wrong."""

from dataclasses import replace

import pytest

from gatescope.caption.alarms import alarms
from gatescope.caption.metrics import Scores

WELL = Scores(0.6, 0.4, 0.3, 0.2, 0.4, cider=0.5, bad_endings=0.01, distinct=0.6)


def test_nothing_is_said_where_all_is_well() -> None:
    assert alarms(WELL, 0.40, 0.30) == ()


def test_the_same_caption_for_every_photo_is_told() -> None:
    (told,) = alarms(replace(WELL, distinct=0.02), 0.40, 0.30)
    assert told == (
        "only 2% of the captions differ from each other: the captioner says the same of many "
        "photos; train longer or lower the dropout"
    )


def test_a_captioner_that_does_not_look_is_told() -> None:
    (told,) = alarms(WELL, 0.402, 0.398)
    assert told == (
        "with shuffled photos the next word is right 39.8% of the time, with the right ones "
        "40.2%: the captioner does not look at the photos; train longer, or check that captions "
        "and photos belong together"
    )


def test_captions_that_break_off_are_told() -> None:
    (told,) = alarms(replace(WELL, bad_endings=0.123), 0.40, 0.30)
    assert told == "12.3% of the captions break off in mid-phrase ('… with a')"


@pytest.mark.parametrize(
    ("scores", "shuffled"),
    [
        (replace(WELL, distinct=0.25), 0.30),
        (replace(WELL, bad_endings=0.05), 0.30),
        (WELL, 0.39),
    ],
)
def test_an_alarm_begins_beyond_its_threshold(scores: Scores, shuffled: float) -> None:
    assert alarms(scores, 0.40625, shuffled) == ()


def test_all_alarms_can_ring_at_once() -> None:
    assert len(alarms(replace(WELL, distinct=0.0, bad_endings=1.0), 0.1, 0.2)) == 3
