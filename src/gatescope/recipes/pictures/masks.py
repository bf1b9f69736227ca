"""Dropout at work: its masks, and what a network says when they stay on while it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from gatescope.data.datasets import Part
from gatescope.recipes.kinds.network import Trained
from gatescope.report.html import Html, figure, join, paragraph, section, table
from gatescope.report.tiles import tiles

PASSES = 20
_BATCH = 256
_SHOWN = 8
_DRAWN = 4
_ENLARGED = 2


def measure(trained: Sequence[Trained]) -> Mapping[str, float]:
    """Gaps between training and test, and what the votes of the last network are worth.

    Args:
        trained: Networks of one class each, the last with dropout.
    """
    last = trained[-1]
    true = _true(last)
    voted = votes(last.model, last.data.test)
    once = _probabilities(last.model.predict(dict(last.data.test.x), verbose=0, batch_size=_BATCH))
    gaps = {f"gap: {one.name}": one.scores["train"] - one.scores["test"] for one in trained}
    return gaps | {
        f"{PASSES} votes": _right(voted.mean(0), true),
        "log loss of one pass": _log_loss(once, true),
        f"log loss of {PASSES} votes": _log_loss(voted.mean(0), true),
        "mistakes found by undecided votes (ROC AUC)": _found(voted.mean(0), true),
        "mistakes found by one pass (ROC AUC)": _found(once, true),
    }


def pictures(trained: Sequence[Trained]) -> Sequence[Html]:
    """Masks of the last network, and the photos of which it is surest and least sure.

    Args:
        trained: Networks of photos and one class, the last with dropout.
    """
    return [_masks(trained[-1]), _doubts(trained[-1])]


def votes(model: keras.Model, part: Part, passes: int = PASSES) -> NDArray[np.float32]:
    """Predictions with dropout left on (Gal & Ghahramani 2016, arXiv:1506.02142).

    Args:
        model: With dropout, and without batch normalization, which would go by the batch.
        part: Samples.
        passes: How often each is predicted, with other masks every time.

    Returns:
        `(passes, samples, classes)`.
    """
    call = tf.function(model, reduce_retracing=True)

    def once() -> NDArray[np.float32]:
        said = [
            np.asarray(call({name: x[start : start + _BATCH] for name, x in part.x.items()},
                            training=True))
            for start in range(0, len(part), _BATCH)
        ]  # fmt: skip
        return _probabilities(np.concatenate(said))

    return np.stack([once() for _ in range(passes)])


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """How undecided probabilities are, in nats: 0 for certain, ln(classes) for all alike.

    Args:
        probabilities: Along the last axis.

    Example:
        >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(3).tolist()
        [0.0, 0.693]
    """
    safe = np.clip(probabilities, 1e-12, 1)
    return np.asarray(-(probabilities * np.log(safe)).sum(-1)) + 0.0


def _probabilities(said: NDArray[np.floating]) -> NDArray[np.float32]:
    """Of every class, where a network of two classes gives that of the second alone."""
    return np.concatenate([1 - said, said], -1) if said.shape[-1] == 1 else said


def _true(one: Trained) -> NDArray[np.integer]:
    (target,) = one.data.test.y.values()
    return target.ravel()


def _right(probabilities: NDArray[np.floating], true: NDArray[np.integer]) -> float:
    return float((probabilities.argmax(-1) == true).mean())


def _log_loss(probabilities: NDArray[np.floating], true: NDArray[np.integer]) -> float:
    chosen = probabilities[np.arange(len(true)), true]
    return float(-np.log(np.clip(chosen, 1e-7, 1)).mean())


def _found(probabilities: NDArray[np.floating], true: NDArray[np.integer]) -> float:
    """Whether mistakes are less decided than right answers: 0.5 by chance, 1 always."""
    wrong = probabilities.argmax(-1) != true
    if wrong.all() or not wrong.any():
        return float("nan")
    return float(roc_auc_score(wrong, entropy(probabilities)))


def _masks(one: Trained) -> Html:
    layers = [each for each in one.model.layers if _drops(each)]
    shown = [
        figure(_mask(layer), alt=f"Masks of {layer.name}", lossless=True,
               caption=f"{layer.name}: {layer.rate:.0%} of {layer.input.shape[-1]} "
                       f"{'units' if len(layer.input.shape) == 2 else 'channels'} left out")
        for layer in layers
    ]  # fmt: skip
    told = f"Each square is one step's draw for {one.name}: black is left out, white is enlarged."
    return section("Masks", paragraph(told), *shown)


def _drops(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.Dropout | keras.layers.SpatialDropout2D)


def _mask(layer: keras.Layer) -> NDArray[np.uint8]:
    """What the layer does to ones, four times, laid out as nearly square as goes."""
    units = layer.input.shape[-1]
    ones = tf.ones((_DRAWN, *[1] * (len(layer.input.shape) - 2), units))
    kept = np.asarray(layer(ones, training=True)).reshape(_DRAWN, units) > 0
    rows = max(side for side in range(1, int(units**0.5) + 1) if units % side == 0)
    return tiles(kept.reshape(_DRAWN, rows, units // rows, 1), columns=_DRAWN)


def _doubts(one: Trained) -> Html:
    voted = votes(one.model, one.data.test)
    undecided = entropy(voted.mean(0))
    order = np.argsort(undecided, kind="stable")
    quarters = [
        (name, float(undecided[chosen].mean()), _right(voted.mean(0)[chosen], _true(one)[chosen]))
        for name, chosen in zip(_QUARTERS, np.array_split(order, 4), strict=True)
    ]
    return section(
        "Votes",
        paragraph(
            f"{PASSES} passes of {one.name} with dropout left on. Where they disagree, their mean "
            "is undecided, and wrong more often."
        ),
        table(quarters, ["test photos", "entropy (nats)", "right"], caption="By agreement"),
        *(_photos(one, voted, chosen, title)
          for title, chosen in (("Surest", order[:_SHOWN]), ("Least sure", order[-_SHOWN:]))),
    )  # fmt: skip


_QUARTERS = ("surest quarter", "second", "third", "least sure quarter")


def _photos(
    one: Trained, voted: NDArray[np.float32], chosen: NDArray[np.integer], title: str
) -> Html:
    (images,) = one.data.test.x.values()
    large = images[chosen].repeat(_ENLARGED, 1).repeat(_ENLARGED, 2)
    classes = one.data.targets[0].classes
    said = [
        ", ".join(f"{classes[place]} {share:.0%}" for place, share in _first(voted[:, sample]))
        for sample in chosen
    ]
    rows = [
        (classes[_true(one)[sample]], text) for sample, text in zip(chosen, said, strict=True)
    ]  # fmt: skip
    drawn = tiles(large, columns=4, span=(0, 255))
    return join(
        figure(drawn, alt=title, caption=f"{title}, row by row", lossless=True),
        table(rows, ["is", "votes"], caption=title),
    )


def _first(voted: NDArray[np.float32]) -> list[tuple[int, float]]:
    """The three classes that most passes vote for, and their shares."""
    counts = np.bincount(voted.argmax(-1), minlength=voted.shape[-1]) / len(voted)
    return [
        (int(place), float(counts[place])) for place in np.argsort(-counts)[:3] if counts[place]
    ]
