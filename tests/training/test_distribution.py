"""Several processes take the steps that one takes (losses within 1e-4), and die with a message."""

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from gatescope.errors import ConfigurationError, UsageError, WorkerError
from gatescope.runs.open import open_run
from gatescope.training.distribution import (
    fit_as_worker,
    fit_on_workers,
    fit_together,
    leads,
)
from gatescope.training.fit import FitConfig, fit
from gatescope.training.optimizers import OptimizerConfig
from gatescope.training.schedules import Cosine

sys.path.insert(0, str(Path(__file__).parent))  # which the new processes have, too
import worker_jobs as jobs

CONFIG = FitConfig(
    epochs=4,
    batch_size=8,
    optimizer=OptimizerConfig(name="adamw", learning_rate=0.02),
    schedule=Cosine(warmup=0.2),
    clip_norm=0.3,
    precision="float32",
)


@pytest.fixture(scope="module")
def alone():
    """One process with the same batches."""
    keras.utils.set_random_seed(CONFIG.seed)
    job = jobs.job()
    fitted = fit(job.model, job.data, CONFIG, validation=job.validation)
    return fitted, job.model


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    run = tmp_path_factory.mktemp("workers") / "run"
    return fit_on_workers(jobs.job, CONFIG, workers=4, run=run)


def test_four_workers_have_the_losses_of_one_process(alone, together):
    fitted, model = alone
    assert set(together.history) == set(fitted.history)
    for name, column in fitted.history.items():
        np.testing.assert_allclose(together.history[name], column, atol=1e-4, err_msg=name)
    assert together.best_epoch == fitted.best_epoch
    trained = keras.saving.load_model(together.run_folder / "model.keras")
    for mine, theirs in zip(trained.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_they_leave_one_record(together):
    run = open_run(together.run_folder)
    assert run.status == "finished"
    assert run.metrics["loss"].tolist() == together.history["loss"]


def test_statistics_of_batches_and_dropout_train_and_save(tmp_path):
    config = CONFIG.model_copy(update={"epochs": 1})
    fitted = fit_on_workers(jobs.normalized, config, workers=2, run=tmp_path / "run")
    assert np.isfinite(fitted.history["loss"]).all()


def test_a_worker_that_dies_ends_it_with_a_message_and_a_checkpoint(tmp_path, monkeypatch):
    run = tmp_path / "run"
    with pytest.raises(WorkerError, match=r"worker 1 of 2 was killed by SIGKILL[\s\S]*resume"):
        fit_on_workers(jobs.dying, CONFIG, workers=2, run=run)
    fitted = fit_on_workers(jobs.surviving, CONFIG, workers=2, run=run, resume=True)
    keras.utils.set_random_seed(CONFIG.seed)
    alone = jobs.surviving()
    whole = fit(alone.model, alone.data, CONFIG)
    np.testing.assert_allclose(fitted.history["loss"], whole.history["loss"], atol=1e-4)


def test_an_error_of_the_job_is_the_error_of_the_call(tmp_path):
    with pytest.raises(ConfigurationError, match="is not compiled"):
        fit_on_workers(jobs.uncompiled, CONFIG, workers=1, run=tmp_path / "run")


def test_keras_fit_still_fails_on_several_workers(tmp_path):
    """When this fails, Keras has mended `fit`, and `training/distribution.py` can go."""
    with pytest.raises(UsageError, match="fit fails"):
        fit_on_workers(jobs.by_keras, CONFIG, workers=2, run=tmp_path / "run")


def test_what_cannot_be_distributed_is_refused(tmp_path):
    with pytest.raises(UsageError, match="workers is 0"):
        fit_on_workers(jobs.job, CONFIG, workers=0, run=tmp_path)
    with pytest.raises(UsageError, match=r"cannot be sent to another process[\s\S]*top of a"):
        fit_on_workers(lambda: jobs.job(), CONFIG, workers=1, run=tmp_path)
    assert "TF_CONFIG" not in os.environ
    with pytest.raises(UsageError, match="TF_CONFIG is not set"):
        fit_as_worker(jobs.job, CONFIG, run=tmp_path)


def test_the_first_of_those_that_tf_config_names_leads(tmp_path, monkeypatch):
    assert leads()
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    for kind, index, first in (("chief", 0, True), ("worker", 0, False), ("worker", 1, False)):
        task = {"cluster": cluster, "task": {"type": kind, "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(task))
        assert leads() is first
    with pytest.raises(UsageError, match=r"names 3 workers, and 2[\s\S]*--workers 3"):
        fit_together(jobs.job, CONFIG, workers=2, run=tmp_path)
    monkeypatch.setenv("TF_CONFIG", "{}")
    with pytest.raises(UsageError, match=r"TF_CONFIG cannot be read: '\{\}'"):
        leads()
