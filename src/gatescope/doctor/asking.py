"""`gs.diagnose`: of a run, or of a model and its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gatescope.doctor.diagnosis import BUDGET, Diagnosis, diagnose_run
from gatescope.errors import UsageError
from gatescope.runs.open import Run, open_run
from gatescope.runs.record import RunWriter


def diagnose(
    run_or_model: Any,
    x: Any = None,
    y: Any = None,
    *,
    validation_data: tuple[Any, Any] | None = None,
    prove: bool = True,
    seconds: float = BUDGET,
) -> Diagnosis:
    """Says why a network does not learn, where, and what mends it; or that it is healthy.

    Of a model a copy is trained for a few hundred steps in a child process, with fresh weights,
    and watched; nothing of the model changes, and no code of yours runs.

    Args:
        run_or_model: A run, its folder, what writes it (`watch.run`), or a compiled Keras model.
        x: For a model, its inputs.
        y: For a model, its targets.
        validation_data: Held-out `(x, y)`; a fifth is split off where it is not given.
        prove: Whether to try remedies on copies.
        seconds: What that may take.

    Raises:
        UsageError: A model without data, or one that is not compiled.
        RunError: The folder is no run.

    Example:
        >>> diagnosis = gs.diagnose(model, x, y)  # doctest: +SKIP
        >>> diagnosis.findings[0].remedy  # doctest: +SKIP
        'set it to 0.001'
    """
    if isinstance(run_or_model, str | Path | RunWriter):
        run_or_model = open_run(run_or_model)
    if isinstance(run_or_model, Run):
        return diagnose_run(run_or_model, prove=prove, seconds=seconds)
    from gatescope.doctor.live import diagnose_model  # loads TensorFlow, which a run does not need

    if x is None or y is None:
        raise UsageError(
            "a model alone says little about its training",
            "the data that it is trained on",
            "gs.diagnose(model, x, y)",
        )
    return diagnose_model(
        run_or_model, x, y, validation_data=validation_data, prove=prove, seconds=seconds
    )
