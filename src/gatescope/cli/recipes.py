"""`gatescope recipes` and `gatescope train NAME`: the lessons, one command each."""

from __future__ import annotations

import importlib.util
import inspect
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatescope.cli.files import existing
from gatescope.cli.terminal import engine_starting, output, printable
from gatescope.errors import ConfigurationError, UsageError
from gatescope.recipes.lessons import Lesson, lesson, lessons, names, read_lesson
from gatescope.report.terminal import summary, table

if TYPE_CHECKING:
    from gatescope.recipes.recipe import Recipe

recipes = typer.Typer(name="recipes", help="The recipes: small networks that show one thing each.")

OWN_COMMANDS = ("caption", "scenes")
"""Recipes with options of their own."""


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


def recipe_names() -> list[str]:
    """Recipes that have no command of their own, in their order."""
    return [name for name in names() if name not in OWN_COMMANDS]


def recipe_command(found: Lesson) -> Any:
    """The command that runs a recipe.

    Args:
        found: Which.
    """
    one = typer.Typer(add_completion=False)
    one.command(found.name, help=f"{found.title}.")(_command(found))
    return typer.main.get_command(one)


def _command(found: Lesson) -> Callable[..., None]:
    """A function whose options are those of all recipes, and what this one's `recipe` is given."""

    def run(folder: Path | None, settings: list[str] | None, resume: bool, **given: object) -> None:
        run_lesson(found, folder, settings or (), resume=resume, **given)

    options = {**_OPTIONS, **{name: _GIVEN[name] for name in found.takes if name in _GIVEN}}
    run.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in options.items()
    ])  # fmt: skip
    return run


_OPTIONS: Mapping[str, tuple[Any, object]] = {
    "folder": (
        Annotated[
            Path | None,
            typer.Option("--run", metavar="DIR", help="Where it is kept; runs/NAME-… by default."),
        ],
        None,
    ),
    "settings": (
        Annotated[
            list[str] | None,
            typer.Option("--set", metavar="NAME=VALUE", help="Change a setting. May be repeated."),
        ],
        None,
    ),
    "resume": (
        Annotated[bool, typer.Option("--resume", help="Go on where the run was stopped.")],
        False,
    ),
}
_GIVEN: Mapping[str, tuple[Any, object]] = {
    "data": (
        Annotated[Path | None, typer.Option("--data", metavar="PATH", help="Data of your own.")],
        None,
    ),
    "target": (
        Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="What to predict.")],
        None,
    ),
    "drop": (
        Annotated[
            list[str] | None,
            typer.Option("--drop", metavar="COLUMN", help="Leave it out. May be repeated."),
        ],
        None,
    ),
    "label": (
        Annotated[
            str | None,
            typer.Option(
                "--label", metavar="RULE", help="A regular expression: (what) names a file's class."
            ),
        ],
        None,
    ),
    "group": (
        Annotated[
            str | None,
            typer.Option(
                "--group", metavar="RULE", help="Likewise: whose it is; none is in two parts."
            ),
        ],
        None,
    ),
}
"""What a recipe may be given, by the name of the argument of its function `recipe`."""


def run_lesson(
    found: Lesson, folder: Path | None, settings: Any, *, resume: bool = False, **given: object
) -> None:
    """Runs a recipe and shows what came of it.

    Args:
        found: Which.
        folder: Where it is kept.
        settings: Changes, each `name=value`.
        resume: Whether to go on in that folder.
        **given: What its function `recipe` is to be given; None for what it was not.

    Raises:
        UsageError: It needs something that it was not given, or the folder is a file.
    """
    chosen_data = {name: value for name, value in given.items() if value}
    _check_given(found, chosen_data)
    if resume and folder is None:
        raise UsageError("--resume goes on in a folder", "--run DIR", "name the run's folder")
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is a file", "a folder for the run", "name another --run")
    where = folder or Path("runs") / time.strftime(f"{found.name}-%Y%m%d-%H%M%S")
    with engine_starting():
        from gatescope.recipes.results import rows_of, write_results
        from gatescope.recipes.settings import override

        module = loaded(found)
    began = time.monotonic()
    chosen = override(_recipe(found, module.recipe(**chosen_data)), settings)
    where.mkdir(parents=True, exist_ok=True)
    results = chosen.run(module, where, resume=resume, console=output())
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
    for name, (low, high) in results.outside.items() if not settings else ():
        typer.echo(f"{name} is {results.scores[name]:.4g}, expected {low:g} to {high:g}", err=True)
    if results.outside and not settings:
        raise typer.Exit(1)


def _check_given(found: Lesson, given: Mapping[str, object]) -> None:
    if isinstance(data := given.get("data"), Path):
        existing(data, found.facts.get("Data", "the data of the recipe"))
    for name, needed in found.takes.items():
        if needed and name not in given:
            raise UsageError(
                f"the recipe {found.name!r} needs --{name}",
                found.facts.get("Data", f"a {name}") if name == "data" else f"a {name}",
                f"gatescope train {found.name} --{name} …",
            )


def _recipe(found: Lesson, made: object) -> Recipe:
    from gatescope.recipes.recipe import Recipe

    if isinstance(made, Recipe):
        return made
    raise ConfigurationError(
        f"recipe() of {found.file.name} returned {type(made).__name__}",
        "a recipe",
        "see gatescope recipes copy",
    )


def loaded(found: Lesson) -> Any:
    """The module of a recipe, which may be a file of the user's.

    Args:
        found: What was read of its source.
    """
    if found.file.parent == Path(__file__).parent.parent / "recipes":
        return importlib.import_module(f"gatescope.recipes.{found.file.stem}")
    spec = importlib.util.spec_from_file_location(found.file.stem, found.file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{found.file} is no Python file", "a recipe", "gatescope recipes copy")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "recipe"):
        raise UsageError(
            f"{found.file} has no function recipe()",
            "a recipe as gatescope recipes copy makes one",
            "let recipe() return the configuration",
        )
    return module


def own_recipe(file: Path) -> Lesson:
    """A recipe of the user's, from a file.

    Args:
        file: What was typed in the place of a name.
    """
    existing(file, "a recipe, such as gatescope recipes copy makes one")
    return read_lesson(file)
