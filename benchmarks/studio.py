"""How quickly the studio answers, measured in a real browser.

    python benchmarks/studio.py [--times 7] [--only paint|drag|long|crowd]

- paint: a browser with an empty cache opens the first page of a server that is up; until the
  circuit is drawn.
- drag: a slider of the first page is dragged; from the browser's own pointer event until the
  drawing has changed.
- long: a run of 1,000,000 probe rows (100,000 steps, 10 layers, 12 statistics) is opened, until all
  charts are drawn; then a stretch of it is chosen, until its detail is there. Each time anew, for
  the server keeps what it has drawn.
- crowd: twenty browsers watch a run that is written meanwhile, 20 steps a second for 20 seconds;
  until each shows the last step once it is written, and what the server used of a processor.

Medians, with the least and the most. Server and Chromium share the machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from gatescope.runs.record import RunWriter, start_run

CHROMIUM = "/usr/bin/chromium"
STEPS, LAYERS, STATISTICS = 100_000, [f"layer{place}" for place in range(10)], [
    "mean", "deviation", "minimum", "maximum", "zeros", "saturated", "dead", "not_finite",
    "gradient", "weight", "weight_gradient", "update_ratio",
]  # fmt: skip
BROWSERS, LIVE_SECONDS, RATE = 20, 20, 20
# In the page itself: when, since it was asked for, does what is wanted stand there?
UNTIL = """wanted => new Promise(done => {
  const look = () => eval(wanted) ? done(performance.now()) : requestAnimationFrame(look);
  look();
})"""
CIRCUIT = "document.querySelector('.gatescope-graph text')"
DRAWN = """(charts => charts.length > 3 && charts.every(each => each.querySelector('svg path')))(
  [...document.querySelectorAll('.gs-room .nicegui-echart')])"""
WATCH_DRAG = """() => {
  window.answers = [];
  let moved = null;
  addEventListener('mousemove', () => { moved ??= performance.now(); }, true);
  new MutationObserver(() => {
    if (moved !== null) { window.answers.push(performance.now() - moved); moved = null; }
  }).observe(document.querySelector('.gs-drawing'), { childList: true, subtree: true });
}"""
SHOWN = "document.querySelector('.gs-moment .value')?.innerText"


class Studio:
    """The server in a process of its own.

    Args:
        runs: The folder it shows.
    """

    def __init__(self, runs: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gatescope", "studio", str(runs), "--no-open", "--port", "0"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        line = self.process.stdout.readline()
        self.address = line.partition(": ")[2].strip().rstrip("/")

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    @property
    def seconds(self) -> float:
        """Of a processor that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--only", choices=list(MEASURED))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, measure in MEASURED.items():
            if asked.only in (None, name):
                measure(browser, Path(folder), asked.times)


def told(what: str, seconds: Sequence[float]) -> None:
    """A line of the result, in milliseconds."""
    least, middle, most = (1000 * f(seconds) for f in (min, statistics.median, max))
    print(f"{what:52} {middle:7.0f} ms   ({least:.0f} to {most:.0f}, {len(seconds)} times)")


def paint(browser: Any, folder: Path, times: int) -> None:
    with Studio(folder) as studio:
        found = [opened(browser, studio.address, CIRCUIT) for _ in range(times)]
    told("first page, the very first time", found[:1])
    told("first page, empty cache, until the circuit is drawn", found[1:])


