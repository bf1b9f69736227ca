"""Another microphone and room: in training alone, each sound in its own way, by so much."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from gatescope.layers.random_recording import RandomRecording
from gatescope.training.fit import FitConfig, fit

RNG = np.random.default_rng(0)
SOUNDS = RNG.uniform(-10, 0, (64, 9, 16, 1)).astype("float32")


def recorded(**amounts):
    keras.utils.set_random_seed(0)
    return np.asarray(RandomRecording(**amounts)(SOUNDS, training=True))


def test_outside_of_training_nothing_is_changed() -> None:
    np.testing.assert_array_equal(RandomRecording(0.1, 0.5)(SOUNDS), SOUNDS)
    np.testing.assert_array_equal(recorded(), SOUNDS)


def test_an_equalizer_adds_the_same_smooth_curve_at_all_times() -> None:
    added = recorded(equalizer=0.1) - SOUNDS
    np.testing.assert_allclose(added, np.repeat(added[:, :1], 9, axis=1), atol=1e-4)
    assert len({curve.tobytes() for curve in np.round(added[:, 0], 3)}) == 64
    waves = np.cos(np.arange(1, 4)[:, None] * np.linspace(0, np.pi, 16)).T
    heights = np.linalg.lstsq(waves, added[:, 0, :, 0].T, rcond=None)[0]
    np.testing.assert_allclose(waves @ heights, added[:, 0, :, 0].T, atol=1e-3)
    assert heights.std() == pytest.approx(0.1 * 10, rel=0.2), "a share of the range"


def test_noise_drowns_what_is_quiet_and_leaves_what_is_loud() -> None:
    drowned = recorded(noise=0.5)
    assert (drowned >= SOUNDS).all()
    loud = SOUNDS > -3
    np.testing.assert_array_equal(drowned[loud], SOUNDS[loud])
    floors = drowned.min((1, 2, 3))
    assert floors.min() < -9 and floors.max() > -7, "each has its own"


def test_it_is_kept_in_a_file_with_its_amounts() -> None:
    again = keras.layers.deserialize(keras.layers.serialize(RandomRecording(0.2, 0.3, seed=4)))
    assert (again.equalizer, again.noise, again.seed) == (0.2, 0.3, 4)
    model = keras.Sequential([keras.Input((9, 16, 1)), again])
    assert model.output_shape == (None, 9, 16, 1)


def test_a_training_that_was_stopped_goes_on_with_the_same_draws(tmp_path) -> None:
    def network():
        model = keras.Sequential(
            [
                keras.Input((9, 16, 1)),
                RandomRecording(equalizer=0.1, noise=0.5),
                keras.layers.Flatten(),
                keras.layers.Dense(2),
            ]
        )
        model.compile(loss="mse")
        return model

    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    data, config = (SOUNDS, SOUNDS[:, 0, :2, 0]), FitConfig(epochs=4, restore_best=False)
    keras.utils.set_random_seed(3)
    whole = network()
    fit(whole, data, config, run=tmp_path / "whole")
    keras.utils.set_random_seed(3)
    stopper = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), data, config, run=tmp_path / "stopped", callbacks=[stopper])
    keras.utils.set_random_seed(99)
    resumed = network()
    fit(resumed, data, config, run=tmp_path / "stopped", resume=True)
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
