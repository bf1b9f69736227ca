"""One training by several processes, which take the steps that one would take.

Each process has a copy of the model. Of every batch each takes its share; gradients are summed over
all of them, weighted by the sizes of the shares, so that losses are those of one process with the
same batches. The engine is `tf.distribute.MultiWorkerMirroredStrategy`; the loop over epochs is
ours, for `keras.Model.fit` fails under that strategy (Keras 3.15).
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from rich.console import Console

from gatescope.errors import ConfigurationError, GatescopeError, UsageError, WorkerError
from gatescope.startup import quiet_startup
from gatescope.training.epochs import Data
from gatescope.training.fit import MODEL, FitConfig, Fitted, train

_LEFT_ALONE = 75  # exit code of a worker that ends because another one did
_GRACE = 10.0  # seconds in which the others notice
_TF_CONFIG = "TF_CONFIG"
_COLLECTIVE = "Collective ops is aborted"  # in what TensorFlow says when a worker is gone


class Job(NamedTuple):
    """What is trained.

    Args:
        model: Compiled with its loss and metrics. Its own `train_step` would not be called.
        data: As `fit` takes it.
        validation: Held-out data of the same form.
    """

    model: keras.Model
    data: Data
    validation: Data | None = None


def fit_on_workers(
    build: Callable[[], Job],
    config: FitConfig,
    *,
    workers: int,
    run: Path,
    resume: bool = False,
    console: Console | None = None,
) -> Fitted:
    """Trains in several new processes on this machine.

    Losses are those of one process, but for rounding, where steps draw no random numbers and
    batches are not normalized: each process drops out and normalizes its own share.

    Args:
        build: Makes the job, in each process anew and from the same seed; a function at the top
            of a module that can be imported. The run's folder holds the model that comes of it.
        config: How to train; a batch is that of all processes together.
        workers: How many.
        run: Folder for everything that is written.
        resume: Goes on where the run of that folder was stopped; `workers` may have changed.
        console: Where progress is shown; None is silent.

    Raises:
        UsageError: `build` cannot be sent to another process, or there is no worker.
        WorkerError: A process died; the last checkpoint is intact.
        GatescopeError: As `fit` raises it.

    Example:
        >>> fit_on_workers(digits, FitConfig(epochs=5), workers=2, run=Path("runs/d"))
        ... # doctest: +SKIP
    """
    if workers < 1:
        raise UsageError(f"workers is {workers}", "1 or more", "workers=2 suits two cores")
    addresses = _free_addresses(workers)
    context = _context()
    pipes = [context.Pipe(duplex=False) for _ in addresses]
    processes = [
        context.Process(
            target=_work,
            args=(build, config, run, resume, console is not None, addresses, rank, sender),
            daemon=True,
        )
        for rank, (_, sender) in enumerate(pipes)
    ]
    with ExitStack() as stack:
        with quiet_startup():
            for process, (_, sender) in zip(processes, pipes, strict=True):
                _start(process, build)
                stack.callback(_end, process)
                sender.close()
        return _result(processes, [receiver for receiver, _ in pipes], run)


def on_machines() -> bool:
    """Whether `TF_CONFIG` names processes, of which this is one."""
    return _TF_CONFIG in os.environ


def leads() -> bool:
    """Whether this process is the first of those that `TF_CONFIG` names, or none is named."""
    return _task()[1] == 0


def fit_together(
    build: Callable[[], Job],
    config: FitConfig,
    *,
    workers: int,
    run: Path,
    resume: bool = False,
    console: Console | None = None,
) -> Fitted:
    """Trains with the processes that `TF_CONFIG` names, or with new ones on this machine.

    Args:
        build: See `fit_on_workers`, as for all that is not said here.
        config: How to train.
        workers: How many in all.
        run: Folder for everything that is written; written to by the process that leads.
        resume: Goes on where the run of that folder was stopped.
        console: Where progress is shown; None is silent.

    Raises:
        UsageError: `TF_CONFIG` names another number of workers, or see `fit_on_workers`.
        WorkerError: A process died; the last checkpoint is intact.
        GatescopeError: As `fit` raises it.
    """
    if not on_machines():
        return fit_on_workers(
            build, config, workers=workers, run=run, resume=resume, console=console
        )
    if (named := _task()[0]) != workers:
        raise UsageError(
            f"TF_CONFIG names {named} workers, and {workers} are asked for",
            "the same number",
            f"--workers {named}, or unset TF_CONFIG to train on this machine alone",
        )
    return fit_as_worker(build, config, run=run, resume=resume, console=console)


def _task() -> tuple[int, int]:
    """How many workers `TF_CONFIG` names, and which this one is; one alone where it is not set."""
    text = os.environ.get(_TF_CONFIG)
    if text is None:
        return 1, 0
    try:
        told = json.loads(text)
        named = told["cluster"]
        chief = len(named.get("chief", ()))
        of_chief = told["task"]["type"] == "chief"
        place = 0 if of_chief else chief + int(told["task"]["index"])
        return chief + len(named.get("worker", ())), place
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise UsageError(
            f"TF_CONFIG cannot be read: {text!r}",
            '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}',
            "set it as TensorFlow's guide to multi-worker training says",
        ) from cause


def fit_as_worker(
    build: Callable[[], Job],
    config: FitConfig,
    *,
    run: Path,
    resume: bool = False,
    console: Console | None = None,
) -> Fitted:
    """Trains in this process together with those that `TF_CONFIG` names.

    Call it in each of them, before TensorFlow has computed anything. The first worker alone writes
    to the folder; all of them must see it to resume.

    Args:
        build: Makes the job, from the same seed everywhere.
        config: How to train; a batch is that of all processes together.
        run: Folder for everything that is written.
        resume: Goes on where the run of that folder was stopped.
        console: Where the first worker shows progress; None is silent.

    Raises:
        UsageError: `TF_CONFIG` is not set.
        WorkerError: Another process died; the last checkpoint is intact.
        GatescopeError: As `fit` raises it.
    """
    if not on_machines():
        raise UsageError(
            "TF_CONFIG is not set",
            "the addresses of all workers, and which of them this one is",
            "set it as TensorFlow's guide to multi-worker training says, or let "
            "fit_on_workers(workers=2) start processes on this machine",
        )
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    chief = leads()
    keras.utils.set_random_seed(config.seed)
    try:
        with strategy.scope():
            job = build()
            _check(job.model)
            fitted = train(
                job.model,
                job.data,
                config,
                run if chief else None,
                job.validation,
                resume=resume,
                console=console if chief else None,
                loop=_Loop(strategy),
                beside=None if chief or not resume else run,
            )
            if not chief:  # reading metrics, which a saved model holds, is work of all
                with TemporaryDirectory() as folder:
                    job.model.save(Path(folder) / MODEL)
            return fitted
    except tf.errors.OpError as cause:
        if _COLLECTIVE not in str(cause):
            raise
        raise WorkerError(
            f"another worker of {run} ended or cannot be reached",
            "all workers, until the training ends",
            "look at what the others say, then start all again with resume: "
            "the last checkpoint is whole",
        ) from cause


class _Loop:
    """In the place of `keras.Model.fit`: the same callbacks around steps of all replicas."""

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy

    def __call__(
        self,
        model: keras.Model,
        dataset: tf.data.Dataset,
        *,
        validation_data: tf.data.Dataset | None,
        initial_epoch: int,
        epochs: int,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> None:
        steps = max(0, int(dataset.cardinality())) or None
        told = keras.callbacks.CallbackList(
            list(callbacks), model=model, epochs=epochs, steps=steps, verbose=0
        )
        learn = tf.function(self._step(model, training=True), reduce_retracing=True)
        test = tf.function(self._step(model, training=False), reduce_retracing=True)
        model.stop_training = False
        told.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            told.on_epoch_begin(epoch)
            logs = _epoch(model, learn, dataset, told.on_train_batch_end)
            if validation_data is not None:
                told.on_test_begin()
                scores = _epoch(model, test, validation_data, lambda step, logs: None)
                logs |= {f"val_{name}": value for name, value in scores.items()}
            told.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        model.optimizer.finalize_variable_values(model.trainable_variables)
        told.on_train_end()

    def _step(self, model: keras.Model, *, training: bool) -> Callable[[Any], tf.Tensor]:
        """The mean loss of a batch, of which each replica takes its share."""

        def replica(batch: Any) -> tf.Tensor:
            share, weight, empty = _share(batch)
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(share)
            with tf.GradientTape() as tape:
                y_pred = model(x, training=training)
                loss = weight * model.compute_loss(
                    x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
                )
            if training:
                variables = model.trainable_variables
                _apply(model.optimizer, tape.gradient(loss, variables), variables)

            def count() -> tf.Tensor:
                model.compute_metrics(x, y, y_pred, sample_weight)
                return loss

            return tf.cond(empty, lambda: loss, count)

        def step(batch: Any) -> tf.Tensor:
            losses = self.strategy.run(replica, args=(batch,))
            return self.strategy.reduce("SUM", losses, axis=None)

        return step


def _epoch(
    model: keras.Model,
    step: Callable[[Any], tf.Tensor],
    dataset: tf.data.Dataset,
    after: Callable[[int, dict[str, float]], None],
) -> dict[str, float]:
    """Metrics of a pass over the data, losses weighted by the sizes of batches as Keras does."""
    model.reset_metrics()
    loss, rows = 0.0, 0
    for place, batch in enumerate(dataset):
        size = len(keras.tree.flatten(batch)[0])
        loss, rows = loss + size * float(step(batch)), rows + size
        after(place, {"loss": loss / rows})
    metrics = {name: float(value) for name, value in model.get_metrics_result().items()}
    return metrics | {"loss": loss / max(1, rows)}


def _share(batch: Any) -> tuple[Any, tf.Tensor, tf.Tensor]:
    """The rows of this replica, what its mean loss weighs, and whether there are none.

    Where there are none it gets one that weighs nothing, for a mean of nothing is no number. Keras
    divides losses by the number of replicas, so equal shares weigh 1.
    """
    replica = tf.distribute.get_replica_context()
    rank, count = replica.replica_id_in_sync_group, replica.num_replicas_in_sync
    rows = tf.shape(keras.tree.flatten(batch)[0])[0]
    start, end = rank * rows // count, (rank + 1) * rows // count
    first = tf.minimum(start, rows - 1)
    share = keras.tree.map_structure(lambda part: part[first : tf.maximum(end, first + 1)], batch)
    weight = tf.cast((end - start) * count, tf.float32) / tf.cast(rows, tf.float32)
    return share, weight, start == end


def _apply(
    optimizer: keras.Optimizer,
    gradients: Sequence[tf.Tensor | None],
    variables: Sequence[keras.Variable],
) -> None:
    """Takes a step; Keras sums gradients itself, but clips each replica's before that."""
    known = [pair for pair in zip(gradients, variables, strict=True) if pair[0] is not None]
    if optimizer.global_clipnorm:
        replica = tf.distribute.get_replica_context()
        count = replica.num_replicas_in_sync
        total = replica.all_reduce(tf.distribute.ReduceOp.SUM, [gradient for gradient, _ in known])
        clipped, _ = tf.clip_by_global_norm(total, optimizer.global_clipnorm)
        # A norm of at most a `count`-th of the limit is not clipped again.
        known = [
            (gradient / count, variable)
            for gradient, (_, variable) in zip(clipped, known, strict=True)
        ]
    optimizer.apply_gradients(known)


