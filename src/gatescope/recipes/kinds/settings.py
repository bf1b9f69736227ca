"""Settings of recipes, changed one by one.

A recipe is a frozen pydantic model that a function returns; `override` changes single settings of
it, as `--set training.batch_size=32` on the command line does.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from difflib import SequenceMatcher
from functools import partial
from typing import Annotated, Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from gatescope.errors import ConfigurationError, did_you_mean, nearest

Recipe = TypeVar("Recipe", bound=BaseModel)
_LISTED = 16  # settings in a message


def override(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """Changes settings of a recipe.

    Args:
        recipe: A pydantic model, whose fields may be models in turn; it stays as it is.
        assignments: Each `name=value`, the name as `full_name` takes it, the value in JSON or as
            plain text. Of two with the same name the later one counts.

    Returns:
        The changed recipe, validated as a whole.

    Raises:
        ConfigurationError: An assignment has no `=`, names no setting, or has a value that the
            setting, or the recipe with all its changes, does not accept.

    Example:
        >>> override(recipe(), ["training.batch_size=32", "decoder.cell=gru"]).decoder.cell
        'gru'
    """
    changes = [_parsed(assignment, recipe) for assignment in assignments]
    return _changed(recipe, changes, depth=0)


def full_name(recipe: BaseModel, name: str) -> str:
    """The name of a setting, with dots from model to model.

    Args:
        recipe: That has the setting.
        name: The same, or without models in the middle where it begins and ends as one setting
            alone does: `training.learning_rate` for `training.optimizer.learning_rate`.

    Raises:
        ConfigurationError: It names no setting.
    """
    names = list(_names(recipe))
    if name in names:
        return name
    group, _, last = name.rpartition(".")
    inside = [one for one in names if one.startswith(f"{group}.") and one.endswith(f".{last}")]
    if len(inside) == 1:
        return inside[0]
    offered = did_you_mean(inside or _elsewhere(name, names)) or nearest(name, names)
    raise ConfigurationError(
        f"there is no setting {name!r}",
        f"one of {_listed(names, name)}",
        offered or "name one of these",
    )


def _listed(names: Sequence[str], wrong: str) -> str:
    """Names, the likely ones of many."""
    if len(names) <= _LISTED:
        return ", ".join(names)
    likely = sorted(names, key=partial(_unlikeness, wrong))[:_LISTED]
    return f"{', '.join(likely)} and {len(names) - _LISTED} more"


def _unlikeness(name: str, known: str) -> float:
    return -SequenceMatcher(None, name.lower(), known.lower()).ratio()


def setting(recipe: BaseModel, name: str) -> object:
    """What a recipe has under the full name of a setting."""
    value: object = recipe
    for part in name.split("."):
        value = getattr(value, part)
    return value


class _Change(NamedTuple):
    path: Sequence[str]
    text: str

    @property
    def name(self) -> str:
        return ".".join(self.path)


def _parsed(assignment: str, recipe: BaseModel) -> _Change:
    name, equals, text = assignment.partition("=")
    if not equals:
        raise ConfigurationError(
            f"{assignment!r} sets nothing", "name=value", "write it like training.batch_size=32"
        )
    return _Change(full_name(recipe, name.strip()).split("."), text.strip())


def _names(model: BaseModel) -> Iterator[str]:
    """Every setting, with dots from model to model."""
    for name, value in model:
        yield name
        if isinstance(value, BaseModel):
            yield from (f"{name}.{inner}" for inner in _names(value))


def _elsewhere(name: str, names: Iterable[str]) -> list[str]:
    """Settings whose last part was typed right, wherever they are."""
    last = name.rpartition(".")[2]
    return [known for known in names if known.rpartition(".")[2] == last]


def _changed(model: Recipe, changes: Sequence[_Change], depth: int) -> Recipe:
    """Rebuilds a model from the changes below it, so that its validators see all of them."""
    values: dict[str, Any] = dict(model)
    below: dict[str, list[_Change]] = {}
    for change in changes:
        name = change.path[depth]
        if len(change.path) == depth + 1:
            values[name] = _value(type(model).model_fields[name], values[name], change)
            below.pop(name, None)
        else:
            below.setdefault(name, []).append(change)
    for name, inner in below.items():
        values[name] = _changed(_group(values[name], name, inner), inner, depth + 1)
    try:
        return type(model).model_validate(values)
    except ValidationError as cause:
        raise _contradiction(changes, cause) from cause


def _group(value: object, name: str, changes: Sequence[_Change]) -> BaseModel:
    if isinstance(value, BaseModel):
        return value
    raise ConfigurationError(
        f"{changes[0].name}={changes[0].text} after {name} was set to {_written(value)}",
        "settings that go together",
        "leave out one of them",
    )


def _value(field: FieldInfo, present: object, change: _Change) -> object:
    """Reads a value as JSON where the field accepts that, else as text."""
    kind: Any = Annotated[field.annotation, field]
    adapter = TypeAdapter[object](kind)
    first: ValidationError | None = None
    for candidate in _readings(change.text):
        try:
            return adapter.validate_python(candidate)
        except ValidationError as error:
            first = first or error
    optional = type(None) in get_args(field.annotation)
    raise ConfigurationError(
        f"{change.name}={change.text}",
        f"{_expected(first)}{' or null' if optional else ''}",
        f"the recipe has {change.name}={_written(present)}; write yours like that",
    ) from first


def _readings(text: str) -> list[object]:
    with suppress(ValueError):
        return [json.loads(text), text]
    if text.startswith(("{", "[")):  # quoted as Python does
        with suppress(ValueError, SyntaxError, TypeError):
            return [ast.literal_eval(text), text]
    return [text]


def _written(value: object) -> str:
    """A value as a user would type it."""
    return value if isinstance(value, str) else json.dumps(to_jsonable_python(value))


def _expected(error: ValidationError | None) -> str:
    messages = [detail["msg"] for detail in error.errors()] if error else []
    return " or ".join(
        message.removeprefix("Input should be ").removeprefix("Value error, ")
        for message in messages
    )


def _contradiction(changes: Sequence[_Change], error: ValidationError) -> ConfigurationError:
    told = ", ".join(f"{change.name}={change.text}" for change in changes)
    return ConfigurationError(
        f"{told} does not go with the rest of the recipe",
        _expected(error),
        "change or leave out one of them",
    )
