"""Where bundles are; finding them needs no TensorFlow."""

from __future__ import annotations

from pathlib import Path

DESCRIPTION = "bundle.json"
LEFT_OVER = (".unfinished", ".old")
"""How folders end that a killed saving has left."""
_DEPTHS = ("*", "*/*", "*/*/*")  # of bundles below the folder of runs


def find_bundles(root: Path) -> dict[str, Path]:
    """Finds the bundles in a folder of runs.

    Args:
        root: The folder of runs, which need not exist.

    Returns:
        Run to bundle, sorted: those that a training left in `RUN/bundle`, and bundles that lie
        there themselves; none that a link leads to outside of the folder.

    Example:
        >>> find_bundles(Path("runs"))
        {'mine': PosixPath('runs/mine/bundle')}
    """
    found = {}
    for file in (file for deep in _DEPTHS for file in root.glob(f"{deep}/{DESCRIPTION}")):
        run = file.parents[1] if file.parent.name == "bundle" else file.parent
        within = run.relative_to(root)
        skipped = any(
            part.startswith(".") or part.endswith(LEFT_OVER)
            for part in file.relative_to(root).parts
        )
        if within.parts and not skipped and root.resolve() in file.resolve().parents:
            found[within.as_posix()] = file.parent
    return dict(sorted(found.items()))
