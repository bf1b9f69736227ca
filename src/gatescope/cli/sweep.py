"""`gatescope sweep`: a recipe trained under many settings, side by side."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatescope.cli.recipe_group import (
    FOLDER,
    SETTINGS,
    VARIANT,
    Option,
    Work,
    check_folder,
    given_to,
    group_of,
    train_command,
)
from gatescope.cli.terminal import engine_starting, output, printable, progress_bars
from gatescope.errors import UsageError
from gatescope.recipes.kinds.lessons import Lesson

if TYPE_CHECKING:
    from gatescope.recipes.running.sweep import Sweep


def run_sweep(
    found: Lesson,
    *,
    swept: list[str],
    trials: int | None,
    workers: int | None,
    ray: bool,
    folder: Path | None,
    settings: list[str] | None,
    variant: str | None,
    seed: int,
    **given: Any,
) -> None:
    """Trains a recipe under many settings and compares what comes of it.

    Args:
        found: The recipe.
        swept: What differs, each `name=low..high` or `name=a,b,c`.
        trials: How many trainings.
        workers: How many at once on this machine; as many as it has cores where it is None.
        ray: Whether a Ray cluster runs them.
        folder: Where the sweep is kept, or goes on.
        settings: Changes for all trials, each `name=value`.
        variant: The one that is trained, of several; the first where none is named.
        seed: Of what is drawn.
        **given: What the recipe's function `recipe` is to be given.
    """
    chosen = given_to(found, "sweep", **given)
    check_folder(folder)
    if ray and workers is not None:
        raise UsageError(
            "--workers is for this machine, and --ray is given",
            "one of them",
            "leave --workers out: Ray knows how many cores its cluster has",
        )
    where = folder or Path("runs") / time.strftime(f"sweep-{found.name}-%Y%m%d-%H%M%S")
    with engine_starting():
        from gatescope.recipes.running.sweep import prepare
    sweep = prepare(
        found, chosen, settings or (), variant, swept, trials=trials, seed=seed, folder=where
    )
    _run(sweep, workers or os.cpu_count() or 1, ray=ray)
    _show(sweep, found, chosen)


def _run(sweep: Sweep, workers: int, *, ray: bool) -> None:
    """Trains what is left, with a line for each trial that ends."""
    count, left = len(sweep.trials), len(sweep.left())
    for text in sweep.about():
        typer.echo(printable(text))
    if left < count:
        typer.echo(f"{count - left} of {count} trials are done already")
    with progress_bars() as report:
        report("trials", count - left, count)
        for done, (trial, outcome) in enumerate(sweep.run(workers=workers, ray=ray), 1):
            report("trials", count - left + done, count)
            came = outcome.failure or f"dev {outcome.dev:.4g}"
            line = f"{trial.folder.name}  {', '.join(sweep.changes(trial))}  {came}"
            line = printable(f"{line}  {outcome.seconds:.0f} s")
            output().print(line, markup=False, soft_wrap=True)


def _show(sweep: Sweep, found: Lesson, given: dict[str, object]) -> None:
    from gatescope.recipes.running.sweep import ranked, rows_of, write_sweep
    from gatescope.report.terminal import summary, table

    results = ranked(sweep.results())
    best, outcome = results[0] if results else (None, None)
    use = ""
    if best is not None and outcome is not None and outcome.dev is not None:
        asked = best.asked
        use = train_command(found, given, asked.settings, asked.variant)
    page = write_sweep(sweep, results, use)
    rows, columns = rows_of(sweep, results)
    facts = [("page", printable(str(page))), ("trials", f"{len(results)} of {len(sweep.trials)}")]
    drawn = table(rows, columns, title="the best on dev first")
    output().print(summary(f"sweep of {found.name}", facts, drawn))
    if use:
        typer.echo(printable(use))
    failed = len(sweep.trials) - sum(outcome.dev is not None for _, outcome in results)
    if failed == len(sweep.trials):
        raise typer.Exit(1)


_SWEPT = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME=VALUES…",
        help="What differs: name=low..high, or name=a,b,c.",
        show_default=False,
    ),
]
_TRIALS = Annotated[
    int | None,
    typer.Option(min=1, help="How many; all of a grid of lists, 8 of ranges by default."),
]
_WORKERS = Annotated[
    int | None,
    typer.Option(min=1, help="How many at once; one for each core by default."),
]
_OPTIONS = {
    "swept": Option(_SWEPT, ...),
    "trials": Option(_TRIALS, None),
    "workers": Option(_WORKERS, None),
    "ray": Option(
        Annotated[bool, typer.Option("--ray", help="Run them on a Ray cluster (extra 'ray').")],
        False,
    ),
    "folder": FOLDER,
    "settings": SETTINGS,
    "variant": VARIANT,
    "seed": Option(Annotated[int, typer.Option(min=0, help="Of what is drawn.")], 1),
}

sweep = typer.Typer(
    name="sweep",
    cls=group_of(Work("sweep", run_sweep, _OPTIONS)),
    no_args_is_help=True,
    help="Train a recipe under many settings in parallel processes, and compare the curves.",
)
