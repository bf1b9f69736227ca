"""The recipes as lessons, in the order of a good lecture: each file's docstring is its text.

Nothing is imported: what a recipe says of itself is read from its source.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

from gatescope.errors import UsageError, nearest
from gatescope.recipes.kinds.blame import blamed

ORDER = (
    "gate", "gates", "losses", "learning_rate", "logistic", "activations", "hidden", "deep",
    "many_to_many", "house_prices", "convolution", "pooling", "dropout", "transfer", "style",
    "dream", "recurrence", "sentiment", "language", "speech", "faces", "emotions", "table",
    "scenes", "caption",
)  # fmt: skip
"""Modules of `gatescope.recipes` that are lessons, those that exist."""
HOME = Path(__file__).parent.parent
"""Where they are; a recipe elsewhere is the user's own."""
_FACTS = ("Predict", "Data", "Minutes on two cores", "Expected", "Baseline")
_FACT = re.compile(
    rf"(?:(?<=\s)|^)({'|'.join(_FACTS).replace(' ', chr(92) + 's')})(?:[, ][^:.]*)?:\s"
)
_NO_CODE = (
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER, tokenize.ENCODING,
)  # fmt: skip


@dataclass(frozen=True)
class Lesson:
    """What a recipe says of itself.

    Args:
        name: What `gatescope train` calls it.
        file: Its source, which is short enough to be read in one sitting.
        title: What it shows, in a line.
        text: The lesson.
        facts: `Predict` (a question to answer first), `Data`, `Minutes on two cores`, `Expected`
            and `Baseline`, those that it tells.
        lines: Of code, without docstrings, comments and empty ones.
        takes: What its function `recipe` is given, such as `data`: whether it must be.
    """

    name: str
    file: Path
    title: str
    text: str
    facts: dict[str, str]
    lines: int
    takes: dict[str, bool]


def names() -> list[str]:
    """What recipes are called, in the order in which they are best read."""
    return [name.replace("_", "-") for name in ORDER if (HOME / f"{name}.py").is_file()]


def lessons() -> list[Lesson]:
    """All recipes, in that order."""
    return [lesson(name) for name in names()]


def lesson(name: str) -> Lesson:
    """One of them.

    Args:
        name: As `gatescope recipes` lists it.

    Raises:
        UsageError: There is none of that name.
    """
    known = names()
    if name in known:
        return read_lesson(HOME / f"{name.replace('-', '_')}.py")
    raise UsageError(
        f"there is no recipe {name!r}",
        f"one of {', '.join(known)}",
        nearest(name, known) or "gatescope recipes lists them",
    )


def read_lesson(file: Path) -> Lesson:
    """What the source of a recipe says.

    Args:
        file: A Python file with a docstring.

    Raises:
        ConfigurationError: It is no Python.
    """
    with blamed(file):
        source = file.read_bytes().decode()
        tree = ast.parse(source, str(file))
    title, _, rest = (ast.get_docstring(tree) or file.stem).partition("\n")
    parts = _FACT.split(rest.strip())
    named = [" ".join(one.split()) for one in parts[1:]]
    facts = dict(zip(named[::2], named[1::2], strict=True))
    return Lesson(
        name=file.stem.replace("_", "-"),
        file=file,
        title=title.rstrip("."),
        text=parts[0].strip(),
        facts=facts,
        lines=lines_of_code(source),
        takes=_takes(source),
    )


def _takes(source: str) -> dict[str, bool]:
    """The arguments of `recipe`, and whether each must be given."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "recipe":
            named = [each.arg for each in node.args.args]
            needed = len(named) - len(node.args.defaults)
            return {name: place < needed for place, name in enumerate(named)}
    return {}


def lines_of_code(source: str) -> int:
    r"""How many lines of a Python source hold code.

    Args:
        source: Its text; docstrings, comments and empty lines do not count.

    Example:
        >>> lines_of_code('"a docstring"\nx = 1  # and a comment\n\n')
        1
    """
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    coded = [token for token in tokens if token.type not in _NO_CODE]
    told = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    held = {line for token in coded for line in range(token.start[0], token.end[0] + 1)}
    return len(held - told)
