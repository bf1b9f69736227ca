"""A network that is ready to be trained: built, compiled, with what it learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from gatescope.data.datasets import Dataset, Part
from gatescope.data.splits import Split
from gatescope.models.conv import ConvConfig, conv
from gatescope.models.dense import DenseConfig, dense
from gatescope.models.heads import compile_arguments
from gatescope.models.pretrained import PretrainedConfig, parted, pretrained
from gatescope.models.recurrent import RecurrentConfig, recurrent
from gatescope.recipes.kinds.from_data import matched
from gatescope.training.distribution import Job
from gatescope.training.fit import FitConfig

AnyNetwork = DenseConfig | ConvConfig | RecurrentConfig | PretrainedConfig

_BATCH = 64


@dataclass(frozen=True)
class Prepared:
    """A network and what it learns from.

    Args:
        model: The whole network.
        learner: What is trained; behind a frozen backbone the layers that read its features.
        data: What the learner reads.
        outputs: Names of the network's, in their order.
    """

    model: keras.Model
    learner: keras.Model
    data: Dataset
    outputs: tuple[str, ...]

    def job(self, config: FitConfig) -> Job:
        """What `fit` is given: arrays where they fit into memory, else batches of each epoch.

        Args:
            config: Of the training.
        """
        streamed = self.data.streamed
        if streamed is None:
            return Job(self.learner, self._given(self.data.train), self._given(self.data.dev))
        taught = streamed.epochs(config.batch_size, config.seed)
        return Job(self.learner, taught, lambda epoch: streamed.stream("dev", config.batch_size))

    def _given(self, part: Part) -> tuple[Any, Any]:
        """Inputs by name and targets in the order of the outputs, as Keras takes them."""
        y = [part.y[name] for name in self.outputs]
        return dict(part.x), y[0] if len(y) == 1 else y


def prepare(
    network: AnyNetwork, data: Dataset, config: FitConfig, samples: int | None = None
) -> Prepared:
    """Builds and compiles a network for its data.

    Args:
        network: Its inputs and outputs are named as the data name them.
        data: What it is trained on.
        config: How it is trained, whose seed draws its weights.
        samples: How many of the training part are learned from; None for all.

    Raises:
        ConfigurationError: Network and data do not go together.
    """
    sized = matched(network, data)
    keras.utils.set_random_seed(config.seed)
    model = built(sized)
    data = _drawn(data, samples, config.seed)
    learner = model
    if isinstance(sized, PretrainedConfig) and sized.frozen:
        backbone, learner = parted(model)
        data = _read_by(backbone, data, learner.inputs[0].name)
    learner.compile(**compile_arguments(sized.outputs))
    return Prepared(model, learner, data, tuple(output.name for output in sized.outputs))


def built(network: AnyNetwork) -> keras.Model:
    """The network of a configuration.

    Args:
        network: Of any kind.
    """
    match network:
        case ConvConfig():
            return conv(network)
        case RecurrentConfig():
            return recurrent(network)
        case PretrainedConfig():
            return pretrained(network)
        case DenseConfig():
            return dense(network)


def _drawn(data: Dataset, samples: int | None, seed: int) -> Dataset:
    """As many training samples as are to be learned from; more of them begin with those of fewer.

    Those of streamed data are drawn from the sample of them that is in memory.
    """
    if samples is None or samples >= len(data.train):
        return data
    order = np.random.default_rng(seed).permutation(len(data.train))
    return replace(data, train=data.train.rows(np.sort(order[:samples])), streamed=None)


def _read_by(backbone: keras.Model, data: Dataset, name: str) -> Dataset:
    """What a frozen backbone says of every photo: the same in each epoch, so it is asked once."""

    def features(x: Mapping[str, Any] | Any) -> Any:
        (pixels,) = x.values() if isinstance(x, Mapping) else (x,)
        return np.asarray(backbone.predict_on_batch(pixels))

    def read(split: Split) -> Part:
        part = data.part(split)
        if data.streamed is None:
            rows = range(0, len(part), _BATCH)
            found = [features({k: v[at : at + _BATCH] for k, v in part.x.items()}) for at in rows]
            return Part({name: np.concatenate(found)}, part.y)
        batches = data.streamed.stream(split, _BATCH).as_numpy_iterator()
        pairs = [(features(x), y) for x, y in batches]
        (target,) = data.targets
        told = {target.name: np.concatenate([y for _, y in pairs])}
        return Part({name: np.concatenate([x for x, _ in pairs])}, told)

    return replace(data, train=read("train"), dev=read("dev"), test=read("test"), streamed=None)