def _check(model: keras.Model) -> None:
    if not (model.compiled and model.built):
        raise ConfigurationError(
            f"the model {model.name!r} is not {'built' if model.compiled else 'compiled'}",
            "a model with a loss, that has weights",
            "call model.compile(loss=...) and give it keras.Input in what builds the job",
        )


def _context() -> Any:
    """How processes are started: where it can be, forked from one that has loaded TensorFlow.

    Only loaded, for what has computed cannot be forked; and the next training finds it there.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _free_addresses(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def _work(
    build: Callable[[], Job],
    config: FitConfig,
    run: Path,
    resume: bool,
    shows: bool,
    addresses: Sequence[str],
    rank: int,
    sender: Connection,
) -> None:
    """What each new process does."""
    cluster = {"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": rank}}
    os.environ[_TF_CONFIG] = json.dumps(cluster)
    share = max(1, (os.cpu_count() or 1) // len(addresses))
    tf.config.threading.set_intra_op_parallelism_threads(share)
    console = Console() if shows else None
    try:
        sender.send(fit_as_worker(build, config, run=run, resume=resume, console=console))
    except WorkerError:
        os._exit(_LEFT_ALONE)
    except GatescopeError as error:
        sender.send(error)
        os._exit(error.exit_code)


def _start(process: BaseProcess, build: Callable[[], Job]) -> None:
    try:
        process.start()
    except (pickle.PicklingError, AttributeError, TypeError) as cause:
        raise UsageError(
            f"{build!r} cannot be sent to another process: {cause}",
            "a function at the top of a module that can be imported",
            "move it out of the function or the notebook that it stands in",
        ) from cause


def _end(process: BaseProcess) -> None:
    if process.is_alive():
        process.kill()
    process.join()


def _result(processes: Sequence[BaseProcess], receivers: Sequence[Connection], run: Path) -> Fitted:
    """What the first worker has to tell, when all have ended well."""
    told: dict[int, Any] = {}
    while any(process.is_alive() for process in processes) and not _failed(processes):
        wait([process.sentinel for process in processes if process.is_alive()] + [*receivers], 0.5)
        _receive(receivers, told)
    if _failed(processes):
        deadline = time.monotonic() + _GRACE
        while any(process.is_alive() for process in processes) and time.monotonic() < deadline:
            wait([process.sentinel for process in processes if process.is_alive()], 0.5)
    _receive(receivers, told)
    for error in told.values():
        if isinstance(error, GatescopeError):
            raise error
    if failed := _failed(processes):
        raise _died(failed, processes, run)
    fitted: Fitted = told[0]
    return fitted


def _failed(processes: Sequence[BaseProcess]) -> list[int]:
    """The workers that failed, those that were only left alone last."""
    failed = [rank for rank, process in enumerate(processes) if process.exitcode]
    return sorted(failed, key=lambda rank: processes[rank].exitcode == _LEFT_ALONE)


def _receive(receivers: Sequence[Connection], told: dict[int, Any]) -> None:
    for rank, receiver in enumerate(receivers):
        if rank not in told and receiver.poll():
            try:
                told[rank] = receiver.recv()
            except EOFError:
                told[rank] = None


def _died(failed: Sequence[int], processes: Sequence[BaseProcess], run: Path) -> WorkerError:
    code = processes[failed[0]].exitcode or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return WorkerError(
        f"worker {failed[0]} of {len(processes)} {how}, and the training of {run} with it",
        "all workers, until the training ends",
        "what it printed says why; then train again with resume: the last checkpoint is whole",
    )
