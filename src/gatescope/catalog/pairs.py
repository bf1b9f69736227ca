"""What goes with what: last activation, loss and labels, one row each; hidden activation, start."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Target = Literal["number", "numbers", "binary", "classes", "labels"]


class Pair(NamedTuple):
    """A last activation and a loss that fit, and the labels that both are for."""

    activation: str
    loss: str
    labels: str
    needs: str = ""  # what the loss must be told


_NUMBERS = "numbers, shaped as the output"
_COUNTS = "numbers of 0 and above, shaped as the output"
_YES_NO = "0 or 1, shaped as the output"
_ONE_HOT = "one-hot or probabilities, (batch, classes)"
_WHOLE = "whole numbers from 0, (batch,) or (batch, 1)"
_MASKS = "masks of 0 and 1, shaped as the output"
_SIGNS = "−1 or 1 (or 0 and 1), shaped as the output"
_LOGITS = "from_logits=True"

PAIRS = (
    Pair("linear", "mean_squared_error", _NUMBERS),
    Pair("linear", "mean_absolute_error", _NUMBERS),
    Pair("linear", "huber", _NUMBERS),
    Pair("linear", "log_cosh", _NUMBERS),
    Pair("tanh", "mean_squared_error", "numbers from −1 to 1, shaped as the output"),
    Pair("sigmoid", "mean_squared_error", "numbers from 0 to 1, shaped as the output"),
    Pair("softplus", "mean_absolute_percentage_error", "numbers above 0, shaped as the output"),
    Pair("softplus", "mean_squared_logarithmic_error", _COUNTS),
    Pair("exponential", "poisson", _COUNTS),
    Pair("softplus", "poisson", _COUNTS),
    Pair("linear", "cosine_similarity", "vectors, shaped as the output"),
    Pair("sigmoid", "binary_crossentropy", _YES_NO),
    Pair("linear", "binary_crossentropy", _YES_NO, _LOGITS),
    Pair("sigmoid", "binary_focal_crossentropy", _YES_NO),
    Pair("linear", "binary_focal_crossentropy", _YES_NO, _LOGITS),
    Pair("softmax", "categorical_crossentropy", _ONE_HOT),
    Pair("linear", "categorical_crossentropy", _ONE_HOT, _LOGITS),
    Pair("softmax", "sparse_categorical_crossentropy", _WHOLE),
    Pair("linear", "sparse_categorical_crossentropy", _WHOLE, _LOGITS),
    Pair("softmax", "categorical_focal_crossentropy", _ONE_HOT),
    Pair("linear", "categorical_focal_crossentropy", _ONE_HOT, _LOGITS),
    Pair("softmax", "categorical_generalized_cross_entropy", "whole numbers from 0, (batch,)"),
    Pair("softmax", "kl_divergence", "probabilities, (batch, classes)"),
    Pair("linear", "hinge", _SIGNS),
    Pair("tanh", "hinge", _SIGNS),
    Pair("linear", "squared_hinge", _SIGNS),
    Pair("tanh", "squared_hinge", _SIGNS),
    Pair("linear", "categorical_hinge", "one-hot, (batch, classes)"),
    Pair("sigmoid", "dice", _MASKS),
    Pair("sigmoid", "tversky", _MASKS),
    Pair("linear", "circle", "whole numbers, (batch,)", "UnitNormalization behind the output"),
    Pair("linear", "ctc", "whole numbers from 1, 0 as padding, (batch, longest)"),
)


def pairs_of(name: str) -> tuple[Pair, ...]:
    """The pairs that an activation or a loss is in.

    Args:
        name: As the catalog spells it.

    Example:
        >>> [pair.loss for pair in pairs_of("exponential")]
        ['poisson']
    """
    return tuple(pair for pair in PAIRS if name in (pair.activation, pair.loss))


_FOR: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "number": ("numbers",),
        "numbers": ("numbers", "vectors"),
        "binary": ("0 or 1", "−1 or 1"),
        "classes": ("whole numbers from 0", "one-hot", "probabilities"),
        "labels": ("0 or 1", "−1 or 1", "masks"),
    }
)
"""How the labels of each kind of target begin, the usual ones first."""


def pairs_for(target: Target) -> tuple[Pair, ...]:
    """The pairs for a kind of target that need nothing more, the usual one first.

    Args:
        target: A number or several; yes or no; one class of several; any of several labels.

    Example:
        >>> pairs_for("classes")[0][:2]
        ('softmax', 'sparse_categorical_crossentropy')
    """
    return tuple(
        pair
        for labels in _FOR[target]
        for pair in PAIRS
        if pair.labels.startswith(labels) and not pair.needs
    )


_SMOOTH_RELUS = {"elu", "celu", "gelu", "silu", "mish", "softplus", "squareplus", "sparse_plus"}
_KIN_OF_RELU = {"relu", "leaky_relu", "relu6", "hard_silu"} | _SMOOTH_RELUS


def initializer_for(activation: str) -> str:
    """The initializer that keeps signals as strong as they came, by the activation behind it.

    Args:
        activation: As the catalog spells it.

    Example:
        >>> initializer_for("relu"), initializer_for("tanh"), initializer_for("selu")
        ('he_normal', 'glorot_uniform', 'lecun_normal')
    """
    if activation in _KIN_OF_RELU:
        return "he_normal"
    return "lecun_normal" if activation == "selu" else "glorot_uniform"
