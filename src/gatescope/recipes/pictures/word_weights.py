"""What each word of a text contributes to what a network says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from gatescope.data.datasets import Dataset
from gatescope.data.words import PADDING, UNKNOWN
from gatescope.recipes.kinds.agreement import predicted
from gatescope.recipes.kinds.network import Trained
from gatescope.report.html import Html, element, escape, paragraph, section

_SENTENCES = 4  # of the surest right ones, and as many of the surest wrong ones
_FULL = 0.5  # a contribution that is drawn as strong as can be


class Weighed(NamedTuple):
    """A text and what its words do.

    Args:
        words: In their order; unknown ones as a dash.
        weights: How far the probability of `answer` falls when the word is taken for an unknown
            one; negative where the word speaks against it.
        answer: The class that the network says.
        truth: The class that it is.
        probability: Of `answer`.
    """

    words: list[str]
    weights: list[float]
    answer: str
    truth: str
    probability: float


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """Test sentences of which networks are surest, rightly and wrongly.

    Args:
        trained: Networks of one text.
    """
    return [_shown(one) for one in trained]


def _shown(one: Trained) -> Html:
    right, wrong = _surest(one.model, one.data)
    parts = []
    for told, rows in (("Right, and sure of it", right), ("Wrong, and sure of it", wrong)):
        lines = [_line(weighed(one.model, one.data, row)) for row in rows]
        parts += [element("h3", escape(told)), *lines]
    return section(
        "What each word contributes",
        paragraph(
            "How far the probability of what the network says falls when a word is hidden: blue "
            "words speak for its answer, red ones against it. Words that no training text had are "
            "dashes."
        ),
        *parts,
    )


def _surest(model: keras.Model, data: Dataset) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    (target,) = data.targets
    says = _probabilities(model, data, data.test.x[data.inputs[0].name])
    truth = data.test.y[target.name]
    is_right, sure = says.argmax(-1) == truth, says.max(-1)
    right, wrong = (np.flatnonzero(each) for each in (is_right, ~is_right))
    first, second = (rows[np.argsort(-sure[rows])][:_SENTENCES] for rows in (right, wrong))
    return first, second


def weighed(model: keras.Model, data: Dataset, row: int) -> Weighed:
    """Hides each word of a test text in turn.

    Args:
        model: Of one text.
        data: What it learned from.
        row: The text's place in the test part.
    """
    (field,), (target,) = data.inputs, data.targets
    ids = data.test.x[field.name][row]
    places = np.flatnonzero(ids != PADDING)
    hidden = np.repeat(ids[None], len(places) + 1, 0)
    hidden[np.arange(len(places)), places] = UNKNOWN
    says = _probabilities(model, data, hidden)
    answer = int(says[-1].argmax())
    return Weighed(
        words=["–" if ids[place] == UNKNOWN else field.classes[ids[place]] for place in places],
        weights=(says[-1, answer] - says[:-1, answer]).tolist(),
        answer=target.classes[answer],
        truth=target.classes[int(data.test.y[target.name][row])],
        probability=float(says[-1, answer]),
    )


def _probabilities(
    model: keras.Model, data: Dataset, ids: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Of each class, also where the network has one output for two."""
    (answer,) = predicted(model, {data.inputs[0].name: ids})
    return np.concatenate([1 - answer, answer], -1) if answer.shape[-1] == 1 else answer


def _line(text: Weighed) -> Html:
    words = [_word(word, weight) for word, weight in zip(text.words, text.weights, strict=True)]
    verdict = f"{text.answer}, {text.probability:.0%}; it is {text.truth}: "
    return element("p", element("b", escape(verdict)), *words)


def _word(word: str, weight: float) -> Html:
    strength = min(abs(weight) / _FULL, 1)
    colour = "66, 133, 244" if weight > 0 else "219, 68, 55"
    style = f"background: rgba({colour}, {strength:.2f}); border-radius: 3px; padding: 0 2px"
    return element("span", escape(f"{word} "), style=style, title=f"{weight:+.3f}")
