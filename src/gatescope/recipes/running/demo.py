"""`gatescope demo`: a captioner trained from scratch, and the shipped one on real photos."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from rich.console import Console

from gatescope.caption.caption import Caption
from gatescope.caption.captioner import Captioner, load_captioner
from gatescope.caption.view import caption_view, gallery
from gatescope.data.samples import sample_photos
from gatescope.recipes import scenes
from gatescope.recipes.scenes import ScenesResult
from gatescope.report.captions import caption_gallery
from gatescope.report.html import Html, facts, page, paragraph, section
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.report.terminal import progress, summary, table
from gatescope.runs.files import atomic_write

PHOTOS = ("astronaut", "cat", "china", "coffee", "flower", "motorcycle", "photographer", "rocket")


def run(out: Path, console: Console) -> None:
    """Trains on scenes, captions real photos, writes the report and prints a summary.

    Args:
        out: The report's file.
        console: Where progress and summary are shown.
    """
    started = time.monotonic()
    console.print("[bold]1[/] A region captioner learns generated scenes, from scratch")
    with tempfile.TemporaryDirectory() as folder:
        learned = scenes.run(scenes.recipe(), Path(folder), resume=False, console=console)
    console.print("[bold]2[/] The shipped captioner reads real photos")
    captions = _caption_samples(load_captioner(), console)
    seconds = time.monotonic() - started
    atomic_write(out, _report(learned, captions, seconds).encode())
    console.print(_summary(learned, captions, out, seconds))


def _caption_samples(captioner: Captioner, console: Console) -> dict[str, Caption]:
    photos = sample_photos()
    with progress(console) as bar:
        task = bar.add_task("captions, each word proved", total=len(PHOTOS))
        captions = {}
        for name in PHOTOS:
            captions[name] = captioner.caption(photos[name], prove=True)
            bar.advance(task)
    return captions


def _report(learned: ScenesResult, captions: dict[str, Caption], seconds: float) -> str:
    views = [caption_view(caption, name) for name, caption in captions.items()]
    return page(
        "What Gatescope sees",
        section("Real photos, by the shipped captioner", gallery(views, name="photos")),
        _learned(learned),
        lead=f"Made on this machine in {seconds:.0f} seconds, with no network.",
    )


def _learned(learned: ScenesResult) -> Html:
    numbers = facts(
        [
            ("captions exactly right", f"{learned.exact:.0%}"),
            ("of colour–shape pairs never trained on", f"{learned.exact_held_out:.0%}"),
            ("words that look at the right object", f"{learned.grounding:.0%}"),
            ("exactly right by the baseline", f"{learned.baseline:.0%}"),
        ]
    )
    losses = Series("training loss", range(1, len(learned.losses) + 1), learned.losses)
    return section(
        "Generated scenes, learned from scratch",
        paragraph(
            f"A small region captioner, trained here in {learned.seconds:.0f} seconds. The "
            "baseline says the caption of the training scene that looks most alike."
        ),
        numbers,
        line_chart([losses], title="Training", x_label="epoch", y_label="loss"),
        caption_gallery(learned.examples, name="scenes"),
    )


def _summary(
    learned: ScenesResult, captions: dict[str, Caption], out: Path, seconds: float
) -> object:
    rows = [(name, _told(caption)) for name, caption in captions.items()]
    return summary(
        "gatescope demo",
        [
            ("scenes", f"{learned.exact:.1%} of captions exactly right on test scenes"),
            ("", f"{learned.exact_held_out:.1%} where colour and shape never met in training"),
            ("grounding", f"{learned.grounding_held_out:.1%} of words look at the right object"),
            ("baseline", f"{learned.baseline:.1%} exactly right"),
            ("time", f"{seconds:.0f} s"),
            ("report", str(out.resolve())),
        ],
        table(rows, ["photo", "caption"]),
    )


def _told(caption: Caption) -> str:
    return caption.text if caption.sure else f"{caption.text}   (not sure)"
