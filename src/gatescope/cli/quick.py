"""What commands read their arguments with that cannot wait for typer, or must not load it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any, Never

from gatescope.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Speaks as the other commands do: of its usage, and of wrong options in three parts."""

    def __init__(self, usage: str, **settings: Any) -> None:
        super().__init__(usage=usage, formatter_class=_Formatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> Never:
        usage = self.usage or ""
        command = " ".join(usage.split()[:2])
        raise UsageError(message, usage, f"{command} --help")


class _Formatter(argparse.HelpFormatter):
    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, prefix or "Usage: ")
