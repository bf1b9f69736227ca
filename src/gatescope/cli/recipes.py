"""`gatescope recipes` and `gatescope train NAME`: the lessons, one command each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gatescope.cli.recipe_group import check_folder, given_to
from gatescope.cli.terminal import engine_starting, output, printable
from gatescope.errors import UsageError
from gatescope.recipes.kinds.lessons import Lesson, lesson, lessons
from gatescope.report.terminal import summary, table

recipes = typer.Typer(name="recipes", help="The recipes: small networks that show one thing each.")


@recipes.callback(invoke_without_command=True)
def list_recipes(context: typer.Context) -> None:
    """List the recipes in the order in which they are best read."""
    if context.invoked_subcommand is None:
        rows = [
            (one.name, one.title, one.facts.get("Minutes on two cores", "").rstrip("."), one.lines)
            for one in lessons()
        ]
        output().print(table(rows, ["recipe", "shows", "minutes", "lines"]))
        typer.echo("\ngatescope train NAME runs one, gatescope recipes show NAME prints its lesson")


@recipes.command("show")
def show_recipe(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Print the lesson of a recipe, and its source."""
    found = lesson(name)
    typer.echo(found.file.read_text(encoding="utf-8"))


@recipes.command("copy")
def copy_recipe(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to, such as my.py.")],
) -> None:
    """Copy a recipe as a start for your own work: change it, then gatescope train FILE."""
    found = lesson(name)
    if file.suffix != ".py":
        raise UsageError(f"{str(file)!r} is no Python file", "a name like my.py", "end it in .py")
    if file.exists():
        raise UsageError(f"{str(file)!r} exists", "a file that is not there", "take another name")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(found.file.read_text(encoding="utf-8"), encoding="utf-8")
    typer.echo(f"{printable(str(file))}: change it, then gatescope train {printable(str(file))}")


def run_lesson(
    found: Lesson,
    folder: Path | None,
    settings: Any,
    *,
    resume: bool = False,
    workers: int | None = None,
    variant: str | None = None,
    **given: object,
) -> None:
    """Runs a recipe and shows what came of it.

    Args:
        found: Which.
        folder: Where it is kept.
        settings: Changes, each `name=value`.
        resume: Whether to go on in that folder.
        workers: Processes that train together; None for the recipe's own number.
        variant: The one that is trained; None for all.
        **given: What its function `recipe` is to be given; None for what it was not.

    Raises:
        UsageError: It needs something that it was not given, or the folder is a file.
    """
    settings = settings or ()
    chosen_data = given_to(found, "train", **given)
    if resume and folder is None:
        raise UsageError("--resume goes on in a folder", "--run DIR", "name the run's folder")
    check_folder(folder)
    where = folder or Path("runs") / time.strftime(f"{found.name}-%Y%m%d-%H%M%S")
    with engine_starting():
        from gatescope.recipes.kinds.network import network_recipe
        from gatescope.recipes.kinds.results import rows_of, write_results
        from gatescope.recipes.kinds.settings import override
        from gatescope.recipes.running.loading import load_recipe
        from gatescope.training.distribution import leads
    began = time.monotonic()
    loaded = load_recipe(found, chosen_data, settings)
    chosen = loaded.recipe
    if variant is not None:
        chosen = network_recipe(found.name, chosen).only(variant, settings)
    where.mkdir(parents=True, exist_ok=True)
    if workers is not None:
        chosen = override(network_recipe(found.name, chosen), [f"workers={workers}"])
        if not leads():
            chosen.take_part(where, resume=resume, console=None)
            typer.echo("this worker has done its part; the first one has the results")
            return
    results = chosen.run(loaded.module, where, resume=resume, console=output())
    page = write_results(results, found, where)
    compared = [table(results.rows, results.columns)] if results.rows else []
    shown = [
        table(rows_of(results), ["", "score", "expected"]),
        *compared,
    ]
    facts = [
        ("shows", found.title),
        ("page", printable(str(page))),
        ("time", f"{time.monotonic() - began:.0f} s"),
    ]
    output().print(summary(found.name, facts, *shown))
    for note in results.notes:
        typer.echo(f"note: {printable(note)}")
    for name, (low, high) in results.outside.items() if not settings else ():
        reached = (
            f"{results.scores[name]:.4g}" if name in results.scores else "missing: it diverged"
        )
        typer.echo(f"{name} is {reached}, expected {low:g} to {high:g}", err=True)
    if results.outside and not settings:
        raise typer.Exit(1)
