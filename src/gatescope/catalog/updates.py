"""The update rules of Keras' optimizers, for one weight: w, its gradient g, what is remembered.

Each takes the step's number, from 1, as `step`, and settings under the names and with the defaults
that Keras gives them.
"""

from __future__ import annotations

from math import copysign, sqrt

from gatescope.catalog.rows import State


def sgd(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.01,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> tuple[float, State]:
    """Down the gradient, with what is left of earlier steps."""
    v = momentum * state[0] - learning_rate * g
    return w + (momentum * v - learning_rate * g if nesterov else v), (v,)


def rmsprop(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
) -> tuple[float, State]:
    """Divides by the root of a moving average of squared gradients."""
    v = rho * state[0] + (1 - rho) * g * g
    m = momentum * state[1] + learning_rate * g / sqrt(v + epsilon)
    return w - m, (v, m)


def adam(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> tuple[float, State]:
    """Moving averages of the gradient and of its square, both corrected for their start at 0."""
    m = beta_1 * state[0] + (1 - beta_1) * g
    v = beta_2 * state[1] + (1 - beta_2) * g * g
    rate = learning_rate * sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return w - rate * m / (sqrt(v) + epsilon), (m, v)


def adamw(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> tuple[float, State]:
    """Shrinks the weight first, then moves it as adam does."""
    shrunk = w - learning_rate * weight_decay * w
    return adam(
        shrunk,
        g,
        state,
        step=step,
        learning_rate=learning_rate,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
    )


def adamax(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> tuple[float, State]:
    """Divides by the largest recent gradient in place of a root mean square."""
    m = beta_1 * state[0] + (1 - beta_1) * g
    u = max(beta_2 * state[1], abs(g))
    return w - learning_rate * m / ((1 - beta_1**step) * (u + epsilon)), (m, u)


def nadam(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> tuple[float, State]:
    """Adam that looks a step ahead; remembers the product of its momenta too."""
    now, then = (beta_1 * (1 - 0.5 * 0.96**t) for t in (step, step + 1))
    product = state[2] * now
    m = beta_1 * state[0] + (1 - beta_1) * g
    v = beta_2 * state[1] + (1 - beta_2) * g * g
    ahead = then * m / (1 - product * then) + (1 - now) * g / (1 - product)
    return w - learning_rate * ahead / (sqrt(v / (1 - beta_2**step)) + epsilon), (m, v, product)


def adagrad(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    epsilon: float = 1e-7,
) -> tuple[float, State]:
    """Divides by the root of the sum of all squared gradients."""
    total = state[0] + g * g
    return w - learning_rate * g / sqrt(total + epsilon), (total,)


def adadelta(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    rho: float = 0.95,
    epsilon: float = 1e-7,
) -> tuple[float, State]:
    """Multiplies by the root mean square of its own earlier updates."""
    v = rho * state[0] + (1 - rho) * g * g
    move = -sqrt(state[1] + epsilon) * g / sqrt(v + epsilon)
    return w + learning_rate * move, (v, rho * state[1] + (1 - rho) * move * move)


def ftrl(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    learning_rate_power: float = -0.5,
    l1_regularization_strength: float = 0.0,
    l2_regularization_strength: float = 0.0,
    beta: float = 0.0,
) -> tuple[float, State]:
    """Solves for the weight anew from all gradients so far; small ones become exactly 0."""
    n = state[0] + g * g
    before, after = state[0] ** -learning_rate_power, n**-learning_rate_power
    z = state[1] + g - (after - before) / learning_rate * w
    l2 = l2_regularization_strength + beta / (2 * learning_rate)
    beyond = max(abs(z) - l1_regularization_strength, 0.0)
    return -copysign(beyond, z) / (after / learning_rate + 2 * l2), (n, z)


def lion(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
) -> tuple[float, State]:
    """Moves every weight by the same size; only the sign is computed."""
    mixed = beta_1 * state[0] + (1 - beta_1) * g
    sign = (mixed > 0) - (mixed < 0)
    return w - learning_rate * sign, (beta_2 * state[0] + (1 - beta_2) * g,)


def lamb(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> tuple[float, State]:
    """Adam whose update of a layer is made as long as the layer's weights are."""
    m = beta_1 * state[0] + (1 - beta_1) * g
    v = beta_2 * state[1] + (1 - beta_2) * g * g
    move = m / (1 - beta_1**step) / (sqrt(v / (1 - beta_2**step)) + epsilon)
    ratio = abs(w / move) if w and move else 1.0
    return w - learning_rate * ratio * move, (m, v)


def adafactor(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.001,
    beta_2_decay: float = -0.8,
    epsilon_1: float = 1e-30,
    epsilon_2: float = 0.001,
    clip_threshold: float = 1.0,
) -> tuple[float, State]:
    """A share of the weight's own size; for matrices it remembers row and column means alone."""
    beta = 1 - step**beta_2_decay
    v = beta * state[0] + (1 - beta) * (g * g + epsilon_1)
    rate = max(epsilon_2, abs(w)) * min(learning_rate, 1 / sqrt(step))
    move = g / sqrt(v)
    return w - rate * move / max(1.0, abs(move) / clip_threshold), (v,)


def schedule_free_adamw(
    w: float,
    g: float,
    state: State,
    *,
    step: int,
    learning_rate: float = 0.0025,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[float, State]:
    """Steps z as adam without momentum, averages it to x, and looks between both.

    It remembers z − w, which is 0 at the start, and the average of squared gradients. Defazio et
    al. tell x from w and the z before the step; Keras 3.15 on TensorFlow, meaning to, reads z when
    it has moved already, and so does this.
    """
    v = beta_2 * state[1] + (1 - beta_2) * g * g
    z = w + state[0] - learning_rate * g / (sqrt(v / (1 - beta_2**step)) + epsilon)
    x = (w - (1 - beta_1) * z) / beta_1
    x += (z - x) / step
    moved = (1 - beta_1) * z + beta_1 * x
    return moved, (z - moved, v)
