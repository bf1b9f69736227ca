"""The initializers of Keras: one row each, the circuit being a weight's standard deviation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gatescope.catalog.rows import Initializer, Interval, Setting

_STDDEV = Interval(0.01, 0.1)
_ALIKE = "it draws nothing: every weight is given"
_GLOROT, _HE, _LECUN = (
    "Glorot & Bengio 2010",
    "He et al. 2015, arXiv:1502.01852",
    "LeCun et al. 1998",
)
_SQRT_3 = "a uniform draw within ±√3 times that"

_ROWS = (
    Initializer(
        "zeros",
        "keras.initializers.Zeros",
        "0",
        "",
        "",
        no_circuit=_ALIKE,
        advice="For biases. Never for the kernels of a hidden layer: all its units would stay the "
        "same for ever.",
    ),
    Initializer(
        "ones",
        "keras.initializers.Ones",
        "1",
        "",
        "",
        no_circuit=_ALIKE,
        advice="For factors such as γ of a normalization.",
    ),
    Initializer(
        "constant",
        "keras.initializers.Constant",
        "value",
        "",
        "",
        no_circuit=_ALIKE,
        settings=(Setting("value", 0.0, Interval(-1, 1), "of every weight"),),
        advice="For biases with a meaning: 1 on a forget gate, or the log odds of a rare class on "
        "the output, so that the first epoch need not learn them.",
    ),
    Initializer(
        "identity",
        "keras.initializers.Identity",
        "gain where row = column, else 0",
        "",
        "",
        no_circuit=_ALIKE,
        settings=(Setting("gain", 1.0, Interval(0.1, 1), "of the diagonal"),),
        aliases=("identity_initializer",),
        advice="For the recurrent kernel of a simple RNN with relu, which then starts by "
        "remembering everything. Matrices only.",
        source="Le, Jaitly & Hinton 2015, arXiv:1504.00941",
    ),
    Initializer(
        "stft",
        "keras.initializers.STFT",
        "window(t)·cos(2π·f·t/n)/scale, or −sin in its place",
        "",
        "",
        no_circuit=_ALIKE,
        aliases=("stft_initializer",),
        advice="Fourier's waves as the kernel of a Conv1D over sound: one layer for the real part, "
        "one for the imaginary one.",
    ),
    Initializer(
        "random_normal",
        "keras.initializers.RandomNormal",
        "normal, mean and standard deviation as set",
        "",
        "stddev",
        shape="normal",
        settings=(
            Setting("mean", 0.0, Interval(0, 0), "of the weights"),
            Setting("stddev", 0.05, _STDDEV, "standard deviation"),
        ),
        advice="For embeddings. For kernels it does not know how many inputs add up: take "
        "he_normal or glorot_uniform.",
    ),
    Initializer(
        "truncated_normal",
        "keras.initializers.TruncatedNormal",
        "normal, drawn anew beyond 2·stddev",
        "",
        "0.8796256610342398*stddev",
        shape="truncated normal",
        settings=(
            Setting("mean", 0.0, Interval(0, 0), "of the weights"),
            Setting("stddev", 0.05, _STDDEV, "standard deviation before the cut"),
        ),
        advice="Without far-out weights. After the cut the standard deviation is 0.88 of stddev.",
    ),
    Initializer(
        "random_uniform",
        "keras.initializers.RandomUniform",
        "uniform from minval to maxval",
        "",
        "(maxval - minval)/sqrt(12)",
        shape="uniform",
        settings=(
            Setting("minval", -0.05, Interval(-0.1, -0.01), "least"),
            Setting("maxval", 0.05, Interval(0.01, 0.1), "largest"),
        ),
        advice="What Embedding starts with. For kernels see random_normal.",
    ),
    Initializer(
        "variance_scaling",
        "keras.initializers.VarianceScaling",
        "√(scale/fan_in), or fan_out or their mean in its place, by mode",
        "",
        "sqrt(scale/fan_in)",
        shape="truncated normal",
        settings=(Setting("scale", 1.0, Interval(1, 2), "1 for tanh and selu, 2 for relu"),),
        advice="What the six below are made of; take it for a scale of your own.",
        source=_HE,
    ),
    Initializer(
        "glorot_uniform",
        "keras.initializers.GlorotUniform",
        f"√(2/(fan_in + fan_out)), {_SQRT_3}",
        "",
        "sqrt(2/(fan_in + fan_out))",
        shape="uniform",
        advice="What Keras takes by itself; fits tanh, sigmoid, softmax and linear. Deep stacks of "
        "relu want he_normal.",
        source=_GLOROT,
        aliases=(),
    ),
    Initializer(
        "glorot_normal",
        "keras.initializers.GlorotNormal",
        "√(2/(fan_in + fan_out)), normal, cut",
        "",
        "sqrt(2/(fan_in + fan_out))",
        shape="truncated normal",
        advice="As glorot_uniform, with another shape of the same width.",
        source=_GLOROT,
    ),
    Initializer(
        "he_normal",
        "keras.initializers.HeNormal",
        "√(2/fan_in), normal, cut",
        "",
        "sqrt(2/fan_in)",
        shape="truncated normal",
        advice="For relu and its kin (leaky_relu, elu, gelu, silu): the 2 makes up for the half "
        "that relu shuts.",
        source=_HE,
    ),
    Initializer(
        "he_uniform",
        "keras.initializers.HeUniform",
        f"√(2/fan_in), {_SQRT_3}",
        "",
        "sqrt(2/fan_in)",
        shape="uniform",
        advice="As he_normal, with another shape of the same width.",
        source=_HE,
    ),
    Initializer(
        "lecun_normal",
        "keras.initializers.LecunNormal",
        "√(1/fan_in), normal, cut",
        "",
        "sqrt(1/fan_in)",
        shape="truncated normal",
        advice="For selu, which keeps its mean and variance only with it.",
        source=_LECUN,
    ),
    Initializer(
        "lecun_uniform",
        "keras.initializers.LecunUniform",
        f"√(1/fan_in), {_SQRT_3}",
        "",
        "sqrt(1/fan_in)",
        shape="uniform",
        advice="As lecun_normal, with another shape of the same width.",
        source=_LECUN,
    ),
    Initializer(
        "orthogonal",
        "keras.initializers.Orthogonal",
        "gain/√(max(fan_in, fan_out)); rows or columns at right angles",
        "",
        "gain/sqrt(max(fan_in, fan_out))",
        shape="normal",
        settings=(Setting("gain", 1.0, Interval(1, 1.42), "1 for tanh, √2 for relu"),),
        aliases=("orthogonal_initializer",),
        advice="What LSTM and GRU take for their recurrent kernels: lengths stay as they are from "
        "step to step. Its shape is close to normal.",
        source="Saxe, McClelland & Ganguli 2013, arXiv:1312.6120",
    ),
)
INITIALIZERS: Mapping[str, Initializer] = MappingProxyType({row.name: row for row in _ROWS})
