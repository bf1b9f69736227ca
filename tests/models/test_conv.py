"""Convolutional networks: predicted shapes and counts equal Keras'; what does not fit is told.

Configurations are drawn by hypothesis from a fixed seed; trainings use seed 0.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gatescope.errors import ConfigurationError
from gatescope.models.conv import BlockConfig, ConvConfig, conv
from gatescope.models.heads import (
    CategoryInput,
    ImageInput,
    NumbersInput,
    OutputConfig,
    SequenceInput,
    TextInput,
)

IMAGE = ImageInput(name="image", height=9, width=8, channels=2, rescale=True)
SEQUENCE = SequenceInput(name="sequence", length=9, features=2)
TEXT = TextInput(name="text", tokens=9, length=8, embedding=3)
NUMBERS = NumbersInput(name="numbers", size=4, normalize=True)
CATEGORY = CategoryInput(name="category", categories=5, embedding=2)
CLASSES = OutputConfig(kind="classes", name="classes", units=3)
NUMBER = OutputConfig(kind="number", name="number")

DIGITS = ImageInput(name="digits", height=28, width=28, channels=1, rescale=True)


def blocks() -> st.SearchStrategy[BlockConfig]:
    def fits(options: dict[str, object]) -> bool:
        contradictory = options["separable"] and not options["shared"]
        return not contradictory and not (options["residual"] and options["padding"] == "valid")

    drawn = st.fixed_dictionaries(
        {
            "filters": st.integers(1, 4),
            "kernel": st.integers(1, 3),
            "stride": st.integers(1, 2),
            "convolutions": st.integers(1, 2),
            "padding": st.sampled_from(["same", "same", "valid"]),
            "pooling": st.sampled_from(["none", "max", "average", "strided"]),
            "normalization": st.sampled_from([None, "batch", "layer"]),
            "dropout": st.sampled_from([0.0, 0.2]),
            "separable": st.booleans(),
            "shared": st.booleans(),
            "residual": st.booleans(),
        }
    )
    return drawn.filter(fits).map(lambda options: BlockConfig(**options))


@given(data=st.data())
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_shapes_and_counts_are_those_of_keras_or_the_network_is_refused(check, data):
    maps = st.lists(st.sampled_from([IMAGE, SEQUENCE, TEXT]), min_size=1, unique=True)
    others = st.lists(st.sampled_from([NUMBERS, CATEGORY]), unique=True)
    config = ConvConfig(
        inputs=[*data.draw(maps), *data.draw(others)],
        blocks=data.draw(st.lists(blocks(), min_size=1, max_size=3)),
        top=data.draw(st.sampled_from(["flatten", "average", "max"])),
        hidden=data.draw(st.sampled_from([(), (4,)])),
        outputs=(CLASSES,),
    )
    try:
        blueprint = config.blueprint()
    except ConfigurationError as refused:
        assert "has no room in" in str(refused)
    else:
        check(blueprint)


@pytest.mark.parametrize(
    "block",
    [
        {"pooling": "max"},
        {"pooling": "average", "convolutions": 2, "normalization": "batch"},
        {"pooling": "strided", "normalization": "layer", "dropout": 0.2},
        {"residual": True, "convolutions": 2, "stride": 2, "normalization": "batch"},
        {"separable": True, "padding": "valid"},
        {"shared": False, "padding": "valid"},
    ],
    ids=str,
)
@pytest.mark.parametrize("given", [IMAGE, SEQUENCE, TEXT], ids=lambda one: one.kind)
def test_every_kind_of_block_trains_on_every_kind_of_map(block, given, train):
    config = ConvConfig(
        inputs=(given,),
        blocks=(BlockConfig(filters=4, **block),),
        activation="tanh",
        top="flatten",
        outputs=(CLASSES,),
    )
    assert np.isfinite(train(config)).all()


def test_maps_and_other_inputs_train_together(train):
    config = ConvConfig(
        inputs=(NUMBERS, IMAGE, CATEGORY, TEXT),
        blocks=(BlockConfig(filters=4, pooling="max"),),
        top="average",
        hidden=(8,),
        activation="tanh",
        outputs=(CLASSES, NUMBER),
        l2=1e-4,
    )
    assert np.isfinite(train(config)).all()


def test_lenet_has_the_parameters_of_lecun_1998():
    pixels = ImageInput(name="pixels", height=32, width=32, channels=1, rescale=False)
    block = {"kernel": 5, "padding": "valid", "pooling": "average"}
    config = ConvConfig(
        inputs=(pixels,),
        blocks=(BlockConfig(filters=6, **block), BlockConfig(filters=16, **block)),
        activation="tanh",
        top="flatten",
        hidden=(120, 84),
        outputs=(OutputConfig(kind="classes", name="digit", units=10),),
    )
    assert conv(config).count_params() == config.blueprint().parameters == 61_706


def test_too_many_poolings_are_told_before_anything_is_built():
    config = ConvConfig(
        inputs=(DIGITS,),
        blocks=(BlockConfig(filters=8, pooling="max"),) * 5,
        top="flatten",
        outputs=(CLASSES,),
    )
    with pytest.raises(ConfigurationError) as caught:
        conv(config)
    assert str(caught.value).splitlines() == [
        "layer pool_5: its window of 2×2 has no room in 1×1: "
        "digits 28×28 → pool_1 14×14 → pool_2 7×7 → pool_3 3×3 → pool_4 1×1",
        "  expected: at least 2×2 before pool_5",
        "  fix: at least 32×32 as digits, or fewer layers that shrink it",
    ]


def test_the_size_that_an_error_names_is_the_least_that_builds():
    def network(side: int) -> ConvConfig:
        pixels = ImageInput(name="pixels", height=side, width=side, channels=1, rescale=False)
        block = BlockConfig(filters=2, kernel=5, padding="valid", pooling="max")
        return ConvConfig(inputs=(pixels,), blocks=(block,) * 3, top="flatten", outputs=(CLASSES,))

    with pytest.raises(ConfigurationError, match="at least 36×36 as pixels"):
        # The last pooling has no room; what a smaller input lacks before, it is told first.
        network(35).blueprint()
    assert network(36).blueprint().rows[-2].shape == (2,)


def test_a_residual_block_goes_past_its_convolutions():
    config = ConvConfig(
        inputs=(DIGITS,),
        blocks=(BlockConfig(filters=4, convolutions=2, residual=True, normalization="batch"),),
        top="average",
        outputs=(CLASSES,),
    )
    rows = {row.name: row for row in config.blueprint().rows}
    assert rows["block_add_1"].inputs == ("block_shortcut_1_normalized", "conv_1_2_normalized")
    assert rows["block_shortcut_1"].inputs == ("digits_rescaling",)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"separable": True, "shared": False}, "contradict each other"),
        ({"residual": True, "padding": "valid"}, "it needs padding='same'"),
        ({"pooling": "min"}, "'none', 'max', 'average' or 'strided'"),
    ],
)
def test_a_block_that_contradicts_itself_is_refused(options, told):
    with pytest.raises(ValidationError, match=told):
        BlockConfig(filters=4, **options)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ((NUMBERS,), "needs an image, a sequence or a text"),
        (
            (SequenceInput(name="steps", length=None, features=2),),
            "read the padding of 'steps': give it a length",
        ),
    ],
)
def test_inputs_that_cannot_be_convolved_are_refused(inputs, told):
    with pytest.raises(ValidationError, match=told):
        ConvConfig(
            inputs=inputs, blocks=(BlockConfig(filters=4),), top="average", outputs=(CLASSES,)
        )


def test_blocks_and_dense_layers_may_both_drop_and_both_add() -> None:
    settings = {"dropout": 0.1, "residual": True}
    block = BlockConfig(filters=4, **settings)
    config = ConvConfig(
        inputs=(DIGITS,), blocks=(block, block), top="average", outputs=(CLASSES,), hidden=(8, 8),
        **settings,
    )  # fmt: skip
    rows = {row.name: row.kind for row in config.blueprint().rows}
    assert rows["channel_dropout_2"] == "SpatialDropout2D" and rows["dropout_2"] == "Dropout"
    assert rows["block_add_2"] == rows["add_2"] == "Add"
