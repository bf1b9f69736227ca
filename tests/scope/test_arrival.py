"""Something is done when a package has been imported, however it comes to that."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gatescope.scope.arrival import on_import

Wait = Callable[[], list[Any]]


@pytest.fixture
def wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wait]:
    """Waits for a package `arriving`, and lists what stood in it when it was told."""
    folder = tmp_path / "arriving"
    folder.mkdir()
    (folder / "__init__.py").write_text("value = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)

    def begin() -> list[Any]:
        told: list[Any] = []
        on_import("arriving", lambda: told.append(sys.modules["arriving"].value))
        return told

    yield begin
    sys.modules.pop("arriving", None)
    assert sys.meta_path == before


def test_it_is_told_once_when_the_package_is_whole(wait: Wait) -> None:
    told = wait()
    assert told == []
    importlib.import_module("arriving")
    importlib.import_module("arriving")
    assert told == [7]


def test_who_asks_where_the_package_is_does_not_import_it(wait: Wait) -> None:
    told = wait()
    for _ in range(2):  # as TensorFlow does before it loads Keras lazily
        assert find_spec("arriving") is not None
    assert told == []
    importlib.import_module("arriving")
    assert told == [7]


def test_a_package_that_is_there_already_is_told_at_once(wait: Wait) -> None:
    importlib.import_module("arriving")
    assert wait() == [7]


def test_who_waits_no_more_is_not_told(wait: Wait) -> None:
    told: list[Any] = []
    on_import("arriving", lambda: told.append(1))()
    importlib.import_module("arriving")
    assert told == []
