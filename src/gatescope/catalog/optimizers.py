"""The optimizers of Keras: one row each; their rules are the functions of `updates`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gatescope.catalog import updates
from gatescope.catalog.rows import Interval, Optimizer, Setting

_MATRIX = "its rule needs a whole matrix"
_WRAPS = "it has no rule of its own: it hands gradients to other optimizers"


def _rate(default: float, low: float, high: float) -> Setting:
    return Setting("learning_rate", default, Interval(low, high), "η, length of a step")


def _share(name: str, default: float, meaning: str) -> Setting:
    return Setting(name, default, Interval(0.9, 0.999), meaning)


_MEAN = _share("beta_1", 0.9, "β₁, what the mean keeps")
_SQUARE = _share("beta_2", 0.999, "β₂, what the mean square keeps")
_EPSILON = Setting("epsilon", 1e-7, Interval(1e-8, 1e-3), "ε, keeps from dividing by 0")
_ADAM = "m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²"
_M, _V = "m/(1 − β₁^t)", "v/(1 − β₂^t)"
_FAST = (("learning_rate", 0.1),)  # so that a drawing of 60 steps shows where it leads

_ROWS = (
    Optimizer(
        "sgd",
        "keras.optimizers.SGD",
        "v ← μ·v − η·g;  w ← w + v",
        update=updates.sgd,
        start=(0.0,),
        settings=(
            _rate(0.01, 0.001, 0.3),
            Setting("momentum", 0.0, Interval(0, 0.99), "μ, what is kept of earlier steps"),
        ),
        given=(("learning_rate", 0.1), ("momentum", 0.8)),
        advice="With momentum=0.9, nesterov=True and a falling rate it often ends best on images, "
        "given time to find the rate. Keras' default has no momentum.",
        source="Robbins & Monro 1951; Polyak 1964",
    ),
    Optimizer(
        "rmsprop",
        "keras.optimizers.RMSprop",
        "v ← ρ·v + (1 − ρ)·g²;  w ← w − η·g/√(v + ε)",
        update=updates.rmsprop,
        start=(0.0, 0.0),
        settings=(
            _rate(0.001, 1e-4, 0.01),
            _share("rho", 0.9, "ρ, what the mean square keeps"),
            Setting("momentum", 0.0, Interval(0, 0.9), "what is kept of earlier steps"),
            _EPSILON,
        ),
        given=_FAST,
        advice="For recurrent networks and reinforcement learning; elsewhere adam has taken its "
        "place. Its first steps are long, v being small then.",
        source="Tieleman & Hinton 2012",
    ),
    Optimizer(
        "adam",
        "keras.optimizers.Adam",
        f"{_ADAM};  w ← w − η·({_M})/√({_V})",
        update=updates.adam,
        start=(0.0, 0.0),
        settings=(_rate(0.001, 1e-4, 0.003), _MEAN, _SQUARE, _EPSILON),
        given=_FAST,
        advice="The first choice: 0.001, or 0.0003 for deep networks, with a schedule that falls. "
        "Its steps are about η long whatever the scale of the loss.",
        source="Kingma & Ba 2014, arXiv:1412.6980",
    ),
    Optimizer(
        "adamw",
        "keras.optimizers.AdamW",
        "w ← w − η·λ·w, then as adam",
        update=updates.adamw,
        start=(0.0, 0.0),
        settings=(
            _rate(0.001, 1e-5, 0.003),
            Setting("weight_decay", 0.004, Interval(0.001, 0.1), "λ, how fast weights shrink"),
            _MEAN,
            _SQUARE,
            _EPSILON,
        ),
        given=_FAST,
        advice="Adam with weight decay that works as meant: transformers, and whatever overfits. "
        "Leave biases and normalizations out (exclude_from_weight_decay).",
        source="Loshchilov & Hutter 2017, arXiv:1711.05101",
    ),
    Optimizer(
        "adamax",
        "keras.optimizers.Adamax",
        f"m ← β₁·m + (1 − β₁)·g;  u ← max(β₂·u, |g|);  w ← w − η·({_M})/(u + ε)",
        update=updates.adamax,
        start=(0.0, 0.0),
        settings=(_rate(0.001, 1e-4, 0.002), _MEAN, _SQUARE, _EPSILON),
        given=_FAST,
        advice="Adam by the largest gradient, not by squares: steadier where gradients are sparse "
        "or have outliers.",
        source="Kingma & Ba 2014, arXiv:1412.6980",
    ),
    Optimizer(
        "nadam",
        "keras.optimizers.Nadam",
        f"{_ADAM};  as adam, with the mean that the next step will have",
        update=updates.nadam,
        start=(0.0, 0.0, 1.0),
        settings=(_rate(0.001, 1e-4, 0.003), _MEAN, _SQUARE, _EPSILON),
        given=_FAST,
        advice="Adam with Nesterov's look ahead: sometimes a little faster, otherwise the same.",
        source="Dozat 2016",
    ),
    Optimizer(
        "adagrad",
        "keras.optimizers.Adagrad",
        "G ← G + g²;  w ← w − η·g/√(G + ε)",
        update=updates.adagrad,
        start=(0.1,),
        settings=(
            _rate(0.001, 0.001, 0.1),
            Setting("initial_accumulator_value", 0.1, Interval(0, 1), "G at the start"),
            _EPSILON,
        ),
        given=_FAST,
        advice="For sparse features, such as words: rare ones take long steps. Steps only ever "
        "shrink, and Keras' 0.001 is low: try 0.01 to 0.1.",
        source="Duchi, Hazan & Singer 2011",
    ),
    Optimizer(
        "adadelta",
        "keras.optimizers.Adadelta",
        "v ← ρ·v + (1 − ρ)·g²;  Δ = √(u + ε)·g/√(v + ε);  u ← ρ·u + (1 − ρ)·Δ²;  w ← w − η·Δ",
        update=updates.adadelta,
        start=(0.0, 0.0),
        settings=(_rate(0.001, 0.1, 1), _share("rho", 0.95, "ρ, what means keep"), _EPSILON),
        given=(("learning_rate", 1.0),),
        advice="Set learning_rate=1.0, as in the paper: with Keras' default of 0.001 it hardly "
        "moves.",
        source="Zeiler 2012, arXiv:1212.5701",
    ),
    Optimizer(
        "ftrl",
        "keras.optimizers.Ftrl",
        "z ← z + g − (√(n + g²) − √n)·w/η;  n ← n + g²;  "
        "w ← −sign(z)·max(|z| − λ₁, 0)/(√n/η + 2·λ₂)",
        update=updates.ftrl,
        start=(0.1, 0.0),
        settings=(
            _rate(0.001, 0.01, 0.5),
            Setting("learning_rate_power", -0.5, Interval(-0.5, 0), "−½ takes the root of n"),
            Setting("initial_accumulator_value", 0.1, Interval(0, 1), "n at the start"),
            Setting("l1_regularization_strength", 0.0, Interval(0, 1), "λ₁, makes exact zeros"),
            Setting("l2_regularization_strength", 0.0, Interval(0, 1), "λ₂"),
            Setting("beta", 0.0, Interval(0, 1), "added to √n"),
        ),
        given=_FAST,
        advice="Huge sparse linear models, such as click prediction. Not for deep networks: it "
        "forgets the weights that it starts with.",
        source="McMahan et al. 2013",
    ),
    Optimizer(
        "lion",
        "keras.optimizers.Lion",
        "w ← w − η·sign(β₁·m + (1 − β₁)·g);  m ← β₂·m + (1 − β₂)·g",
        update=updates.lion,
        start=(0.0,),
        settings=(
            _rate(0.001, 3e-5, 3e-4),
            _MEAN,
            _share("beta_2", 0.99, "β₂, what m keeps"),
        ),
        given=(("learning_rate", 0.03),),
        advice="Half the memory of adam. Take a third to a tenth of adam's rate and three to ten "
        "times its weight decay; Keras' default rate is high.",
        source="Chen et al. 2023, arXiv:2302.06675",
    ),
    Optimizer(
        "lamb",
        "keras.optimizers.Lamb",
        "as adam, the update of each layer scaled by ‖w‖/‖update‖",
        update=updates.lamb,
        start=(0.0, 0.0),
        settings=(_rate(0.001, 0.001, 0.01), _MEAN, _SQUARE, _EPSILON),
        given=_FAST,
        advice="For very large batches (thousands), where adam's updates are too long for some "
        "layers and too short for others.",
        source="You et al. 2019, arXiv:1904.00962",
    ),
    Optimizer(
        "adafactor",
        "keras.optimizers.Adafactor",
        "β = 1 − t^−0.8;  v ← β·v + (1 − β)·g²;  w ← w − max(ε₂, rms(w))·min(η, 1/√t)·clip(g/√v)",
        update=updates.adafactor,
        start=(0.0,),
        settings=(
            _rate(0.001, 0.001, 0.05),
            Setting("beta_2_decay", -0.8, Interval(-0.8, -0.5), "how β rises"),
            Setting("epsilon_1", 1e-30, Interval(1e-30, 1e-8), "added to g²"),
            Setting("epsilon_2", 0.001, Interval(1e-4, 1e-2), "ε₂, least size of a weight"),
            Setting("clip_threshold", 1.0, Interval(1, 2), "longest update, as rms"),
        ),
        given=_FAST,
        advice="Large language models in little memory: a matrix keeps a mean a row and a column. "
        "Keras' rate of 0.001 is a share of the weights' size: slow, try 0.01.",
        source="Shazeer & Stern 2018, arXiv:1804.04235",
    ),
    Optimizer(
        "schedule_free_adamw",
        "keras.optimizers.ScheduleFreeAdamW",
        "z ← z − η·g/√(v/(1 − β₂^t));  x ← x + (z − x)/t;  w ← (1 − β₁)·z + β₁·x",
        update=updates.schedule_free_adamw,
        start=(0.0, 0.0),
        settings=(
            _rate(0.0025, 0.001, 0.01),
            _share("beta_1", 0.9, "β₁, how near w is to the mean x"),
            _SQUARE,
            Setting("epsilon", 1e-8, Interval(1e-8, 1e-6), "ε, keeps from dividing by 0"),
            Setting("warmup_steps", 0, Interval(0, 10_000), "steps of warm-up"),
        ),
        given=_FAST,
        advice="No schedule, and no need to know when training ends; warm up. What counts is the "
        "mean x, which is not quite w.",
        source="Defazio et al. 2024, arXiv:2405.15682",
    ),
    Optimizer(
        "muon",
        "keras.optimizers.Muon",
        "m ← μ·m + g;  w ← w − η·(m made orthogonal by 5 steps of Newton and Schulz)",
        no_circuit=_MATRIX,
        settings=(
            _rate(0.001, 1e-4, 0.02),
            Setting("momentum", 0.95, Interval(0.9, 0.99), "μ, what m keeps"),
            Setting("weight_decay", 0.004, Interval(0.001, 0.1), "how fast matrices shrink"),
            Setting("ns_steps", 5, Interval(3, 6), "steps of Newton and Schulz"),
        ),
        advice="For the matrices of hidden layers; embeddings and vectors get AdamW inside it. "
        "Name the output layer in exclude_layers.",
        source="Jordan et al. 2024",
    ),
    Optimizer(
        "loss_scale_optimizer",
        "keras.optimizers.LossScaleOptimizer",
        "gradients of scale·loss, divided by scale before the inner optimizer sees them",
        no_circuit=_WRAPS,
        settings=(
            Setting("initial_scale", 32768.0, Interval(1024, 65536), "scale at the start"),
            Setting("dynamic_growth_steps", 2000, Interval(500, 5000), "steps until it doubles"),
        ),
        advice="Keeps float16 gradients from becoming 0; halves the scale when one is infinite. "
        "compile() puts it in place under mixed_float16; bfloat16 needs none.",
        source="Micikevicius et al. 2017, arXiv:1710.03740",
    ),
    Optimizer(
        "multi_optimizer",
        "keras.optimizers.MultiOptimizer",
        "each variable by the optimizer that an OptimizerMap names for it",
        no_circuit=_WRAPS,
        advice="Other rates for other layers, such as a tuned backbone below a new head.",
    ),
)
OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType({row.name: row for row in _ROWS})
