"""Logistic regression is a network of one gate: a sigmoid of a weighted sum.

Thirty measurements of a breast tumour are weighed and added up, and the sigmoid makes a
probability of the sum. That is a dense layer of one unit. Its loss, the binary crossentropy with a
penalty on squared weights, is what scikit-learn's LogisticRegression minimizes with other means:
there it is C times the sum over samples plus half the squared weights, here the mean over samples
plus l2 times the squared weights, so l2 = 1/(2·C·samples). One minimum, so one set of weights.

A batch is all of the training data: then the gradient is exact, and descent arrives where the
solver does.

Predict: will the weights of the network and the coefficients of scikit-learn agree, and to how many
digits?

Data: breast cancer Wisconsin, 569 tumours, shipped with scikit-learn. Minutes on two cores: 0.7.
Expected: test accuracy 0.94 to 1, by the split. Baseline: always the commonest class; scikit-learn.
"""

from gatescope.data.bundled import Bundled
from gatescope.models.dense import DenseConfig
from gatescope.models.heads import NumbersInput, OutputConfig
from gatescope.recipes.kinds.network import NetworkRecipe
from gatescope.recipes.pictures.coefficients import measure, pictures
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig

__all__ = ["measure", "pictures", "recipe"]


def recipe() -> NetworkRecipe:
    """One unit behind thirty numbers, trained until nothing moves."""
    data = Bundled(name="breast_cancer")
    samples, momentum = len(data.load().train), {"momentum": 0.95, "nesterov": True}
    descent = OptimizerConfig(name="sgd", learning_rate=0.3, settings=momentum)
    return NetworkRecipe(
        data=data,
        network=DenseConfig(
            inputs=(NumbersInput(name="numbers", size=30, normalize=False),),
            outputs=(OutputConfig(kind="binary", name="class"),), l2=1 / (2 * samples),
        ),
        training=FitConfig(epochs=500, batch_size=samples, restore_best=False, optimizer=descent),
        baselines=("guess", "linear"),
        expected={"test": (0.94, 1), "largest difference of a weight": (0, 1e-3)},
    )  # fmt: skip
