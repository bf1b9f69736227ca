"""Does something as soon as a package has been imported, and imports no package for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import final

from gatescope.startup import uncollected


def on_import(package: str, work: Callable[[], None]) -> Callable[[], None]:
    """Calls a function when a package has been imported: at once where it already was.

    Args:
        package: Its name.
        work: What to do.

    Returns:
        What makes it wait no more.
    """
    if package in sys.modules:
        work()
        return lambda: None
    finder = _Finder(package, work)
    sys.meta_path.insert(0, finder)
    return finder.leave


@final
class _Finder:
    """Finds nothing itself: lets the others find the package, and is told when it has run.

    It stays until then, for who asks where a package is need not import it.
    """

    def __init__(self, package: str, work: Callable[[], None]) -> None:
        self._package, self._work = package, work
        self._asking = False

    def leave(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._package or self._asking:
            return None
        self._asking = True  # the others, of whom this is one
        try:
            spec = find_spec(name)
        finally:
            self._asking = False
        if spec is not None and spec.loader is not None:
            self._follow(spec.loader)
        return spec

    def _follow(self, loader: object) -> None:
        execute = loader.exec_module  # type: ignore[attr-defined]

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # type: ignore[attr-defined]
            self.leave()
            with uncollected():
                execute(module)
            self._work()

        loader.exec_module = exec_module  # type: ignore[attr-defined]
