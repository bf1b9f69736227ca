"""`gatescope doctor`: why a training failed, where, and what mends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatescope.cli.files import writable
from gatescope.cli.runs import RunsOption, find_run
from gatescope.cli.terminal import notes, printable, spinner
from gatescope.errors import RunError, UsageError

if TYPE_CHECKING:
    from gatescope.doctor.diagnosis import Diagnosis
    from gatescope.runs.open import Run

_SECONDS = 60.0


def doctor(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Its folder, or its name in --runs.")],
    root: RunsOption = Path("runs"),
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 when a proved fault stands.")
    ] = False,
    prove: Annotated[
        bool, typer.Option(help="Try remedies on copies, in a child process (default).")
    ] = True,
    seconds: Annotated[
        float, typer.Option(metavar="N", help="What proofs may take (default 60).")
    ] = _SECONDS,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object in place of the text.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one HTML page, too.")
    ] = None,
) -> None:
    """Diagnose a run: what is wrong, since when, on which line, and what proved to mend it."""
    folder = find_run(run, root)
    if page is not None:
        writable(page)
    if not seconds >= 1:
        raise UsageError(
            f"--seconds is {seconds:g}",
            "1 or more, or --no-prove for no proofs at all",
            f"leave --seconds out for {_SECONDS:g}",
        )
    if check and not prove:
        raise UsageError(
            "--check asks for proved faults, and --no-prove proves none",
            "one of the two",
            "leave --no-prove out",
        )
    from gatescope.runs.open import open_run
    from gatescope.runs.plain import strict

    found = _diagnosed(open_run(folder), prove, seconds)
    if as_json:
        typer.echo(json.dumps(strict(found.told), allow_nan=False))
    else:
        typer.echo(printable(str(found)))
    if page is not None:
        page.write_text(found.html(), encoding="utf-8")
        _note(f"wrote {page}")
    if check and found.proved:
        raise typer.Exit(1)


def report_runs(root: Path, since: float) -> None:
    """Diagnoses the runs that began since some time, on standard error; they share the budget.

    Args:
        root: The folder of runs.
        since: In seconds since 1970.
    """
    from gatescope.runs.folder import list_runs
    from gatescope.runs.open import open_run

    began = [one for one in list_runs(root).runs if one.started >= since] if root.is_dir() else []
    for one in reversed(began):
        found = _diagnosed(open_run(root / one.run), True, _SECONDS / len(began))
        typer.echo(f"\n{printable(str(found))}", err=True)  # rich would expand tabs


def _diagnosed(run: Run, prove: bool, seconds: float) -> Diagnosis:
    """A diagnosis, which the run keeps; one without proofs not in the place of one with them."""
    from gatescope.doctor.diagnosis import diagnose_run
    from gatescope.runs.findings import keep_findings

    with spinner("Diagnosing …"):
        found = diagnose_run(run, prove=prove, seconds=seconds)
    if not prove and any("proof" in one for one in run.findings):
        _note("not kept in the run: an earlier diagnosis with proofs stays there")
        return found
    try:
        keep_findings(run.folder, [one.summary for one in (*found.standing, *found.possible)])
    except RunError as error:
        _note(f"not kept in the run: {error.happened}")
    return found


def _note(text: str) -> None:
    notes().print(printable(text), markup=False, soft_wrap=True)
