"""Two gates: the chain rule hands the gradient from gate to gate, back to every parameter.

`a * x + b` has a multiply gate and an add gate. The add gate hands its gradient on to both of its
inputs as it is; the multiply gate hands to `a` what it gets times `x`. So `a` moves x times as far
as `b`, though both are part of the same answer, and many pairs (a, b) give the same output: which
one is found depends on where the descent begins.

Predict: which parameter moves further, and by how much?

Data: none. Minutes on two cores: 0. Expected: output 49.97 to 50.03. Baseline: the exact answer,
any a and b with 5·a + b = 50.
"""

from gatescope.recipes.kinds.circuit import CircuitRecipe


def recipe() -> CircuitRecipe:
    """`a * x + b`, with `a` and `b` driven until the sum is 50."""
    return CircuitRecipe(
        expression="a * x + b", values={"a": 1, "b": 1, "x": 5}, train=("a", "b"),
        toward=50, loss="squared", learning_rate=0.01, steps=12,
        expected={"output": (49.97, 50.03), "a": (9.2, 9.6), "b": (2.5, 2.8)},
    )  # fmt: skip
