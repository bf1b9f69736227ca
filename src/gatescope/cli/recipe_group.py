"""Groups of commands, one for each recipe: what is done with it differs, not how it is named."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from gatescope.cli.files import existing
from gatescope.errors import UsageError, nearest
from gatescope.recipes.kinds.lessons import HOME, Lesson, lesson, names, read_lesson

OWN_COMMANDS = ("caption", "scenes")
"""Recipes with options of their own."""


class Option(NamedTuple):
    """A parameter of a command."""

    kind: Any
    default: object


Options = Mapping[str, Option]


class Work(NamedTuple):
    """What a group of commands does with recipes.

    Args:
        verb: The name of the group.
        does: Takes the lesson, the options by their names, and what `recipe` is to be given.
        options: By the names of the arguments that they are.
    """

    verb: str
    does: Callable[..., None]
    options: Options


SETTINGS = Option(
    Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a setting. May be repeated."),
    ],
    None,
)
FOLDER = Option(
    Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="Where it is kept; in runs/ by default."),
    ],
    None,
)
VARIANT = Option(
    Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The one variant, of a recipe that has several."),
    ],
    None,
)
_GIVEN: Options = {
    "data": Option(
        Annotated[Path | None, typer.Option("--data", metavar="PATH", help="Data of your own.")],
        None,
    ),
    "target": Option(
        Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="What to predict.")],
        None,
    ),
    "drop": Option(
        Annotated[
            list[str] | None,
            typer.Option("--drop", metavar="COLUMN", help="Leave it out. May be repeated."),
        ],
        None,
    ),
    "label": Option(
        Annotated[
            str | None,
            typer.Option(
                "--label", metavar="RULE", help="A regular expression: (what) names a file's class."
            ),
        ],
        None,
    ),
    "group": Option(
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


def recipe_names() -> list[str]:
    """Recipes that have no command of their own, in their order."""
    return [name for name in names() if name not in OWN_COMMANDS]


def group_of(work: Work) -> type[TyperGroup]:
    """A group with a command for each recipe, and for each file that ends in `.py`.

    Recipes are read when they are asked for, not when the command line is put together.

    Args:
        work: What they do.
    """

    class RecipeOrFile(TyperGroup):
        """Recipes by name or file, beside commands of their own."""

        def list_commands(self, ctx: Any) -> list[str]:
            return [*recipe_names(), *super().list_commands(ctx)]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name.endswith(".py"):
                return recipe_command(own_recipe(Path(cmd_name)), work)
            if cmd_name in recipe_names():
                return recipe_command(lesson(cmd_name), work)
            return super().get_command(ctx, cmd_name)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            known = self.list_commands(ctx)
            if args[0] in known or args[0].endswith(".py"):
                return super().resolve_command(ctx, args)
            raise UsageError(
                f"there is nothing to {work.verb} called {args[0]!r}",
                f"one of {', '.join(known)}, or a recipe's file",
                nearest(args[0], known) or "gatescope recipes lists the recipes",
            )

    return RecipeOrFile


def recipe_command(found: Lesson, work: Work) -> Any:
    """A command, whose options are those of the work and what this recipe's `recipe` is given.

    Args:
        found: The recipe.
        work: What is done with it.
    """

    def run(**asked: Any) -> None:
        work.does(found, **asked)

    options = {**work.options, **{name: _GIVEN[name] for name in found.takes if name in _GIVEN}}
    run.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.kind
        )
        for name, one in options.items()
    ])  # fmt: skip
    command = typer.Typer(add_completion=False)
    command.command(found.name, help=f"{found.title}.")(run)
    return typer.main.get_command(command)


def own_recipe(file: Path) -> Lesson:
    """A recipe of the user's, from a file.

    Args:
        file: What was typed in the place of a name.
    """
    existing(file, "a recipe, such as gatescope recipes copy makes one")
    return read_lesson(file)


def given_to(found: Lesson, verb: str, **given: object) -> dict[str, object]:
    """What a recipe is given, of what was typed.

    Args:
        found: Which.
        verb: Of the command.
        **given: None for what was not typed.

    Raises:
        UsageError: It needs something that it was not given, or the data are not there.
    """
    chosen = {name: value for name, value in given.items() if value}
    if isinstance(data := chosen.get("data"), Path):
        existing(data, found.facts.get("Data", "the data of the recipe"))
    for name, needed in found.takes.items():
        if needed and name not in chosen:
            raise UsageError(
                f"the recipe {found.name!r} needs --{name}",
                found.facts.get("Data", f"a {name}") if name == "data" else f"a {name}",
                f"gatescope {verb} {found.name} --{name} …",
            )
    return chosen


def check_folder(folder: Path | None) -> None:
    """Refuses a file in the place of a folder.

    Raises:
        UsageError: It is a file.
    """
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is a file", "a folder for the run", "name another --run")


def train_command(
    found: Lesson, given: Mapping[str, object], settings: Sequence[str], variant: str | None
) -> str:
    """What to type to train a recipe with some settings.

    Args:
        found: The recipe.
        given: What its function `recipe` is given.
        settings: Each `name=value`.
        variant: The one that is trained, of several.
    """
    values = [
        (name, value if isinstance(value, list) else [value]) for name, value in given.items()
    ]
    options = [word for name, every in values for one in every for word in (f"--{name}", str(one))]
    chosen = [] if variant is None else ["--variant", variant]
    changes = [word for one in settings for word in ("--set", one)]
    own = found.file.parent != HOME
    named = str(found.file) if own else found.name
    return shlex.join(["gatescope", "train", named, *options, *chosen, *changes])
