"""Runs by the names that addresses hold; nothing outside of the folder of runs is reached."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from gatescope.errors import RunError
from gatescope.runs.open import Run, open_run
from gatescope.runs.schema import DATABASE


def run_named(name: str, root: Path) -> Run:
    """The run of a name.

    Args:
        name: Its folder within the folder of runs.
        root: That folder.

    Raises:
        RunError: There is no such run there, or it is damaged.
    """
    folder = root / name
    hidden = any(part.startswith(".") for part in Path(name).parts)
    if hidden or not is_inside(folder, root) or not folder.exists():
        raise RunError(
            f"there is no run {name!r}", f"a run in {str(root)!r}", "choose one from the list"
        )
    return open_run(folder)


def is_inside(folder: Path, root: Path) -> bool:
    """Whether a run stands in the folder of runs, wherever links in its path lead.

    Args:
        folder: Of the run.
        root: The folder of runs.
    """
    try:
        record = (folder / DATABASE).resolve()
    except (OSError, ValueError):  # a name too long, or one that no file can have
        return False
    return root.resolve() in record.parents


def address_of(name: str) -> str:
    """Where a run is shown.

    Args:
        name: Its folder within the folder of runs.
    """
    return f"/runs/{quote(name)}"


def network_address(name: str) -> str:
    """Where the network of a run is looked into.

    Args:
        name: Of the run, its folder within the folder of runs.
    """
    return f"/network/{quote(name)}"
