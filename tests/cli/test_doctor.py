"""`gatescope doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from written_runs import fill, record


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose learning rate is far too high."""
    monkeypatch.chdir(tmp_path)
    optimizer = {"name": "Adam", "learning_rate": 10.0}
    with record(Path("runs"), "digits", configuration={"optimizer": optimizer}) as writer:
        fill(writer)
    return writer.folder.name


def test_a_run_is_diagnosed_by_its_name(gatescope, run: str) -> None:
    answer = gatescope("doctor", run, "--no-prove")
    assert answer.code == 0 and answer.out.startswith("digits:")
    assert "the learning rate 10 is too high" in answer.out


def test_json_and_a_page(gatescope, run: str, tmp_path: Path) -> None:
    answer = gatescope("doctor", run, "--json", "--html", "page.html")
    told = json.loads(answer.out)
    assert told["schema"] == 1
    assert told["findings"][0]["rule"] == "learning_rate_too_high"
    assert told["notes"] == ["no proofs: the run kept no model and no data"]
    assert "wrote page.html" in answer.err
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_check_fails_for_proved_faults_alone(gatescope, run: str) -> None:
    assert gatescope("doctor", run, "--check").code == 0
    answer = gatescope("doctor", run, "--check", "--no-prove")
    assert answer.code == 2 and "--no-prove proves none" in answer.err


def test_what_is_no_run_is_said(gatescope, run: str) -> None:
    answer = gatescope("doctor", "digit")
    assert answer.code == 2 and "there is no 'runs/digit'" in answer.err
