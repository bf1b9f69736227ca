"""Networks whose sizes are those of their data."""

from __future__ import annotations

import pytest

from gatescope.data.bundled import Bundled
from gatescope.data.patients import Patients
from gatescope.errors import ConfigurationError
from gatescope.models.dense import DenseConfig
from gatescope.recipes.kinds.from_data import inputs_of, matched, outputs_of


def network(name: str) -> DenseConfig:
    data = Bundled(name=name).load()  # type: ignore[arg-type]
    return DenseConfig(inputs=inputs_of(data), hidden=(5,), outputs=outputs_of(data))


def test_sizes_follow_other_data_and_all_else_stays() -> None:
    of_iris = matched(network("wine"), Bundled(name="iris").load())
    assert (of_iris.inputs[0].size, of_iris.outputs[0].units) == (4, 3)
    assert of_iris == network("iris")


def test_a_network_need_not_have_every_output() -> None:
    data = Patients().load()
    some = DenseConfig(inputs=inputs_of(data)[:2], outputs=outputs_of(data)[1:2])
    assert matched(some, data) == some


def test_data_of_another_kind_are_refused_and_listed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        matched(network("wine"), Bundled(name="breast_cancer").load())
    assert caught.value.happened == (
        "the network has the output 'class' of kind 'classes', and the data have 'binary' there"
    )
    assert caught.value.expected == "what the data have: 'class' (binary)"
    assert caught.value.fix == "set network.outputs, too, or take other data"
    with pytest.raises(ConfigurationError, match="and the data have none of that name"):
        matched(network("wine"), Patients().load())
