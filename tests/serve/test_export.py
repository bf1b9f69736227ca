"""Exports say what their networks say: several inputs and outputs, padding, both directions."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest

from gatescope.errors import EngineError, ExportError
from gatescope.models.building import adapt
from gatescope.models.conv import BlockConfig, ConvConfig, conv
from gatescope.models.dense import DenseConfig, dense
from gatescope.models.heads import (
    CategoryInput,
    ImageInput,
    NumbersInput,
    OutputConfig,
    SequenceInput,
    TextInput,
)
from gatescope.models.recurrent import RecurrentConfig, recurrent
from gatescope.serve import export as exporting
from gatescope.serve.export import TOLERANCE, export

NUMBERS = NumbersInput(name="numbers", size=3, normalize=True)
CATEGORY = CategoryInput(name="marital_status", categories=4, embedding=2)
IMAGE = ImageInput(name="image", height=8, width=8, channels=3, rescale=True)
TEXT = TextInput(name="text", tokens=9, length=4, embedding=3)
# Not in the order of their names, which some formats put them in.
OUTPUTS = (
    OutputConfig(kind="number", name="price"),
    OutputConfig(kind="classes", name="class", units=3),
)
NEEDED = {"savedmodel": (), "onnx": ("tf2onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}


def samples(model: keras.Model, count: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {}
    for tensor in model.inputs:
        shape = (count, *(side or 6 for side in tensor.shape[1:]))
        whole = tensor.dtype == "int32"
        found[tensor.name] = (
            rng.integers(0, 4, shape, np.int32) if whole else rng.normal(size=shape).astype("f")
        )
    if "text" in found:
        found["text"][:, 2:] = 0  # padding
        found["text"][0] = 0
    return found


def mixed() -> keras.Model:
    config = DenseConfig(inputs=(NUMBERS, CATEGORY, TEXT), hidden=(4,), outputs=OUTPUTS)
    model = dense(config)
    adapt(model, {"numbers": np.random.default_rng(1).normal(3, 2, (20, 3))})
    return model


def picture() -> keras.Model:
    blocks = (
        BlockConfig(filters=3, pooling="max", normalization="batch"),
        BlockConfig(filters=3, separable=True, residual=True),
        BlockConfig(filters=2, shared=False),
    )
    config = ConvConfig(inputs=(IMAGE, CATEGORY), blocks=blocks, top="average", outputs=OUTPUTS)
    return conv(config)


def both_ways() -> keras.Model:
    return recurrent(
        RecurrentConfig(
            inputs=(TEXT,), cell="lstm", units=(3, 2), bidirectional=True,
            pooling="attention", outputs=OUTPUTS,
        )
    )  # fmt: skip


def gru() -> keras.Model:
    config = RecurrentConfig(inputs=(TEXT, NUMBERS), cell="gru", units=(3,), outputs=OUTPUTS)
    return recurrent(config)


@pytest.mark.parametrize("kind", NEEDED)
@pytest.mark.parametrize("make", [mixed, picture, both_ways, gru])
def test_an_export_says_what_the_network_says(make, kind, tmp_path: Path) -> None:
    for name in NEEDED[kind]:
        pytest.importorskip(name, reason=f"{name} is in the extra {kind}")
    model = make()
    x = samples(model)
    path = tmp_path / f"net{exporting.SUFFIXES[kind]}"
    made = export(model, x, kind, path)
    assert made.path == path and path.exists() and made.samples == 5
    assert made.difference <= TOLERANCE
    # Once more by our own eyes, with names and other samples.
    more = {name: np.roll(one, 1, 0)[:3] for name, one in samples(model, 7).items()}
    found = exporting._KINDS[kind][1](path, more)
    for name, right in zip(model.output_names, model(more, training=False), strict=True):
        np.testing.assert_allclose(found[name], right, atol=1e-4)
    assert list(tmp_path.iterdir()) == [path]


def test_an_export_that_says_something_else_is_not_written(tmp_path: Path, monkeypatch) -> None:
    model = gru()
    before = tmp_path / "net" / "before"
    before.mkdir(parents=True)
    wrong = (
        exporting._to_savedmodel,
        lambda path, x: {n: np.ones((5, 3)) for n in ("price", "class")},
    )
    monkeypatch.setattr(exporting, "_KINDS", {"savedmodel": wrong})
    with pytest.raises(ExportError, match=r"says something else than the network: they differ by"):
        export(model, samples(model), "savedmodel", tmp_path / "net")
    assert before.is_dir() and [each.name for each in tmp_path.iterdir()] == ["net"]


def test_an_export_replaces_the_one_before(tmp_path: Path) -> None:
    model = gru()
    for _ in range(2):
        export(model, samples(model), "savedmodel", tmp_path / "net")
    assert (tmp_path / "net" / "saved_model.pb").is_file()


def test_sequences_of_any_length_are_not_written_out(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="it is in the extra litert")
    loose = SequenceInput(name="steps", length=None, features=2)
    model = recurrent(RecurrentConfig(inputs=(loose,), cell="gru", units=(2,), outputs=OUTPUTS))
    with pytest.raises(ExportError, match="'steps' takes sequences of any length"):
        export(model, samples(model), "litert", tmp_path / "net.tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["onnx", "litert"])
def test_what_is_not_installed_is_said_with_its_extra(kind, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    model = gru()
    with pytest.raises(
        EngineError, match=rf"not installed[\s\S]*pip install 'gatescope\[{kind}\]'"
    ):
        export(model, samples(model), kind, tmp_path / "net")
