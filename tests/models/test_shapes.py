"""Each rule against the layer of Keras, or ours, that it speaks of; and what does not fit.

Drawn by hypothesis from a fixed seed; shapes and counts are equal, without tolerance.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatescope.errors import ConfigurationError
from gatescope.models.blueprint import Blueprint
from gatescope.models.building import build
from gatescope.models.shapes import RULES, Window, sides

SMALL = st.integers(1, 4)
WINDOWED = [
    kind.removesuffix("1D")
    for kind in RULES
    if kind.endswith("1D") and not kind.startswith(("Global", "Spatial"))
]
DRAWN = settings(max_examples=25, deadline=None, derandomize=True)


def only(kind: str, *shapes: tuple[int | None, ...], **options: object) -> Blueprint:
    blueprint = Blueprint("one")
    inputs = [blueprint.input(f"in_{place}", shape) for place, shape in enumerate(shapes)]
    blueprint.outputs.append(blueprint.layer(kind, "out", *inputs, **options).name)
    return blueprint


def check_last(blueprint: Blueprint) -> None:
    layer, row = build(blueprint).get_layer("out"), blueprint.rows[-1]
    assert tuple(layer.output.shape[1:]) == row.shape
    weights = layer.trainable_weights, layer.non_trainable_weights
    counts = [sum(weight.value.shape.num_elements() for weight in some) for some in weights]
    assert counts == [row.trainable, row.fixed]
    assert layer.count_params() == row.parameters


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("kind", [kind for kind in WINDOWED if "Pooling" not in kind])
@given(
    extra=st.integers(0, 5),
    size=SMALL,
    stride=SMALL,
    filters=SMALL,
    channels=SMALL,
    padding=st.sampled_from(["same", "valid"]),
    bias=st.booleans(),
)
@DRAWN
def test_convolutions(kind, axes, extra, size, stride, filters, channels, padding, bias):
    shape = (*(size + extra, size + extra + 1)[:axes], channels)
    options = {"kernel_size": size, "strides": stride, "padding": padding, "use_bias": bias}
    check_last(only(f"{kind}{axes}D", shape, filters=filters, **options))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("kind", ["MaxPooling", "AveragePooling"])
@given(extra=st.integers(0, 9), size=SMALL)
@DRAWN
def test_poolings(kind, axes, extra, size):
    shape = (*(size + extra, size + extra + 1)[:axes], 3)
    check_last(only(f"{kind}{axes}D", shape, pool_size=size))


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("length", [5, None])
def test_recurrent_layers_one_way_and_both(kind, sequences, length):
    options = {"units": 3, "return_sequences": sequences}
    check_last(only(kind, (length, 2), **options))
    check_last(only("Bidirectional", (length, 2), layer=kind, **options))


@pytest.mark.parametrize(
    ("kind", "shapes", "options"),
    [
        ("Activation", [(3,)], {"activation": "tanh"}),
        ("Add", [(4, 2), (4, 2)], {}),
        ("AlphaDropout", [(3,)], {"rate": 0.5}),
        ("AttentionOverTime", [(6, 5)], {}),
        ("BatchNormalization", [(4, 4, 3)], {}),
        ("Concatenate", [(3,), (4,), (2,)], {}),
        ("Dense", [(7,)], {"units": 4}),
        ("Dense", [(7,)], {"units": 4, "use_bias": False}),
        ("Dropout", [(3,)], {"rate": 0.5}),
        ("Embedding", [(6,)], {"input_dim": 9, "output_dim": 4}),
        ("Embedding", [()], {"input_dim": 9, "output_dim": 4}),
        ("Flatten", [(4, 3, 2)], {}),
        ("GlobalAveragePooling1D", [(5, 3)], {}),
        ("GlobalAveragePooling2D", [(5, 4, 3)], {}),
        ("GlobalMaxPooling1D", [(5, 3)], {}),
        ("GlobalMaxPooling2D", [(5, 4, 3)], {}),
        ("LayerNormalization", [(5,)], {}),
        ("Masking", [(None, 3)], {}),
        ("MaxOverTime", [(None, 3)], {}),
        ("MeanOverTime", [(4, 3)], {}),
        ("Normalization", [(5,)], {}),
        ("Rescaling", [(4, 4, 1)], {"scale": 2.0}),
        ("SpatialDropout1D", [(4, 3)], {"rate": 0.5}),
        ("SpatialDropout2D", [(4, 4, 3)], {"rate": 0.5}),
    ],
)
def test_other_layers(kind, shapes, options):
    check_last(only(kind, *shapes, **options))


@given(
    positions=st.integers(1, 40),
    size=SMALL,
    stride=SMALL,
    padding=st.sampled_from(["same", "valid"]),
)
@settings(deadline=None, derandomize=True)
def test_the_least_input_is_enough_and_one_less_is_not(positions, size, stride, padding):
    moved = Window(size, stride, padding)
    least = moved.least(positions)
    assert moved.out(least) == positions
    assert moved.out(least - 1) < positions


def test_shapes_as_one_writes_them():
    assert [sides(shape) for shape in ((28, 28), (None, 3), ())] == ["28×28", "?×3", "one number"]


def test_a_window_without_room_tells_the_way_there_and_what_would_do():
    blueprint = Blueprint("deep")
    x = blueprint.input("photo", (28, 28, 1))
    for place in range(1, 5):
        x = blueprint.layer("MaxPooling2D", f"pool_{place}", x, pool_size=2)
    with pytest.raises(ConfigurationError) as caught:
        blueprint.layer("MaxPooling2D", "pool_5", x, pool_size=2)
    assert str(caught.value).splitlines() == [
        "layer pool_5: its window of 2×2 has no room in 1×1: "
        "photo 28×28 → pool_1 14×14 → pool_2 7×7 → pool_3 3×3 → pool_4 1×1",
        "  expected: at least 2×2 before pool_5",
        "  fix: at least 32×32 as photo, or fewer layers that shrink it",
    ]


def test_shapes_that_cannot_be_added_are_told():
    with pytest.raises(ConfigurationError, match="layer out: it cannot add 4×2 and 4×3") as caught:
        only("Add", (4, 2), (4, 3))
    assert "fix: leave out residual" in str(caught.value)


def test_an_open_length_cannot_be_laid_out_flat():
    with pytest.raises(ConfigurationError, match="layer out: it gets \\?×3, whose length is open"):
        only("Flatten", (None, 3))


def test_two_layers_of_one_name_are_refused():
    blueprint = Blueprint("twice")
    x = blueprint.input("dense_1", (3,))
    with pytest.raises(ConfigurationError, match="two layers are called 'dense_1'"):
        blueprint.layer("Dense", "dense_1", x, units=2)


def test_an_input_with_the_name_of_a_mask_of_keras_is_refused():
    with pytest.raises(ConfigurationError, match="an input is called 'not_equal'"):
        Blueprint("mask").input("not_equal", (3,))


def test_a_blueprint_as_text_and_as_plain_data():
    blueprint = only("Dense", (3,), units=1200)
    assert str(blueprint).splitlines() == [
        "one: 4,800 parameters, 4,800 trainable",
        "",
        "layer  kind        behind  output  parameters",
        "in_0   InputLayer          3                0",
        "out    Dense       in_0    1200         4,800",
    ]
    assert blueprint.to_dict()["layers"][1] == {
        "name": "out",
        "kind": "Dense",
        "inputs": ("in_0",),
        "shape": (1200,),
        "parameters": 4800,
    }
