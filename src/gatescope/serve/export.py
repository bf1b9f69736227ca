"""A network in the format of another program, checked against the network itself.

Every export is opened by the runtime that it is for and asked about real samples; what it says must
be what the network says. Inputs and outputs keep the names that they have in the network.
"""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from gatescope.errors import EngineError, ExportError

Format = Literal["savedmodel", "onnx", "litert"]
Arrays = Mapping[str, NDArray[Any]]

TOLERANCE = 1e-4
"""How far an export may be off, as a share of the largest number that the output says, or of 1."""

SUFFIXES: Mapping[Format, str] = {"savedmodel": "", "onnx": ".onnx", "litert": ".tflite"}


@dataclass(frozen=True)
class Exported:
    """An export that says what its network says.

    Args:
        path: The file, or the folder of a SavedModel.
        samples: How many it was checked on.
        difference: The largest between both, as a share of the largest number of the output, or
            of 1.
    """

    path: Path
    samples: int
    difference: float


def export(model: keras.Model, samples: Arrays, kind: Format, path: Path) -> Exported:
    """Writes a network in another format, and checks it.

    Args:
        model: Of layers alone, with named inputs.
        samples: Real ones, by the inputs' names.
        kind: The format.
        path: Where to: a file, or the folder of a SavedModel; replaced as a whole.

    Returns:
        Where it is, and how far it was off.

    Raises:
        EngineError: What converts to the format, or runs it, is not installed.
        ExportError: The network cannot be converted, or says something else then; nothing is left.

    Example:
        >>> export(model, {"image": digits}, "onnx", Path("digits.onnx"))  # doctest: +SKIP
    """
    _check_installed(kind)
    convert, run = _KINDS[kind]
    said = _by_name(model, model(dict(samples), training=False))
    with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=".export.") as folder:
        made = Path(folder) / f"made{SUFFIXES[kind]}"
        try:
            with _fewer_warnings():
                convert(_named(model), made)
        except ExportError:
            raise
        except (ValueError, TypeError, RuntimeError, KeyError) as cause:
            raise _unconverted(kind, cause) from cause
        difference = _difference(said, run(made, samples))
        if not difference <= TOLERANCE:
            raise ExportError(
                f"the {kind} export says something else than the network: "
                f"they differ by {difference:.2g}",
                f"at most {TOLERANCE:g} of the largest number",
                "take another format, and report the network: it was not written",
            )
        _replace(made, path)
    return Exported(path, len(next(iter(samples.values()))), difference)


@contextmanager
def _fewer_warnings() -> Iterator[None]:
    """Without what TensorFlow says of functions that converters call."""
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _replace(made: Path, path: Path) -> None:
    if path.is_dir():
        # Out of the way first, into the folder that is deleted: no half of an export is left.
        path.rename(made.with_name("before"))
    made.rename(path)


def _named(model: keras.Model) -> keras.Model:
    """The same network, whose outputs have names in every format."""
    inputs = {tensor.name: tensor for tensor in model.inputs}
    return keras.Model(inputs, dict(zip(model.output_names, model.outputs, strict=True)))


def _by_name(model: keras.Model, said: Any) -> dict[str, NDArray[Any]]:
    listed = said if isinstance(said, list) else [said]
    return dict(zip(model.output_names, map(np.asarray, listed), strict=True))


def _difference(said: Arrays, found: Arrays) -> float:
    return max(
        float(np.abs(one - found[name]).max() / max(1.0, np.abs(one).max()))
        for name, one in said.items()
    )


def _to_savedmodel(model: keras.Model, path: Path) -> None:
    model.export(path, format="tf_saved_model", verbose=False)


def _run_savedmodel(path: Path, samples: Arrays) -> Arrays:
    serve = tf.saved_model.load(path).signatures["serving_default"]
    given = {name: tf.constant(one, _type_of(serve, name)) for name, one in samples.items()}
    return {name: np.asarray(one) for name, one in serve(**given).items()}


def _type_of(serve: Any, name: str) -> Any:
    return serve.structured_input_signature[1][name].dtype


