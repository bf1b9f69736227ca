"""Many trainings of one recipe under different settings, compared by the dev part."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path

from pydantic_core import to_jsonable_python

from gatescope.recipes.kinds.lessons import HOME, Lesson
from gatescope.recipes.kinds.settings import override
from gatescope.recipes.running.ranges import Range, Swept, parsed, points
from gatescope.recipes.running.runners import Trial, in_processes, on_ray
from gatescope.recipes.running.trial import Outcome, TrialAsked
from gatescope.report.html import Html, page, paragraph, section, table
from gatescope.report.plots import line_chart
from gatescope.report.series import Series
from gatescope.runs.asked import Asked, open_run
from gatescope.runs.files import atomic_write

ASKED, PAGE = "sweep.json", "sweep.html"
_SHOWN = 6  # curves that are told apart
_HIGHEST = 2.0  # times what the best ones reach; curves above that leave the picture


class SweepAsked(Asked):
    """What `sweep.json` holds: the recipe with its changes, and the settings of each trial."""

    base: TrialAsked
    trials: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Sweep:
    """A sweep, in a folder.

    Args:
        asked: What is tried.
        swept: What of it differs from trial to trial.
        folder: Where it is kept.
    """

    asked: SweepAsked
    swept: Sequence[Swept]
    folder: Path

    @property
    def trials(self) -> list[Trial]:
        """All of them."""
        base, width = self.asked.base, len(str(len(self.asked.trials)))
        return [
            Trial(
                base.model_copy(update={"settings": (*base.settings, *settings)}),
                self.folder / f"trial-{place:0{width}d}",
            )
            for place, settings in enumerate(self.asked.trials, 1)
        ]

    def left(self) -> list[Trial]:
        """Those of which nothing has come yet; a process that died is tried again."""
        return [trial for trial in self.trials if trial.outcome is None]

    def run(self, *, workers: int, ray: bool) -> Iterator[tuple[Trial, Outcome]]:
        """Runs what is left, and tells what came of each trial when it ends.

        Args:
            workers: How many at once, on this machine.
            ray: Whether a Ray cluster runs them.
        """
        return on_ray(self.left()) if ray else in_processes(self.left(), workers)

    def results(self) -> list[tuple[Trial, Outcome]]:
        """What has come of trials so far."""
        ended = [(trial, trial.outcome) for trial in self.trials]
        return [(trial, outcome) for trial, outcome in ended if outcome is not None]

    def about(self) -> list[str]:
        """How each range is tried, in words."""
        return [
            f"{one.name} from {one.low:g} to {one.high:g}, "
            + ("by equal factors" if one.by_powers else "by equal steps")
            for one in self.swept
            if isinstance(one, Range)
        ]

    def changes(self, trial: Trial) -> tuple[str, ...]:
        """What a trial has set otherwise than the others."""
        return trial.asked.settings[len(self.asked.base.settings) :]


def prepare(
    lesson: Lesson,
    given: dict[str, object],
    settings: Sequence[str],
    variant: str | None,
    swept: Sequence[str],
    *,
    trials: int | None,
    seed: int,
    folder: Path,
) -> Sweep:
    """Plans a sweep, or finds that its folder holds a part of it.

    Args:
        lesson: The recipe.
        given: What its function `recipe` is given.
        settings: Changes for all trials.
        variant: The one that is trained, of several.
        swept: As `ranges.parsed` reads them.
        trials: How many; see `ranges.points`.
        seed: Of what is drawn.
        folder: Where it is kept.

    Raises:
        ConfigurationError: A setting is none, or does not accept one of its values; or the folder
            holds another sweep.
    """
    own = lesson.file.parent != HOME
    base = TrialAsked(
        recipe=str(lesson.file.resolve()) if own else lesson.name,
        given=to_jsonable_python({name: _absolute(value) for name, value in given.items()}),
        variant=variant,
        settings=tuple(settings),
    )
    first = next(iter(base.load().variants), None)
    base = base.model_copy(update={"variant": variant or first})
    recipe = base.network()
    ranges = [parsed(recipe, one) for one in swept]
    chosen = points(ranges, trials, seed)
    for changes in chosen:
        override(recipe, changes)  # refused now rather than in the middle
    asked = SweepAsked(base=base, trials=tuple(chosen))
    file = folder / ASKED
    return Sweep(open_run(asked, file, resume=file.exists()), ranges, folder)


def _absolute(value: object) -> object:
    return value.resolve() if isinstance(value, Path) else value


Result = tuple[Trial, Outcome]


def ranked(results: Sequence[Result]) -> list[Result]:
    """The best on the dev part first, of equal ones that of the lower loss; failures last.

    Args:
        results: In any order.
    """

    def place(result: Result) -> tuple[float, float]:
        outcome = result[1]
        loss = inf if outcome.loss is None else outcome.loss
        return (inf if outcome.dev is None else -outcome.dev), loss

    return sorted(results, key=place)


def rows_of(sweep: Sweep, results: Sequence[Result]) -> tuple[list[list[object]], list[str]]:
    """The table that compares trials, and the names of its columns.

    Args:
        sweep: What was tried.
        results: As `ranked` sorts them.
    """
    rows: list[list[object]] = []
    for trial, outcome in results:
        values = [change.partition("=")[2] for change in sweep.changes(trial)]
        told = outcome.failure or (outcome.best_epoch + 1)
        rows.append([trial.folder.name, *values, outcome.dev, outcome.loss, told, outcome.seconds])
    names = [one.name.rpartition(".")[2] for one in sweep.swept]
    return rows, ["", *names, "dev", "dev loss", "best epoch", "seconds"]


def write_sweep(sweep: Sweep, results: Sequence[Result], use: str) -> Path:
    """Writes what a sweep came to as a page.

    Args:
        sweep: What was tried.
        results: As `ranked` sorts them.
        use: How to train by the best settings.

    Returns:
        The page.
    """
    rows, columns = rows_of(sweep, results)
    lead = ", ".join(one.name for one in sweep.swept)
    charts = [_curves(sweep, results), *_scores(sweep, results)]
    content = page(
        f"Sweep of {sweep.asked.base.recipe.rpartition('/')[2]}",
        section("Curves", *charts),
        section(
            "Trials",
            paragraph("Compared by the dev part: the test part is for the one that you choose."),
            table(rows, columns, caption="The best first"),
            paragraph(use),
        ),
        lead=f"{len(results)} trainings that differ in {lead}.",
    )
    atomic_write(sweep.folder / PAGE, content.encode())
    return sweep.folder / PAGE


def _curves(sweep: Sweep, results: Sequence[Result]) -> Html:
    """The loss on the dev part of all trials, of which the best are told apart."""
    lines = [
        Series(_told(sweep, trial), range(1, len(line) + 1), line)
        for trial, outcome in results
        if (line := outcome.history.get("val_loss"))
    ]
    best, others = lines[:_SHOWN], lines[_SHOWN:]
    tops = [max(line.y) for line in best]
    limit = _HIGHEST * statistics.median(tops) if tops else inf
    more = f"; {len(others)} more in grey" if others else ""
    return line_chart(
        [_below(line, limit) for line in best], behind=[_below(line, limit) for line in others],
        title=f"Loss on held-out data, the best first{more}", x_label="epoch", y_label="loss",
    )  # fmt: skip


def _told(sweep: Sweep, trial: Trial) -> str:
    changes = (change.partition("=") for change in sweep.changes(trial))
    return ", ".join(f"{name.rpartition('.')[2]} {value}" for name, _, value in changes)


def _below(line: Series, limit: float) -> Series:
    return Series(line.label, line.x, [value if value <= limit else nan for value in line.y])


def _scores(sweep: Sweep, results: Sequence[Result]) -> list[Html]:
    """The score over the setting, where there is one range alone."""
    if len(sweep.swept) != 1 or not isinstance(swept := sweep.swept[0], Range):
        return []
    known = sorted(
        (float(sweep.changes(trial)[0].partition("=")[2]), nan if o.dev is None else o.dev)
        for trial, o in results
    )
    line = Series("dev", [x for x, _ in known], [y for _, y in known])
    chart = line_chart(
        [line], title=f"Score by {swept.name}", x_label=swept.name, y_label="dev",
        log_x=swept.by_powers,
    )  # fmt: skip
    return [chart]
