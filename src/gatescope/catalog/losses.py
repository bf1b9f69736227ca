"""The losses of Keras: one row each, y the target and ŷ the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from types import MappingProxyType

from gatescope.catalog.rows import ANY, POSITIVE, UNIT, Interval, Loss, Setting
from gatescope.circuits.losses import LOSSES as CIRCUITS

_SIGNED = Interval(-1, 1)
_OPEN_UNIT = Interval(0.02, 0.98)  # where logarithms and their derivatives still fit a drawing
_PAIR = (("target0", 1.0), ("target1", 0.0), ("prediction1", 0.5))
_SMOOTHING = Setting("label_smoothing", 0.0, Interval(0, 0.2), "how far labels give way")
_GAMMA = Setting("gamma", 2.0, Interval(0.5, 5), "γ, how much what is right already counts less")
_P0 = "prediction0/(prediction0 + prediction1)"
_P1 = "prediction1/(prediction0 + prediction1)"
_OVERLAP = "(target0*prediction0 + target1*prediction1)"
_TRUE = "(target*prediction + (1 - target)*(1 - prediction))"

_ROWS = (
    Loss(
        "mean_squared_error",
        "keras.losses.MeanSquaredError",
        "(ŷ − y)²",
        "2·(ŷ − y)",
        CIRCUITS["squared"],
        aliases=("mse",),
        window=Interval(-2, 4),
        advice="The first choice for regression with a linear output; scale the targets. One "
        "outlier weighs as its square: huber is milder. Not for classes.",
    ),
    Loss(
        "mean_absolute_error",
        "keras.losses.MeanAbsoluteError",
        "|ŷ − y|",
        "sign(ŷ − y)",
        CIRCUITS["absolute"],
        aliases=("mae",),
        window=Interval(-2, 4),
        advice="For regression with outliers; it learns the median. Its gradient is as large "
        "beside the target as far from it: let the learning rate fall.",
    ),
    Loss(
        "mean_absolute_percentage_error",
        "keras.losses.MeanAbsolutePercentageError",
        "100·|ŷ − y|/max(|y|, 10^−7)",
        "100·sign(ŷ − y)/max(|y|, 10^−7)",
        "100*abs((target - prediction)/max(abs(target), 1e-07))",
        aliases=("mape",),
        window=Interval(-2, 4),
        advice="For positive targets far from 0. A target of 0 makes it explode, and it prefers "
        "predictions that are too low.",
    ),
    Loss(
        "mean_squared_logarithmic_error",
        "keras.losses.MeanSquaredLogarithmicError",
        "(log(1 + max(ŷ, 10^−7)) − log(1 + max(y, 10^−7)))²",
        "2·(log(1 + ŷ) − log(1 + max(y, 10^−7)))/(1 + ŷ) if ŷ ≥ 10^−7, else 0",
        "(log(max(prediction, 1e-07) + 1) - log(max(target, 1e-07) + 1))**2",
        predictions=POSITIVE,
        targets=POSITIVE,
        saturates=(Interval(-inf, 0),),
        aliases=("msle",),
        window=Interval(-1, 5),
        advice="For targets of 0 and above that span powers of ten, such as prices and counts. "
        "Negative predictions get no gradient: end in softplus or relu.",
    ),
    Loss(
        "huber",
        "keras.losses.Huber",
        "(ŷ − y)²/2 if |ŷ − y| ≤ δ, else δ·|ŷ − y| − δ²/2",
        "min(max(ŷ − y, −δ), δ)",
        "0.5*min(abs(prediction - target), delta)**2"
        " + delta*max(0, abs(prediction - target) - delta)",
        settings=(Setting("delta", 1.0, Interval(0.5, 5), "δ, up to which misses are squared"),),
        window=Interval(-2, 4),
        advice="Regression with some outliers: squared near the target, straight beyond δ. Choose "
        "δ as the size of a usual miss.",
        source="Huber 1964",
    ),
    Loss(
        "log_cosh",
        "keras.losses.LogCosh",
        "log(cosh(ŷ − y))",
        "tanh(ŷ − y)",
        "prediction - target + softplus(-2*(prediction - target)) - 0.6931471805599453",
        window=Interval(-2, 4),
        advice="Much like huber with δ = 1, without a setting and smooth everywhere.",
    ),
    Loss(
        "poisson",
        "keras.losses.Poisson",
        "ŷ − y·log(ŷ + 10^−7)",
        "1 − y/(ŷ + 10^−7)",
        "prediction - target*log(prediction + 1e-07)",
        range=ANY,
        predictions=POSITIVE,
        targets=POSITIVE,
        window=Interval(0.1, 5),
        advice="For counts: ŷ is the expected number, so end in exponential or softplus. A "
        "negative prediction is NaN. It may be below 0: what counts is that it falls.",
    ),
    Loss(
        "cosine_similarity",
        "keras.losses.CosineSimilarity",
        "−Σ yᵢ·ŷᵢ/(‖y‖·‖ŷ‖)",
        "−(yᵢ/‖y‖ + L·ŷᵢ/‖ŷ‖)/‖ŷ‖",
        f"-{_OVERLAP}/(sqrt(target0**2 + target1**2)*sqrt(prediction0**2 + prediction1**2))",
        range=_SIGNED,
        window=Interval(-3, 3),
        given=_PAIR,
        advice="For directions, such as embeddings; −1 is best. Lengths are not looked at, and a "
        "vector of zeros has no direction to learn from.",
    ),
    Loss(
        "binary_crossentropy",
        "keras.losses.BinaryCrossentropy",
        "−y·log(ŷ) − (1 − y)·log(1 − ŷ)",
        "(ŷ − y)/(ŷ·(1 − ŷ))",
        CIRCUITS["log_loss"],
        predictions=UNIT,
        targets=UNIT,
        settings=(_SMOOTHING,),
        aliases=("bce",),
        window=_OPEN_UNIT,
        advice="Yes or no, or several labels at once: one sigmoid a question. With "
        "from_logits=True and a linear output it is exact where a sigmoid rounds to 0 or 1; the "
        "gradient on the logit is ŷ − y.",
        source="Good 1952",
    ),
    Loss(
        "binary_focal_crossentropy",
        "keras.losses.BinaryFocalCrossentropy",
        "−(1 − pₜ)^γ·log(pₜ), where pₜ = y·ŷ + (1 − y)·(1 − ŷ)",
        "(2·y − 1)·(γ·(1 − pₜ)^(γ − 1)·log(pₜ) − (1 − pₜ)^γ/pₜ), where pₜ = y·ŷ + (1 − y)·(1 − ŷ)",
        f"-(1 - {_TRUE})**gamma*(target*log(prediction) + (1 - target)*log(1 - prediction))",
        predictions=UNIT,
        targets=UNIT,
        settings=(
            _GAMMA,
            Setting("alpha", 0.25, Interval(0.1, 0.75), "weight of label 1, if asked to balance"),
            _SMOOTHING,
        ),
        window=_OPEN_UNIT,
        advice="Yes or no where one answer is rare: what is right already hardly counts. α works "
        "only with apply_class_balancing=True.",
        source="Lin et al. 2017, arXiv:1708.02002",
    ),
    Loss(
        "categorical_crossentropy",
        "keras.losses.CategoricalCrossentropy",
        "−Σ yᵢ·log(ŷᵢ/Σŷ)",
        "Σy/Σŷ − yᵢ/ŷᵢ",
        f"-(target0*log({_P0}) + target1*log({_P1}))",
        predictions=UNIT,
        targets=UNIT,
        settings=(_SMOOTHING,),
        window=_OPEN_UNIT,
        given=_PAIR,
        advice="One class of several, labels one-hot or as probabilities. With from_logits=True "
        "and a linear output nothing rounds to 0; the gradient on the logits is ŷ − y.",
        source="Good 1952",
    ),
    Loss(
        "sparse_categorical_crossentropy",
        "keras.losses.SparseCategoricalCrossentropy",
        "−log(ŷₖ/Σŷ), k being the label",
        "1/Σŷ − (1/ŷₖ if i == k, else 0)",
        f"-log({_P0})",
        predictions=UNIT,
        targets=Interval(0, inf),
        window=_OPEN_UNIT,
        given=(("prediction1", 0.5),),
        advice="One class of several, labels as whole numbers from 0: the same as "
        "categorical_crossentropy, without the memory for one-hot labels. The circuit is for "
        "label 0.",
        source="Good 1952",
    ),
    Loss(
        "categorical_focal_crossentropy",
        "keras.losses.CategoricalFocalCrossentropy",
        "−Σ α·(1 − pᵢ)^γ·yᵢ·log(pᵢ), where pᵢ = ŷᵢ/Σŷ",
        "(dᵢ − Σdp)/Σŷ, where dᵢ = α·yᵢ·(γ·(1 − pᵢ)^(γ − 1)·log(pᵢ) − (1 − pᵢ)^γ/pᵢ)",
        f"-alpha*((1 - {_P0})**gamma*target0*log({_P0}) + (1 - {_P1})**gamma*target1*log({_P1}))",
        predictions=UNIT,
        targets=UNIT,
        settings=(
            _GAMMA,
            Setting("alpha", 0.25, Interval(0.1, 1), "α, a factor on all"),
            _SMOOTHING,
        ),
        window=_OPEN_UNIT,
        given=_PAIR,
        advice="One class of several, some of them rare. With α = 0.25 the loss is a quarter as "
        "large as it would be: so is every gradient.",
        source="Lin et al. 2017, arXiv:1708.02002",
    ),
    Loss(
        "categorical_generalized_cross_entropy",
        "keras.losses.CategoricalGeneralizedCrossEntropy",
        "(1 − ŷₖ^q)/q, k being the label",
        "−ŷₖ^(q − 1) if i == k, else 0",
        "(1 - prediction0**q)/q",
        range=Interval(0, 2),
        predictions=UNIT,
        targets=Interval(0, inf),
        settings=(Setting("q", 0.5, Interval(0.3, 0.9), "near 0 cross-entropy, 1 absolute error"),),
        window=_OPEN_UNIT,
        given=(),
        advice="One class of several where labels are often wrong. Labels are whole numbers of "
        "shape (batch,): with (batch, 1) Keras 3.15 silently compares every label with every row. "
        "The circuit is for label 0.",
        source="Zhang & Sabuncu 2018, arXiv:1805.07836",
    ),
    Loss(
        "kl_divergence",
        "keras.losses.KLDivergence",
        "Σ yᵢ·log(yᵢ/ŷᵢ)",
        "−yᵢ/ŷᵢ",
        "target0*log(target0/prediction0) + target1*log(target1/prediction1)",
        predictions=UNIT,
        targets=UNIT,
        aliases=("kld",),
        window=_OPEN_UNIT,
        given=(("target0", 0.7), ("target1", 0.3), ("prediction1", 0.5)),
        advice="How far ŷ is from a target distribution, as in distillation. Its gradients are "
        "cross-entropy's; the value is 0 where both are equal, which cross-entropy's is not.",
        source="Kullback & Leibler 1951",
    ),
    Loss(
        "hinge",
        "keras.losses.Hinge",
        "max(1 − y·ŷ, 0)",
        "−y if y·ŷ ≤ 1, else 0",
        CIRCUITS["hinge"],
        targets=_SIGNED,
        saturates=(Interval(1, inf),),
        window=Interval(-2, 4),
        advice="Yes or no by a margin, as a support vector machine: labels −1 and 1 (0 and 1 are "
        "turned into them), a linear or tanh output.",
        source="Cortes & Vapnik 1995",
    ),
    Loss(
        "squared_hinge",
        "keras.losses.SquaredHinge",
        "max(1 − y·ŷ, 0)²",
        "−2·y·max(1 − y·ŷ, 0)",
        "max(1 - target*prediction, 0)**2",
        targets=_SIGNED,
        saturates=(Interval(1, inf),),
        window=Interval(-2, 4),
        advice="A hinge without a corner, harder on large misses.",
        source="Tang 2013, arXiv:1306.0239",
    ),
    Loss(
        "categorical_hinge",
        "keras.losses.CategoricalHinge",
        "max(max((1 − yᵢ)·ŷᵢ) − Σ yᵢ·ŷᵢ + 1, 0)",
        "−1 on the label's score, 1 on the highest other, while the margin is below 1, else 0",
        f"max(max((1 - target0)*prediction0, (1 - target1)*prediction1) - {_OVERLAP} + 1, 0)",
        targets=UNIT,
        saturates=(Interval(1.5, inf),),
        window=Interval(-2, 4),
        given=_PAIR,
        advice="One class of several by a margin; one-hot labels, a linear output. No "
        "probabilities come out.",
        source="Crammer & Singer 2001",
    ),
    Loss(
        "dice",
        "keras.losses.Dice",
        "1 − 2·Σ yᵢ·ŷᵢ/(Σy + Σŷ + 10^−7)",
        "2·(Σyŷ/(Σy + Σŷ) − yᵢ)/(Σy + Σŷ)",
        f"1 - 2*{_OVERLAP}/(target0 + target1 + prediction0 + prediction1 + 1e-07)",
        range=UNIT,
        predictions=UNIT,
        targets=UNIT,
        window=UNIT,
        given=_PAIR,
        advice="Masks where most pixels are background. It counts over the whole batch unless "
        "axis says otherwise; often added to binary_crossentropy.",
        source="Milletari, Navab & Ahmadi 2016, arXiv:1606.04797",
    ),
    Loss(
        "tversky",
        "keras.losses.Tversky",
        "1 − T/(T + α·Σ yᵢ·(1 − ŷᵢ) + β·Σ (1 − yᵢ)·ŷᵢ + 10^−7), where T = Σ yᵢ·ŷᵢ",
        "(T·(yᵢ·(1 − α − β) + β) − yᵢ·N)/N², where N = T + α·Σy + β·Σŷ − (α + β)·T",
        f"1 - {_OVERLAP}/({_OVERLAP}"
        " + alpha*(target0*(1 - prediction0) + target1*(1 - prediction1))"
        " + beta*((1 - target0)*prediction0 + (1 - target1)*prediction1) + 1e-07)",
        range=UNIT,
        predictions=UNIT,
        targets=UNIT,
        settings=(
            Setting("alpha", 0.5, Interval(0.3, 0.7), "α, weight of what was missed"),
            Setting("beta", 0.5, Interval(0.3, 0.7), "β, weight of false alarms"),
        ),
        window=UNIT,
        given=_PAIR,
        advice="A dice that can weigh misses against false alarms. Keras 3.15 computes α for "
        "misses and β for false alarms, the other way round than its documentation says.",
        source="Salehi, Erdogmus & Gholipour 2017, arXiv:1706.05721",
    ),
    Loss(
        "circle",
        "keras.losses.Circle",
        "log(1 + Σ exp(γ·max(1 + m − d, 0)·(1 − m − d))·Σ exp(−γ·(m + d)·(m − d))), "
        "d = 1 − cosine, over others and over the same class",
        "by the chain of both sums; largest for pairs that are furthest from where they should be",
        "softplus(gamma*(relu(1 + margin - prediction0)*(1 - margin - prediction0)"
        " - (margin + prediction1)*(margin - prediction1)))",
        predictions=_SIGNED,
        settings=(
            Setting("gamma", 80.0, Interval(32, 256), "γ, how sharp it is"),
            Setting("margin", 0.4, Interval(0.2, 0.5), "m, how much is asked for"),
        ),
        window=Interval(0, 1.4),
        given=(("prediction1", 0.4),),
        targets=Interval(0, inf),
        advice="Embeddings for search: whole-number labels, outputs of length 1 "
        "(UnitNormalization), several photos of a class in each batch. The circuit is for one "
        "stranger at distance prediction0 and one of the same class at prediction1.",
        source="Sun et al. 2020, arXiv:2002.10857",
    ),
    Loss(
        "ctc",
        "keras.losses.CTC",
        "−log(Σ over alignments of Π softmax(ŷ)ₜ)",
        "softmax(ŷ) − share of the alignments that pass through a label at a time",
        "",
        no_circuit="its sum runs over all alignments of labels with time steps: a lattice, not a "
        "formula of a few numbers",
        targets=Interval(0, inf),
        given=(),
        advice="Speech and handwriting, where nobody knows when each label happens. A linear "
        "output, labels from 1 (0 is the blank and the padding), more time steps than labels.",
        source="Graves et al. 2006",
    ),
)
LOSSES: Mapping[str, Loss] = MappingProxyType({row.name: row for row in _ROWS})
