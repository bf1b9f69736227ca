"""What the doctor says is kept in the run, and replaces what it said before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from written_runs import FINDING, fill, record

from gatescope.errors import RunError
from gatescope.runs.findings import keep_findings
from gatescope.runs.open import Run, open_run


def test_a_later_diagnosis_replaces_an_earlier_one(finished: Run) -> None:
    keep_findings(finished.folder, [{"cause": "b"}, {"cause": "a"}])
    assert open_run(finished.folder).findings == [{"cause": "b"}, {"cause": "a"}]
    keep_findings(finished.folder, [])
    assert open_run(finished.folder).findings == []


def test_a_training_that_goes_on_is_not_in_the_way(tmp_path: Path) -> None:
    with record(tmp_path) as writer:
        fill(writer)
        keep_findings(writer.folder, [FINDING])
        fill(writer)
    run = open_run(writer.folder)
    assert run.findings == [FINDING] and len(run.metrics["step"]) == 204


def test_a_run_that_may_not_be_written_is_told(finished: Run) -> None:
    database = finished.folder / "run.sqlite"
    shutil.move(database, finished.folder / "elsewhere")
    database.mkdir()
    with pytest.raises(RunError, match=r"findings cannot be written into .*unable to open") as told:
        keep_findings(finished.folder, [FINDING])
    assert "permissions" in told.value.fix
