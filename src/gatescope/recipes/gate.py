"""One gate: the gradient says how to turn a wire so that the output becomes what is wanted.

`a * x` is 20 and is to be 50. The gradient of the squared miss with respect to `a` is
2 · (a·x − 50) · x: how far off, times how much `a` counts. Each step moves `a` against it by the
learning rate; `x` is data and stays.

With a learning rate of 0.01 and x = 5 each step halves the miss, for 0.01 · 2 · x² = 1/2. A rate of
0.04 would leap just as far to the other side, for ever, and 0.05 would fly off.

Predict: what is `a` after ten steps? And what happens with --set learning_rate=0.04?

Data: none. Minutes on two cores: 0. Expected: output 49.97 to 50.03. Baseline: the exact answer,
a = 10.
"""

from gatescope.recipes.kinds.circuit import CircuitRecipe


def recipe() -> CircuitRecipe:
    """`a * x`, with `a` driven until the product is 50."""
    return CircuitRecipe(
        expression="a * x", values={"a": 4, "x": 5}, train=("a",),
        toward=50, loss="squared", learning_rate=0.01, steps=10,
        expected={"output": (49.97, 50.03), "a": (9.99, 10.01)},
    )  # fmt: skip
