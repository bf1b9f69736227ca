"""A run is opened once, and resumed only by the same request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatescope.errors import ConfigurationError, UsageError
from gatescope.runs.asked import Asked, open_run, write_asked


class Request(Asked):
    epochs: int
    rate: float = 0.1


ASKED = Request(epochs=3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "one" / "recipe.json"


def test_a_new_run_writes_what_was_asked(file: Path) -> None:
    assert open_run(ASKED, file, resume=False) == ASKED
    assert json.loads(file.read_text()) == {"finished": False, "epochs": 3, "rate": 0.1}


def test_a_run_is_begun_only_once(file: Path) -> None:
    open_run(ASKED, file, resume=False)
    (file.parent / "teach.last").touch()
    with pytest.raises(UsageError) as error:
        open_run(ASKED, file, resume=False)
    assert str(error.value) == (
        f"{file.parent} holds a training already\n"
        "  expected: a new folder, or --resume\n"
        f"  fix: add --resume to go on with it, or choose another --run than {file.parent}"
    )


def test_what_was_asked_and_never_begun_may_be_asked_anew(file: Path) -> None:
    open_run(ASKED, file, resume=False)
    open_run(Request(epochs=4), file, resume=False)
    assert open_run(Request(epochs=4), file, resume=True) == Request(epochs=4)


def test_a_run_that_never_began_is_not_resumed(file: Path) -> None:
    with pytest.raises(UsageError) as error:
        open_run(ASKED, file, resume=True)
    assert str(error.value) == (
        f"{file.parent} holds no training to resume\n"
        "  expected: a folder with recipe.json\n"
        "  fix: leave --resume out to start one there"
    )
    assert not file.parent.exists()


@pytest.mark.parametrize("finished", [False, True])
def test_the_same_request_resumes_and_learns_whether_it_is_finished(
    file: Path, finished: bool
) -> None:
    open_run(ASKED, file, resume=False)
    write_asked(ASKED.model_copy(update={"finished": finished}), file)
    assert open_run(ASKED, file, resume=True).finished == finished


def test_another_request_does_not_resume(file: Path) -> None:
    open_run(ASKED, file, resume=False)
    before = file.read_bytes()
    with pytest.raises(ConfigurationError) as error:
        open_run(Request(epochs=4), file, resume=True)
    assert str(error.value) == (
        f"{file.parent} was started with another recipe, other data or another start\n"
        f"  expected: the same as in {file}: epochs=3 (now 4)\n"
        "  fix: repeat the --data, --from and --set of the first command, or start a new run"
    )
    assert file.read_bytes() == before


def test_what_differs_is_named_within_groups_and_of_much_the_first(file: Path) -> None:
    class Much(Asked):
        config: dict[str, dict[str, int]]

    open_run(Much(config={"training": dict.fromkeys("abcdef", 1)}), file, resume=False)
    other = Much(config={"training": {**dict.fromkeys("bcdef", 2), "g": 3}})
    with pytest.raises(ConfigurationError, match=r"training.a=1 \(now not there\), .* 3 more\n"):
        open_run(other, file, resume=True)


def test_a_setting_that_was_added_since_has_its_default(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text('{"epochs": 3}')
    open_run(ASKED, file, resume=True)
    with pytest.raises(ConfigurationError, match="another recipe"):
        open_run(Request(epochs=3, rate=0.2), file, resume=True)


@pytest.mark.parametrize("content", ["", "{", '{"epochs": "many"}', "[]"])
def test_a_damaged_file_is_told(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"recipe\.json cannot be read: ") as error:
        open_run(ASKED, file, resume=True)
    assert error.value.fix == "start a new run in another folder"
