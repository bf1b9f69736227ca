"""`gatescope learn`: the recipes as lessons, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from gatescope.cli.recipe_group import OWN_COMMANDS
from gatescope.cli.recipes import run_lesson
from gatescope.cli.terminal import output
from gatescope.errors import UsageError
from gatescope.recipes.kinds.lessons import Lesson, lesson, lessons


def learn(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The lesson to begin with.")
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask/--no-ask", help="Whether to ask for your prediction first.")
    ] = True,
) -> None:
    """Walk through the recipes: read, predict, run, look at the picture, go on."""
    course = [one for one in lessons() if one.name not in OWN_COMMANDS]
    begin = 0 if name is None else _place(name, course)
    for place, one in enumerate(course[begin:], begin + 1):
        _tell(one, f"{place} of {len(course)}")
        if any(one.takes.values()):
            typer.echo(f"To run it: gatescope train {one.name} --data PATH\n")
        else:
            _run(one, ask=ask)
        if place < len(course) and ask:
            following = course[place]
            if (
                _asked(f"Next: {following.name}, {following.title}. Enter to go on, q to stop")
                == "q"
            ):
                return


def _run(one: Lesson, *, ask: bool) -> None:
    guess = _asked("Your prediction (Enter to skip)") if ask and one.facts.get("Predict") else ""
    run_lesson(one, None, ())
    if guess:
        typer.echo(f"You predicted: {guess}")


def _place(name: str, course: Sequence[Lesson]) -> int:
    found = lesson(name)
    if found in course:
        return course.index(found)
    raise UsageError(
        f"{found.name} takes minutes and has options of its own",
        f"one of {', '.join(one.name for one in course)}",
        f"gatescope train {found.name} --help",
    )


def _tell(one: Lesson, place: str) -> None:
    output().rule(f"{one.name}   {place}")
    typer.echo(f"\n{one.title}.\n\n{one.text}\n")
    for fact in ("Data", "Predict"):
        if fact in one.facts:
            typer.echo(f"{fact}: {one.facts[fact]}\n")


def _asked(question: str) -> str:
    return str(typer.prompt(question, default="", show_default=False)).strip()
