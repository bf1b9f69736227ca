"""The learning-rate schedules of Keras: one row each, and the function it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil, cos, floor, log, pi
from types import MappingProxyType

from gatescope.catalog.rows import Interval, Schedule, Setting


def exponential_decay(
    step: float,
    *,
    initial_learning_rate: float,
    decay_steps: float,
    decay_rate: float,
    staircase: bool = False,
) -> float:
    """Multiplies by `decay_rate` every `decay_steps`."""
    times = step / decay_steps
    return float(initial_learning_rate * decay_rate ** (floor(times) if staircase else times))


def inverse_time_decay(
    step: float,
    *,
    initial_learning_rate: float,
    decay_steps: float,
    decay_rate: float,
    staircase: bool = False,
) -> float:
    """Divides by 1, then 1 + `decay_rate`, then 1 + 2·`decay_rate`, every `decay_steps`."""
    times = step / decay_steps
    return initial_learning_rate / (1 + decay_rate * (floor(times) if staircase else times))


def piecewise_constant_decay(
    step: float, *, boundaries: Sequence[float], values: Sequence[float]
) -> float:
    """The value before the first boundary that the step has not passed."""
    return values[sum(step > boundary for boundary in boundaries)]


def polynomial_decay(
    step: float,
    *,
    initial_learning_rate: float,
    decay_steps: float,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> float:
    """Falls to `end_learning_rate` and stays, or with `cycle` starts again, each time longer."""
    length = decay_steps * max(1, ceil(step / decay_steps)) if cycle else decay_steps
    left = 1 - min(step, length) / length
    return float((initial_learning_rate - end_learning_rate) * left**power + end_learning_rate)


def cosine_decay(
    step: float,
    *,
    initial_learning_rate: float,
    decay_steps: float,
    alpha: float = 0.0,
    warmup_target: float | None = None,
    warmup_steps: float = 0,
) -> float:
    """Rises in a line to `warmup_target` if there is one, then falls as half a cosine."""
    top = initial_learning_rate if warmup_target is None else warmup_target
    warmup = 0 if warmup_target is None else warmup_steps
    if step < warmup:
        return initial_learning_rate + (top - initial_learning_rate) * step / warmup
    fallen = 0.5 * (1 + cos(pi * min(step - warmup, decay_steps) / decay_steps))
    return top * ((1 - alpha) * fallen + alpha)


def cosine_decay_restarts(
    step: float,
    *,
    initial_learning_rate: float,
    first_decay_steps: float,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
) -> float:
    """Half cosines one behind the other, each `t_mul` as long and `m_mul` as high."""
    done = step / first_decay_steps
    if t_mul == 1:
        restarts, part = floor(done), done - floor(done)
    else:
        restarts = floor(log(1 - done * (1 - t_mul)) / log(t_mul))
        part = (done - (1 - t_mul**restarts) / (1 - t_mul)) / t_mul**restarts
    fallen = 0.5 * m_mul**restarts * (1 + cos(pi * part))
    return float(initial_learning_rate * ((1 - alpha) * fallen + alpha))


_RATE = Setting("initial_learning_rate", None, Interval(1e-4, 0.1), "at step 0", 0.1)
_STEPS = Setting("decay_steps", None, Interval(1_000, 100_000), "how long", 1000)
_FACTOR = Setting("decay_rate", None, Interval(0.5, 0.99), "factor every decay_steps", 0.5)
_SGDR = "Loshchilov & Hutter 2016, arXiv:1608.03983"

_ROWS = (
    Schedule(
        "exponential_decay",
        "keras.optimizers.schedules.ExponentialDecay",
        "initial·rate^(step/decay_steps)",
        rate=exponential_decay,
        settings=(_RATE, _STEPS, _FACTOR),
        advice="Falls by the same share in the same time and never ends; with staircase=True in "
        "stairs. Choose decay_steps as a few epochs.",
    ),
    Schedule(
        "inverse_time_decay",
        "keras.optimizers.schedules.InverseTimeDecay",
        "initial/(1 + rate·step/decay_steps)",
        rate=inverse_time_decay,
        settings=(_RATE, _STEPS, Setting("decay_rate", None, Interval(0.5, 4), "how fast", 4.0)),
        advice="Falls fast, then ever more slowly: the classic of convergence proofs for SGD.",
        source="Robbins & Monro 1951",
    ),
    Schedule(
        "piecewise_constant_decay",
        "keras.optimizers.schedules.PiecewiseConstantDecay",
        "values[k], k counting the boundaries below step",
        rate=partial(piecewise_constant_decay, boundaries=(500, 1000), values=(0.1, 0.01, 0.001)),
        advice="Stairs of your own: hold, and divide by 10 where the validation loss stands still. "
        "Drawn with boundaries 500 and 1000 and values 0.1, 0.01, 0.001.",
    ),
    Schedule(
        "polynomial_decay",
        "keras.optimizers.schedules.PolynomialDecay",
        "end + (initial − end)·(1 − step/decay_steps)^power",
        rate=polynomial_decay,
        settings=(
            _RATE,
            _STEPS,
            Setting("end_learning_rate", 0.0001, Interval(0, 0.001), "where it stays"),
            Setting("power", 1.0, Interval(0.5, 2), "1 is a straight line"),
        ),
        advice="A straight line down to a fixed end, as transformers are tuned with; decay_steps "
        "is the whole training.",
    ),
    Schedule(
        "cosine_decay",
        "keras.optimizers.schedules.CosineDecay",
        "initial·((1 − α)·(1 + cos(π·step/decay_steps))/2 + α)",
        rate=cosine_decay,
        settings=(
            _RATE,
            _STEPS,
            Setting("alpha", 0.0, Interval(0, 0.1), "α, share that stays at the end"),
            Setting("warmup_target", None, Interval(1e-4, 0.1), "top of the warm-up, if one"),
            Setting("warmup_steps", 0, Interval(0, 10_000), "how long to warm up"),
        ),
        advice="The first choice: decay_steps is the whole training less the warm-up. With Adam on "
        "transformers warm up over the first 1 to 10 %.",
        source=_SGDR,
    ),
    Schedule(
        "cosine_decay_restarts",
        "keras.optimizers.schedules.CosineDecayRestarts",
        "as cosine_decay, again and again, each time t_mul as long and m_mul as high",
        rate=cosine_decay_restarts,
        settings=(
            _RATE,
            Setting("first_decay_steps", None, Interval(500, 50_000), "the first fall", 200),
            Setting("t_mul", 2.0, Interval(1, 2), "how much longer each"),
            Setting("m_mul", 1.0, Interval(0.5, 1), "how much lower each"),
            Setting("alpha", 0.0, Interval(0, 0.1), "α, share that stays at the end"),
        ),
        advice="Every end of a fall is a network worth keeping (snapshot ensembles); stop at one, "
        "never just behind a restart.",
        source=_SGDR,
    ),
)
SCHEDULES: Mapping[str, Schedule] = MappingProxyType({row.name: row for row in _ROWS})
