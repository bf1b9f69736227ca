"""Makes the pictures of these pages, with the real studio, real trainings and Chromium.

    python docs/studio/screenshots.py [ROOM …] [--into DIR] [--runs DIR]

Without names, all of them. Two small networks are trained first and diagnosed, and one of the
recipe `convolution`, unless a folder of such runs is named. CI keeps what `--into` gets as an
artefact.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import sync_playwright

import gatescope as gs
from gatescope.runs.folder import list_runs

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
_PATIENCE = 300_000  # milliseconds, on a machine that does much else
SCRIPT = """
    import keras
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    model = keras.Sequential([
        keras.layers.Input((64,)),
        keras.layers.Dense(64, activation="sigmoid", name="first"),
        keras.layers.Dense(64, activation="sigmoid", name="second"),
        keras.layers.Dense(10, activation="softmax", name="digit"),
    ])
    model.compile(keras.optimizers.SGD({rate}), "sparse_categorical_crossentropy",
                  metrics=["accuracy"])
    model.fit(x / 16, y, validation_split=0.2, epochs=12, verbose=0)
"""


class Picture(NamedTuple):
    """A page, and what is done on it before it is taken."""

    address: Callable[[list[str]], str]
    act: Callable[[Any], object]
    height: int = 720


def _play(page: Any) -> None:
    for _ in range(8):
        page.get_by_role("button", name="Step", exact=True).click()
    page.get_by_text("step 8").wait_for()
    page.wait_for_timeout(2000)


def _train(page: Any) -> None:
    page.locator(".gs-units svg").first.wait_for()
    page.get_by_role("button", name="Play").click()
    page.get_by_text(re.compile(r"step [3-9]\d\d")).wait_for()
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(2000)


def _open_unit(page: Any) -> None:
    page.get_by_role("heading", name="Circuit").wait_for()
    page.get_by_text("Receptive field").wait_for()


def _open_word(page: Any) -> None:
    page.get_by_text("its region painted over").wait_for()


NETWORK = "two-blocks"
PICTURES = {
    "gates": Picture(lambda runs: "/", _play, 1000),
    "mechanisms": Picture(lambda runs: "/mechanisms?names=relu,gelu,tanh", lambda page: None),
    "playground": Picture(lambda runs: "/playground", _train, 1000),
    "runs": Picture(
        lambda runs: f"/runs?compare={','.join(_watched(runs))}", lambda page: None, 900
    ),
    "run": Picture(lambda runs: f"/runs/{_watched(runs)[-1]}?step=150", lambda page: None, 1900),
    "network": Picture(
        lambda runs: next(f"/network/{run}?layer=conv_1_1&sample=3&unit=4,3,19"
                          for run in runs if run.endswith(NETWORK)),
        _open_unit, 1500,
    ),
    "captions": Picture(lambda runs: "/captions?photo=motorcycle&word=7", _open_word, 1300),
}  # fmt: skip
"""By the name of the room."""


def _watched(runs: list[str]) -> list[str]:
    """Runs of the script, not of the recipe."""
    return [run for run in runs if not run.endswith(NETWORK)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(PICTURES)}")
    parser.add_argument("--into", type=Path, default=HERE, help="where pictures are kept")
    parser.add_argument("--runs", type=Path, help="a folder of runs; made if none is named")
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    with folder_of_runs(asked.runs) as runs:
        names = [run.run for run in list_runs(runs).runs]
        with gs.studio(runs, port=0, open_browser=False) as studio, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for room in asked.rooms or PICTURES:
                take(browser, studio.address, room, names, asked.into / f"{room}.png")


@contextmanager
def folder_of_runs(named: Path | None) -> Iterator[Path]:
    """The folder, or a new one with three trainings, one of which learns next to nothing."""
    if named:
        yield named
        return
    with tempfile.TemporaryDirectory() as place:
        for name, rate in (("slow", 0.05), ("quick", 0.5)):
            script = Path(place) / f"{name}.py"
            script.write_text(textwrap.dedent(SCRIPT).format(rate=rate))
            command = ["run", "--doctor", "--runs", f"{place}/runs", "--name", name, str(script)]
            subprocess.run([sys.executable, "-m", "gatescope", *command], check=True)
        recipe = ["train", "convolution", "--variant", "two blocks", "--run",
                  f"{place}/runs/convolution"]  # fmt: skip
        subprocess.run([sys.executable, "-m", "gatescope", *recipe], check=True)
        yield Path(place) / "runs"


def take(browser: Any, address: str, room: str, runs: list[str], file: Path) -> None:
    """Takes one picture, in few colours, so that it stays small."""
    wanted = PICTURES[room]
    page = browser.new_page(
        viewport={"width": 1280, "height": wanted.height}, reduced_motion="reduce"
    )
    page.set_default_timeout(_PATIENCE)
    page.goto(address.rstrip("/") + wanted.address(runs))
    page.locator(".gs-room svg").last.wait_for()
    page.wait_for_timeout(4000)
    wanted.act(page)
    page.screenshot(path=file)
    page.close()
    Image.open(file).convert("RGB").quantize(128).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
