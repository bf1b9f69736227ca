"""What is known of each healthy program: how its held-out score is read, and what it must beat.

The programs themselves know nothing of the zoo. After a program has run, `score` is evaluated in
its globals, with the functions of `scores.py` beside them: higher is better, and it does not depend
on the metric that the program compiled. `reported` is the number that the program shows its user
and `honest` the same number computed by us; they differ only when a fault makes a report lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEALTHY = Path(__file__).parent / "healthy"


@dataclass(frozen=True)
class Program:
    """A healthy program.

    Args:
        name: Its file in `healthy/`, without `.py`.
        task: "onehot", "integer", "binary", "logit" (binary without sigmoid), "multilabel",
            "regression" or "other".
        score: Expression of the held-out score, higher is better.
        baseline: The score of a guess that looks at no input (majority class, mean, all labels).
        floor: Every seed of the healthy program must reach it.
        reported: Expression of the number that the program printed.
        honest: Expression of the same number, computed without the program's metric.
        x: Name of the training inputs, an array, or "" where there is no such name.
        y: Name of the training labels, an array, or "".
        needs_data: Whether it reads the files of `../shared/data`.
    """

    name: str
    task: str
    score: str
    baseline: float
    floor: float
    reported: str
    honest: str = ""
    x: str = "x_train"
    y: str = "y_train"
    needs_data: bool = False

    @property
    def path(self) -> Path:
        """Where the program is."""
        return HEALTHY / f"{self.name}.py"


def _accuracy(x: str = "x_test", y: str = "y_test", model: str = "model", more: str = "") -> str:
    return f"accuracy({model}.predict({x}, verbose=0), {y}{more})"


def _r2(x: str = "x_test", y: str = "y_test", model: str = "model") -> str:
    return f"r2({model}.predict({x}, verbose=0), {y})"


def _mae(x: str = "x_test", y: str = "y_test", model: str = "model") -> str:
    return f"mae({model}.predict({x}, verbose=0), {y})"


_UPPER = {"x": "X_train", "y": "y_train"}
_UPPER_ACCURACY = _accuracy("X_test")

PROGRAMS = (
    Program("iris_onehot", "onehot", _UPPER_ACCURACY, 0.42, 0.85, "scores[1]", **_UPPER),
    Program("wine_logits", "integer", _accuracy(), 0.40, 0.88, "acc"),
    Program("breast_cancer_dropout", "binary", _UPPER_ACCURACY, 0.63, 0.92, "test_acc", **_UPPER),
    Program("digits_batchnorm", "integer", _accuracy(), 0.12, 0.92, "test_acc"),
    Program("digits_cnn", "onehot", _accuracy(), 0.12, 0.92, "score[1]"),
    Program(
        "cifar_cnn",
        "integer",
        _accuracy("test_images", "test_labels"),
        0.25,
        0.55,
        "test_acc",
        x="train_images",
        y="train_labels",
        needs_data=True,
    ),
    Program(
        "moons_subclass",
        "logit",
        _accuracy("X_val", "y_val", "net", ", threshold=0.0"),
        0.51,
        0.92,
        "val_acc",
        **_UPPER,
    ),
    Program("circles_tape", "binary", _UPPER_ACCURACY, 0.51, 0.93, "accuracy", **_UPPER),
    Program("blobs_generator", "integer", _accuracy(), 0.18, 0.70, "result[1]"),
    Program(
        "diabetes_regression",
        "regression",
        _r2("X_test"),
        0.0,
        0.20,
        "mae",
        _mae("X_test"),
        **_UPPER,
    ),
    Program("friedman_skip", "regression", _r2(), 0.0, 0.85, "test_mae", _mae()),
    Program(
        "sine_lstm",
        "regression",
        _r2("testX", "testY"),
        0.0,
        0.85,
        "testScore[1]",
        _mae("testX", "testY"),
        x="trainX",
        y="trainY",
    ),
    Program("waves_gru", "integer", _accuracy(), 0.36, 0.75, "accuracy"),
    Program(
        "majority_rnn",
        "binary",
        _accuracy("X_test", "Y_test"),
        0.51,
        0.85,
        "scores[1]",
        x="X_train",
        y="Y_train",
    ),
    Program("bumps_conv1d", "integer", _accuracy(), 0.27, 0.80, "acc"),
    Program("reviews_embedding", "binary", _accuracy(), 0.51, 0.63, "accuracy", needs_data=True),
    Program("tokens_bilstm", "binary", _accuracy("x_val", "y_val"), 0.52, 0.90, "val_acc"),
    Program(
        "multilabel_dense",
        "multilabel",
        "f1(model.predict(X_test, verbose=0), y_test)",
        0.56,
        0.70,
        "acc",
        "label_accuracy(model.predict(X_test, verbose=0), y_test)",
        **_UPPER,
    ),
    Program(
        "scene_colours",
        "multilabel",
        "f1(model.predict(x_test, verbose=0), y_test)",
        0.53,
        0.80,
        "results['accuracy']",
        "label_accuracy(model.predict(x_test, verbose=0), y_test)",
    ),
    Program(
        "scene_two_heads",
        "other",
        "(accuracy(model.predict(x_test, verbose=0)['count'], count_test)"
        " + r2(model.predict(x_test, verbose=0)['area'], area_test)) / 2",
        0.26,
        0.55,
        "results['count_accuracy']",
        "accuracy(model.predict(x_test, verbose=0)['count'], count_test)",
        y="",
    ),
    Program(
        "houses_multi_input",
        "regression",
        _r2("[num_test, dist_test]"),
        0.0,
        0.85,
        "mae",
        _mae("[num_test, dist_test]"),
        x="num_train",
    ),
    Program(
        "imbalanced_weights",
        "binary",
        "balanced(model.predict(X_test, verbose=0), y_test)",
        0.5,
        0.70,
        "acc",
        _UPPER_ACCURACY,
        **_UPPER,
    ),
    Program("faces_identity", "integer", _accuracy(), 0.05, 0.65, "test_accuracy", needs_data=True),
    Program(
        "emotions_cnn", "onehot", _UPPER_ACCURACY, 0.34, 0.65, "accuracy", needs_data=True, **_UPPER
    ),
    Program("spoken_digits", "integer", _accuracy(), 0.10, 0.80, "acc", needs_data=True),
    Program(
        "digits_autoencoder",
        "other",
        _r2("x_test", "x_test", "autoencoder"),
        0.0,
        0.6,
        "mse",
        "mse_of(autoencoder.predict(x_test, verbose=0), x_test)",
        y="",
    ),
    Program("custom_train_step", "regression", _r2(), 0.0, 0.8, "results['mae']", _mae()),
    Program("spiral_deep", "integer", _UPPER_ACCURACY, 0.34, 0.85, "acc", **_UPPER),
    Program(
        "forecast_gru",
        "regression",
        "r2(model.predict(val_ds, verbose=0), np.concatenate([y for _, y in val_ds]))",
        0.0,
        0.7,
        "val_mae",
        "mae(model.predict(val_ds, verbose=0), np.concatenate([y for _, y in val_ds]))",
        x="features",
        y="targets",
    ),
    Program("xor_custom_layer", "binary", _accuracy(), 0.52, 0.90, "accuracy"),
    Program("charlm_gru", "integer", _accuracy(), 0.20, 0.65, "acc"),
    Program("counts_poisson", "regression", _r2(), 0.0, 0.55, "mae", _mae()),
    Program(
        "quantiles_hinge",
        "other",
        "np.mean(sign == testy)",
        0.52,
        0.90,
        "float(np.mean(sign == testy))",
        x="trainX",
        y="trainy",
    ),
    Program("wine_selu", "onehot", _UPPER_ACCURACY, 0.40, 0.88, "acc", **_UPPER),
    Program(
        "regression_tape",
        "regression",
        "r2(net(x_test).numpy(), y_test)",
        0.0,
        0.75,
        "mse",
        "mse_of(net(x_test).numpy(), y_test)",
    ),
)

BY_NAME = {program.name: program for program in PROGRAMS}
