"""Local pages that show what the library computes: rooms for circuits, runs, networks, captions.

`gatescope.studio` is both this package and, called as `gs.studio()`, what opens the pages from
Python: whichever of the two is asked for first, importing the package gives it that name.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatescope.studio.beside import Beside


class _Callable(ModuleType):
    def __call__(self, *arguments: Any, **settings: Any) -> Beside:
        from gatescope.studio.beside import studio

        return studio(*arguments, **settings)


sys.modules[__name__].__class__ = _Callable