def _to_onnx(model: keras.Model, path: Path) -> None:
    """By tf2onnx, from a graph without variables.

    Keras' own `format="onnx"` makes inputs of what a `Normalization` layer knows (3.15.1), and
    loses the names of outputs.
    """
    import tf2onnx
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        patch_tf2onnx()  # for NumPy 2
    specs = [tf.TensorSpec(one.shape, one.dtype, one.name) for one in model.inputs]
    names = [one.name for one in model.inputs]

    @tf.function(input_signature=specs)
    def serve(*given: Any) -> Any:
        return model(dict(zip(names, given, strict=True)), training=False)

    frozen = convert_variables_to_constants_v2(
        serve.get_concrete_function(), lower_control_flow=False, aggressive_inlining=True
    )
    given = [one.name for one in frozen.inputs if one.op.type == "Placeholder"]
    said = [one.name for one in frozen.outputs]
    # TensorFlow gives what is in a dict in the order of its names.
    renamed = {one: one.split(":")[0] for one in given}
    renamed |= dict(zip(said, sorted(model.output_names), strict=True))
    tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(add_shapes=True),
        input_names=given,
        output_names=said,
        tensors_to_rename=renamed,
        output_path=str(path),
    )


def _run_onnx(path: Path, samples: Arrays) -> Arrays:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": np.float32, "tensor(int32)": np.int32}
    given = {
        one.name: np.asarray(samples[one.name], types[one.type]) for one in session.get_inputs()
    }
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


def _to_litert(model: keras.Model, path: Path) -> None:
    _unrolled(model).export(path, format="litert", verbose=False)


def _run_litert(path: Path, samples: Arrays) -> Arrays:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner()
    types = {name: one["dtype"] for name, one in runner.get_input_details().items()}
    given = {name: np.asarray(one, types[name]) for name, one in samples.items()}
    found: Arrays = runner(**given)
    return found


def _unrolled(model: keras.Model) -> keras.Model:
    """The same network, its recurrent layers written out step by step: LiteRT has no loops."""
    if not any(map(_is_recurrent, model.layers)):
        return model
    loose = [one.name for one in model.inputs if None in one.shape[1:]]
    if loose:
        raise ExportError(
            f"the input {loose[0]!r} takes sequences of any length, which cannot be written out",
            "sequences of one length, for LiteRT",
            "train with length=..., or export to savedmodel or onnx",
        )
    clone = keras.models.clone_model(model, clone_function=_unrolled_layer)
    clone.set_weights(model.get_weights())
    return clone


def _is_recurrent(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional)


def _unrolled_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A recurrent layer without its loop; any other one itself, with all that it knows."""
    if not _is_recurrent(layer):
        return layer
    copy = type(layer).from_config(layer.get_config())
    both = isinstance(copy, keras.layers.Bidirectional)
    for each in [copy.forward_layer, copy.backward_layer] if both else [copy]:
        each.unroll = True
        # Keras 3.15.1 forgets to turn the mask around that it zeroes a layer's outputs by where
        # that reads backwards; what follows goes by the mask itself.
        each.zero_output_for_mask = False
    return copy


_KINDS: Mapping[
    Format, tuple[Callable[[keras.Model, Path], None], Callable[[Path, Arrays], Arrays]]
] = {
    "savedmodel": (_to_savedmodel, _run_savedmodel),
    "onnx": (_to_onnx, _run_onnx),
    "litert": (_to_litert, _run_litert),
}
_NEEDED: Mapping[Format, tuple[str, ...]] = {
    "savedmodel": (),
    "onnx": ("tf2onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
}


def _check_installed(kind: Format) -> None:
    missing = [name for name in _NEEDED[kind] if importlib.util.find_spec(name) is None]
    if missing:
        raise EngineError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            f"what converts to {kind} and runs it",
            f"pip install 'gatescope[{kind}]'",
        )


def _unconverted(kind: Format, cause: Exception) -> ExportError:
    first = next((line for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
    return ExportError(
        f"the network cannot be converted to {kind}: {first.strip()[:200]}",
        "a network of layers that the format knows",
        "take another format",
    )