def opened(browser: Any, address: str, wanted: str) -> float:
    """Seconds, by the browser's clock, until what is wanted stands in a page."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(address, wait_until="commit")
    seconds = page.evaluate(UNTIL, wanted) / 1000
    context.close()
    return seconds


def drag(browser: Any, folder: Path, times: int) -> None:
    with Studio(folder) as studio:
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(studio.address)
        page.evaluate(UNTIL, CIRCUIT)
        page.wait_for_timeout(1000)
        thumb = page.locator("[aria-label='w'] .q-slider__thumb").bounding_box()
        x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.evaluate(WATCH_DRAG)
        for place in range(3 * times):
            page.mouse.move(x + 4 * (place % 12) + 4, y)
            page.wait_for_timeout(250)
        page.mouse.up()
        answers = [one / 1000 for one in page.evaluate("window.answers")]
        page.close()
    told("an input is dragged, until the circuit has followed", answers)


def long(browser: Any, folder: Path, times: int) -> None:
    name = written(folder)
    with Studio(folder) as studio:
        address = f"{studio.address}/runs/{name}"
        found = [opened(browser, f"{address}?step={place}", DRAWN) for place in range(times)]
        told(f"a run of {STEPS * len(LAYERS):,} probe rows opens", found)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(address)
        page.evaluate(UNTIL, DRAWN)
        told("a stretch of it is chosen, until its detail is there",
             [narrowed(page) for _ in range(times)])  # fmt: skip
        page.close()


def narrowed(page: Any) -> float:
    """Seconds from a press of a key until another stretch is drawn."""
    page.locator(".q-range [tabindex]").first.focus()
    page.wait_for_timeout(500)
    page.evaluate("""() => {
      const chart = document.querySelector('.gs-room .nicegui-echart');
      const first = chart.innerHTML;
      addEventListener('keydown', () => { window.pressed = performance.now(); },
                       { once: true, capture: true });
      window.drawn = new Promise(done => new MutationObserver((_, all) => {
        if (chart.innerHTML !== first) { all.disconnect(); done(performance.now()); }
      }).observe(chart, { childList: true, subtree: true, attributes: true }));
    }""")
    page.keyboard.press("PageUp")
    return page.evaluate("window.drawn.then(at => at - window.pressed)") / 1000


def written(folder: Path) -> str:
    """The long run; the name of its folder."""
    generator = np.random.default_rng(1)
    with start_run(folder, "long", configuration={}, tensorboard=False) as writer:
        for first in range(0, STEPS, 1000):
            probed(writer, np.arange(first, first + 1000), generator)
    return writer.folder.name


def probed(writer: RunWriter, steps: Any, generator: np.random.Generator) -> None:
    for step in steps.tolist():
        writer.metrics(step, 0, {"loss": 1 / (step + 1), "learning_rate": 0.1})
    numbers = generator.uniform(0.01, 1, (len(steps), len(LAYERS), len(STATISTICS)))
    writer.probes(steps, LAYERS, STATISTICS, numbers.astype(np.float32))


def crowd(browser: Any, folder: Path, times: int) -> None:
    with (
        Studio(folder) as studio,
        start_run(folder, "live", configuration={}, tensorboard=False) as writer,
    ):
        probed(writer, np.arange(20), np.random.default_rng(0))
        writer.flush()
        address = f"{studio.address}/runs/{writer.folder.name}"
        pages = [browser.new_context().new_page() for _ in range(BROWSERS)]
        for page in pages:
            page.goto(address)
            page.evaluate(UNTIL, DRAWN)
        writing = threading.Thread(target=live, args=(writer,))
        used, began = studio.seconds, time.perf_counter()
        writing.start()
        while writing.is_alive():
            pages[0].wait_for_timeout(200)
        written_at = time.perf_counter()
        last = f"{19 + LIVE_SECONDS * RATE:,}"
        found = [until_shown(page, last) - written_at for page in pages]
        share = (studio.seconds - used) / (time.perf_counter() - began)
    told(f"{BROWSERS} browsers, until each shows the last step written", found)
    print(f"{'of a processor, the server used meanwhile':52} {share:7.0%}")


def live(writer: RunWriter) -> None:
    """Writes as a training does."""
    generator = np.random.default_rng(2)
    for step in range(20, 20 + LIVE_SECONDS * RATE):
        probed(writer, np.array([step]), generator)
        time.sleep(1 / RATE)
    writer.flush()


def until_shown(page: Any, last: str) -> float:
    page.wait_for_function(f"{SHOWN} === '{last}'", timeout=60_000)
    return time.perf_counter()


MEASURED: dict[str, Callable[[Any, Path, int], None]] = {
    "paint": paint, "drag": drag, "long": long, "crowd": crowd,
}  # fmt: skip

if __name__ == "__main__":
    main()
